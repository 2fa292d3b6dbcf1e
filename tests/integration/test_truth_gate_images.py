"""``bake docker`` ends as ``verify`` does: what does not pass gets no name, and reaches no registry."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import statebake as package
from support.cli import Result
from support.engine import Docker
from support.images import BASE, OWN, bake, image_id, image_of, own_project
from support.loading import READ, loads, project
from support.shown import the_error

FETCHES = "import socket\ntry: socket.create_connection(('192.0.2.7', 443), 1)\nexcept OSError: pass\n"
STATE = "src/shop/defs/.local_defs_state"
HALF = f"FROM scratch\nCOPY src/shop/*.py /app/src/shop/\nCOPY {STATE} /app/{STATE}\n"
RUNS = f"FROM {BASE}\nCOPY site /site\nCOPY src /app/src\nENV PYTHONPATH=/app/src:/site\n"
BOTH = (
    f"FROM --platform=linux/amd64 {BASE} AS for-amd64\nFROM scratch AS for-arm64\nFROM for-$TARGETARCH\n"
    "COPY site /site\nCOPY src /app/src\nENV PYTHONPATH=/app/src:/site\n"
)
SEALED = ("--no-refresh", "--verify", "sealed")


def reports(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = result.json["projects"][0]["verification"]["reports"]
    return found


def findings(result: Result) -> list[tuple[str, str, str | None]]:
    [report] = reports(result)
    return [(item["severity"], item["code"], item["key"]) for item in report["findings"]]


def runnable(root: Path, code: str, dockerfile: str = RUNS) -> Path:
    """Write a project with a component that runs ``code``, and a Dockerfile that asks no package index."""
    made = project(root, loads("one", READ), loads("two", code))
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(Path(package.__file__).parent, made / "site/statebake", ignore=ignored)
    shutil.copytree(Path(yaml.__file__).parent, made / "site/yaml", ignore=ignored)
    (made / "Dockerfile").write_text(dockerfile)
    return made


@pytest.mark.needs("docker")
def test_what_a_proof_of_digests_does_not_see(docker: Docker, new_image, tmp_path):
    """A component without its declaration, beside sound state, ends the bake with 3; the old image keeps the name."""
    tag = new_image(docker)
    made = own_project(tmp_path / "shop")
    old = image_of(bake(docker, made, "--no-refresh", "--tag", tag))["id"]
    (made / "Dockerfile").write_text(HALF)
    iidfile = tmp_path / "iid"
    result = bake(docker, made, "--no-refresh", "--tag", tag, "--iidfile", iidfile)
    found = [item for item in findings(result) if item[0] == "error"]
    assert (result.code, found) == (3, [("error", "SB325", "Text[one]"), ("error", "SB325", "Text[two]")])
    assert (image_id(docker, tag), "image" in result.json["projects"][0], iidfile.exists()) == (old, False, False)
    shown = bake(docker, made, "--no-refresh", "--tag", tag, shown="text")
    assert (shown.code, f"✗ shop: the image did not get the name {tag}" in shown.out) == (3, True)


@pytest.mark.needs("docker")
def test_what_is_odd(docker: Docker, tmp_path):
    """A second copy of the package is a warning, and that there is no manifest a note."""
    made = own_project(tmp_path / "shop", f"{OWN}COPY src/shop/defs/__init__.py /lib/shop/defs/\n")
    result = bake(docker, made, "--no-refresh").ok()
    assert ("warning", "SB323", None) in findings(result)
    [report] = reports(result)
    assert "SB327" not in {item["code"] for item in report["findings"]}
    assert report["notes"] == [
        "It carries no manifest: a later statebake verify needs --project, to know which keys there should be."
    ]
    assert [(key["key"], key["verdict"]) for key in report["keys"]] == [("Text[one]", "ok"), ("Text[two]", "ok")]


@pytest.mark.needs("docker")
def test_a_sealed_load(docker: Docker, new_image, tmp_path):
    """An image is loaded by its id, and named when that went well; one that fetches ends with 6 and has no name."""
    tag = new_image(docker)
    made = runnable(tmp_path / "good", READ)
    image = image_of(good := bake(docker, made, *SEALED, "--tag", tag))
    [report] = reports(good)
    assert [(key["opened"], key["definitions"]) for key in report["keys"]] == [(True, 3), (True, 3)]
    assert any("container engine" in check for check in report["checks"])
    assert report["checks"][-1] == "Nothing tried to fetch."

    bad = bake(docker, runnable(tmp_path / "bad", FETCHES + READ), *SEALED, "--tag", tag)
    assert (bad.code, ("error", "SB602", "Text[two]") in findings(bad)) == (6, True)
    assert image_id(docker, tag) == image["id"]
    assert "image" not in bad.json["projects"][0]
    assert docker.run("ps", "--all", "--quiet", "--filter", "label=io.statebake.reader").ok().out == ""


@pytest.mark.needs("docker-containerd")
def test_several_platforms(docker_containerd: Docker, new_image, tmp_path):
    """Of images for several platforms the one that the engine runs is loaded, before any has the name."""
    tag = new_image(docker_containerd)
    flags = (*SEALED, "--tag", tag, "--platform", "linux/amd64", "--platform", "linux/arm64")
    good = bake(docker_containerd, runnable(tmp_path / "good", READ, BOTH), *flags).ok()
    here, there = reports(good)
    assert [(key["opened"], key["definitions"]) for key in here["keys"]] == [(True, 3), (True, 3)]
    assert [(key["opened"], key["definitions"]) for key in there["keys"]] == [(None, None), (None, None)]
    assert any(note.startswith("It was not loaded: this engine runs linux/") for note in there["notes"])
    old = image_id(docker_containerd, tag)
    bad = bake(docker_containerd, runnable(tmp_path / "bad", FETCHES + READ, BOTH), *flags)
    assert (bad.code, image_id(docker_containerd, tag)) == (6, old)


@pytest.mark.needs("docker")
def test_a_platform_that_the_engine_does_not_run(docker: Docker, tmp_path):
    """Where nothing could be loaded that is said before anything is built."""
    made = own_project(tmp_path / "shop", "FROM scratch\nNONSENSE\n")
    error = the_error((result := bake(docker, made, *SEALED, "--platform", "linux/s390x")).err)
    assert (result.code, error.code) == (7, "SB710")
    assert "statebake verify --sealed IMAGE" in (error.next_step or "")
