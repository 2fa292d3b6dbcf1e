"""The native example as it is deployed: baked from a clone, its service gone, run where nothing can be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import statebake
from support.engine import Docker
from support.images import BASE, SEALED, bake, diff_ids, image_id, index_flags
from support.pexes import copy_example, digests
from support.service import Service
from support.trees import read_tree

STATE = "src/weather/defs/.local_defs_state"
KEYS = ["ForecastsComponent[all]", "StationsComponent[north]", "StationsComponent[south]"]
NAMES = ("Fjellgard", "Østervik", "Campo Lucente", "Salinella")


@dataclass(frozen=True)
class Baked:
    """The example after a bake; its service is stopped, its project moved away."""

    docker: Docker
    tag: str
    report: dict
    digests: dict[str, str]
    output: str


def baked(docker: Docker, tag: str, root: Path, *flags: str, **env: str) -> Baked:
    """Bake a clean copy of the example, then stop its service and move it away."""
    project = copy_example("weather", root / "weather")
    (root / "service").mkdir()
    with Service.start(root / "service") as service:
        result = bake(docker, project, "--tag", tag, *flags, env={**service.env, **env}).ok()
    before = digests(read_tree(project / STATE))
    project.rename(root / "moved away")
    return Baked(docker, tag, result.json["projects"][0], before, result.out + result.err)


def assert_deployable(baked: Baked, root: Path) -> None:
    """Fail unless the image prints the report from its state alone, and ``inspect`` proves every key."""
    printed = baked.docker.run("run", "--rm", *SEALED, baked.tag).ok().out
    assert [name for name in NAMES if name not in printed] == []
    assert "nothing was fetched to print this" in printed
    inspected = statebake("inspect", baked.tag, "--format", "json", cwd=root, env=baked.docker.env()).ok().json
    [image] = inspected["images"]
    [state] = image["states"]
    assert (state["path"], state["error"]) == (f"/app/{STATE}", None)
    assert {key["key"]: key["proved"] for key in state["keys"]} == dict.fromkeys(KEYS, True)
    assert sorted(key["digest"] for key in state["keys"]) == sorted(baked.digests.values())
    assert state["manifest"] == baked.report["image"]["manifest"]


def test_on_every_engine(every_docker, new_image, tmp_path):
    """Every engine, with its own docker program, builds an image that prints its report from state; it comes last."""
    tag = new_image(every_docker)
    done = baked(every_docker, tag, tmp_path, *index_flags(every_docker))
    assert_deployable(done, tmp_path)
    image = done.report["image"]
    assert image["id"] == image_id(every_docker, tag)
    [platform] = image["platforms"]
    layers = [layer["diff_id"] for layer in platform["layers"]]
    assert layers == diff_ids(every_docker, tag)
    assert platform["state"] == [{"path": f"/app/{STATE}", "layer": len(layers) - 1}]
    assert (image["tags"], image["pushed"], image["notes"]) == ([tag], False, [])


@pytest.mark.needs("docker")
def test_without_a_docker_program(docker, new_image, tmp_path):
    """With an engine and no docker program, the engine's own builder makes the image, and it is said what is lost."""
    tag = new_image(docker)
    flags = ("--base-image", BASE, "--docker-arg=--network=host")
    (tmp_path / "bin").mkdir()
    done = baked(docker, tag, tmp_path, *flags, PATH=str(tmp_path / "bin"))
    assert_deployable(done, tmp_path)
    image = done.report["image"]
    assert (image["builder"], image["loses"]) == (
        "the engine's API",
        ["secrets", "cache mounts", "several platforms"],
    )
    text = bake(docker, tmp_path / "moved away", "--no-refresh", *flags, env={"PATH": ""}, shown="text").ok().out
    assert "built by the engine's API, without secrets, cache mounts, several platforms" in text


@pytest.mark.needs("docker")
def test_a_secret_without_a_docker_program(docker, tmp_path):
    """A secret that the engine's own builder cannot have is refused before anything is fetched."""
    project = copy_example("weather", tmp_path / "weather")
    with Service.start(tmp_path) as service:
        flags = ("--tag", "x", "--base-image", BASE, "--secret", "id=a,src=b")
        result = bake(docker, project, *flags, env={**service.env, "PATH": ""})
    assert result.code == 2
    assert result.json["error"]["code"] == "SB103"
    assert "secrets" in result.json["error"]["message"]
    assert not (project / STATE).exists()
