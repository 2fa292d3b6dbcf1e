"""Secrets in images: in layers, hidden ones too, in their configuration and history; clean layers are read once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.engine import Docker, unique_name
from support.images import bake, image_id, own_project
from support.trees import write_tree

pytestmark = pytest.mark.needs("docker")

VALUE = "v4lue-of/a+secret:" + "Zx9" * 3
ENV = {"SHOP_PASSWORD": VALUE}


def findings(result: Result) -> list[tuple[str, str, str]]:
    """Return severity, code and message of the secrets that a verification, alone or of a bake, found."""
    document = result.json
    reports = document["reports"] if "reports" in document else document["projects"][0]["verification"]["reports"]
    assert VALUE not in result.out + result.err
    found = [(item["severity"], item["code"], item["message"]) for one in reports for item in one["findings"]]
    return [item for item in found if item[1].startswith("SB5")]


DOCKERFILES = {
    "a layer": (
        "FROM scratch\nCOPY src /app/src\nCOPY secret /app/secret\n",
        "layer 2, app/secret has the value of SHOP_PASSWORD, at byte 0.",
    ),
    "a layer that a later one hides": (
        "FROM scratch\nCOPY secret /app/src/shop/x\nCOPY src /app/src\nCOPY public /app/src/shop/x\n",
        "layer 1, app/src/shop/x has the value of SHOP_PASSWORD, at byte 0.",
    ),
    "a label": (
        f"FROM scratch\nCOPY src /app/src\nLABEL note='{VALUE}'\n",
        "label note has the value of SHOP_PASSWORD, at byte 5.",
    ),
    "a variable": (
        "FROM scratch\nARG SHOP_PASSWORD\nCOPY src /app/src\nENV P=$SHOP_PASSWORD\n",
        "variable P has the value of SHOP_PASSWORD, at byte 2.",
    ),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = own_project(tmp_path_factory.mktemp("own") / "shop")
    write_tree(project, {"secret": VALUE, "public": "x"})
    return project


@pytest.fixture
def tag(docker: Docker) -> Iterator[str]:
    name = unique_name()
    yield name
    docker.run("image", "rm", "--force", name)


@pytest.mark.parametrize("where", DOCKERFILES)
def test_a_bake(docker: Docker, own: Path, tag: str, where: str) -> None:
    """A secret in a layer, hidden by another one or not, in a label or a variable: no image gets the name."""
    text, says = DOCKERFILES[where]
    (own / "Dockerfile").write_text(text)
    flags = ("--no-refresh", "--tag", tag, "--build-arg", f"SHOP_PASSWORD={VALUE}" if "ARG" in text else "A=b")
    result = bake(docker, own, *flags, env=ENV)
    found = findings(result)
    assert (result.code, {code for _, code, _ in found}) == (5, {"SB501"})
    assert says in [message for _, _, message in found]
    assert image_id(docker, tag) is None


def test_a_build_secret(docker: Docker, own: Path, tag: str, tmp_path: Path) -> None:
    """A build's own secret that its Dockerfile leaves in the image is found by its id."""
    (own / "Dockerfile").write_text("FROM scratch\nCOPY src /app/src\nCOPY secret /app/secret\n")
    (tmp_path / "token").write_text(VALUE)
    result = bake(docker, own, "--no-refresh", "--tag", tag, "--secret", f"id=index,src={tmp_path / 'token'}", env={})
    assert (result.code, [code for _, code, _ in findings(result)]) == (5, ["SB501"])
    assert "the value of the build's index" in findings(result)[0][2]


def test_clean_layers(docker: Docker, own: Path, tag: str, tmp_path: Path) -> None:
    """What was searched is not read again, unless there is another secret; a hidden file is found all the same."""
    env = {**ENV, "STATEBAKE_CACHE_DIR": str(tmp_path / "cache")}
    (own / "Dockerfile").write_text("FROM scratch\nCOPY public /base\nCOPY src /app/src\n")

    def checks(**more: str) -> str:
        result = bake(docker, own, "--no-refresh", "--tag", tag, env={**env, **more}).ok()
        return " ".join(result.json["projects"][0]["verification"]["reports"][0]["checks"])

    assert "layers were searched before" not in checks()
    assert "2 of 2 layers were searched before" in checks()
    (own / "src/more.txt").write_text("more\n")
    assert "1 of 2 layers were searched before" in checks()
    assert "2 of 2 layers were searched before" in checks()
    assert "layers were searched before" not in checks(OTHER_TOKEN=VALUE[::-1])
    (own / "Dockerfile").write_text("FROM scratch\nCOPY public /base\nCOPY src /app/src\nCOPY secret /app/secret\n")
    for _ in range(2):  # a layer that has one is not remembered as clean
        result = bake(docker, own, "--no-refresh", "--tag", tag, env=env)
        assert (result.code, [code for _, code, _ in findings(result)]) == (5, ["SB501"])
    marks = (tmp_path / "cache/clean-layers.json").read_text()
    assert VALUE not in marks
    assert (tmp_path / "cache/clean-layers.json").stat().st_mode & 0o077 == 0


def test_verify(docker: Docker, own: Path, tag: str, tmp_path: Path) -> None:
    """``verify`` searches all layers of an image in the engine, and of a layout that was saved of it."""
    (own / "Dockerfile").write_text("FROM scratch\nCOPY src /app/src\n")
    bake(docker, own, "--no-refresh", "--tag", tag).ok()
    docker.run("save", "--output", tmp_path / "image.tar", tag).ok()
    for artifact in (tag, tmp_path / "image.tar"):
        command = ("verify", artifact, "--format", "json")
        assert findings(statebake(*command, cwd=own, env=docker.env(**ENV)).ok()) == []
        env = docker.env(SHOP_TOKEN="state_path.read_text")  # what the code in the image has
        result = statebake(*command, cwd=own, env=env)
        assert (result.code, {code for _, code, _ in findings(result)}) == (5, {"SB501"})
        assert findings(result)[0][2].startswith("layer 1, app/src/shop/components.py has the value of SHOP_TOKEN")
