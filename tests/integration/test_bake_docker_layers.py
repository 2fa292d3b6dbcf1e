"""What a new bake changes of an image: the layers of what changed, and no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.engine import Docker, unique_name
from support.images import SEALED, bake, diff_ids, image_id, image_of, index_flags
from support.pexes import copy_example
from support.service import NEW_STATION, Service

pytestmark = pytest.mark.needs("docker")


@dataclass(frozen=True)
class Baked:
    """The native example after a bake, and the service that it asks."""

    docker: Docker
    service: Service
    project: Path
    tag: str
    layers: list[str]

    def copy(self, target: Path) -> Path:
        """Return a copy of the project as it was after the bake, state and all."""
        return Path(shutil.copytree(self.project, target))

    def bake(self, project: Path, *args: str) -> dict:
        """Bake a copy, with a refresh, and return what is told of it."""
        result = bake(self.docker, project, *index_flags(self.docker), *args, env=self.service.env)
        return {"refresh": result.ok().json["projects"][0].get("refresh"), **image_of(result)}


@pytest.fixture(scope="module")
def baked(docker: Docker, tmp_path_factory) -> Iterator[Baked]:
    root = tmp_path_factory.mktemp("weather")
    project = copy_example("weather", root / "weather")
    pyproject = project / "pyproject.toml"  # dependencies of its own: no other test builds them anew meanwhile
    pyproject.write_text(pyproject.read_text().replace('["statebake"]', '["statebake", "six"]'))
    tag = unique_name()
    with Service.start(root) as service:
        bake(docker, project, "--tag", tag, *index_flags(docker), env=service.env).ok()
        yield Baked(docker, service, project, tag, diff_ids(docker, tag))
    docker.run("image", "rm", "--force", tag)


def layers_of(image: dict) -> list[str]:
    [platform] = image["platforms"]
    return [layer["diff_id"] for layer in platform["layers"]]


def test_nothing_changed(baked, tmp_path):
    """Without a change no step runs; after a refetch of the same bytes too, the image is the very same."""
    project = baked.copy(tmp_path / "weather")
    same = baked.bake(project, "--no-refresh")
    assert (same["id"], same["steps"]["run"]) == (image_id(baked.docker, baked.tag), 0)
    assert layers_of(same) == baked.layers
    confirmed = baked.bake(project)
    assert {key["outcome"] for key in confirmed["refresh"]["keys"]} == {"unchanged"}
    assert confirmed["id"] == same["id"]
    assert layers_of(confirmed) == baked.layers


def test_the_code_changed(baked, tmp_path):
    """A change of the code leaves the layers of the base image, the dependencies and the state as they are."""
    project = baked.copy(tmp_path / "weather")
    with (project / "src/weather/__main__.py").open("a") as stream:
        stream.write("# changed\n")
    changed = layers_of(baked.bake(project, "--no-refresh"))
    [code] = [number for number, pair in enumerate(zip(baked.layers, changed, strict=True)) if pair[0] != pair[1]]
    assert 1 < code < len(changed) - 1  # above the base image and the dependencies, below the state


def test_the_state_changed(baked, new_image, tmp_path):
    """A key with new content changes the last layer, no other; no dependency is installed, and it is what runs."""
    project = baked.copy(tmp_path / "weather")
    baked.service.post("/stations", NEW_STATION)
    tag = new_image(baked.docker)
    again = baked.bake(project, "--tag", tag)
    assert {key["outcome"] for key in again["refresh"]["keys"]} == {"updated", "unchanged"}
    assert layers_of(again)[:-1] == baked.layers[:-1]
    assert layers_of(again)[-1] != baked.layers[-1]
    assert again["steps"]["run"] <= 4  # the parts are copied and taken apart, and the state is copied in
    assert again["context"]["sent"] < 100_000
    assert "Ravnsund" in baked.docker.run("run", "--rm", *SEALED, tag).ok().out
    assert "Ravnsund" not in baked.docker.run("run", "--rm", *SEALED, baked.tag).ok().out
