"""Every build backend through every frontend, isolated: the state is in what they build, and nothing else changes."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from statebake.model.manifest import Manifest
from statebake.pipeline.inspecting import read_artifact
from support.builds import (
    BACKENDS,
    FRONTENDS,
    PRINTED,
    check_record,
    contents,
    expected_state,
    load,
    wrapped_project,
)
from support.cli import run
from support.hooks import build_sdist, only_wheel
from support.pexes import bake, members, run_pex

STATE = "shop/defs/.local_defs_state"


@pytest.fixture(scope="module", params=list(BACKENDS))
def built(request, builder, tmp_path_factory):
    """A project in a git work tree, and its wheel from every frontend; ``build`` goes by way of an sdist."""
    root = tmp_path_factory.mktemp(request.param)
    project = wrapped_project(root / "shop", request.param)
    run(["git", "init", "--quiet"], cwd=project).ok()
    run(["git", "add", "."], cwd=project).ok()
    return project, {frontend: builder.wheel(frontend, project, root / frontend) for frontend in FRONTENDS}, root


@pytest.mark.needs("uv")
def test_all_is_inside(built):
    """State, manifest and declarations are in every wheel, ``RECORD`` lists them, and nothing of the refresh is."""
    project, wheels, _ = built
    for wheel in wheels.values():
        check_record(wheel)
        files = contents(wheel)
        state = {name: data for name, data in files.items() if name.startswith(f"{STATE}/")}
        manifest = Manifest.loads(state.pop(f"{STATE}/statebake-manifest.json").decode(), "it")
        assert [record.key for record in manifest.keys] == ["Text[one]", "Text[three]", "Text[tree]"]
        records = [name for name in state if name.endswith(".statebake.json")]
        assert len(records) == 3
        assert {name: data for name, data in state.items() if name not in records} == expected_state(project)
        declared = {name for name in files if name.endswith(".yaml")}
        assert {
            f"shop/defs/{name}" for name in ("things/defs.yaml", "more/defs.yaml", "older/component.yaml")
        } == declared
        [artifact] = read_artifact(str(wheel), {})
        assert [artifact.error(found) for found in artifact.states] == [None]


@pytest.mark.needs("uv")
def test_loads_without_a_source_tree(built):
    """Installed alone, the package loads its definitions from the state."""
    _, wheels, root = built
    assert load(wheels["pip"], root / "installed") == PRINTED


@pytest.mark.needs("uv")
def test_same_bytes(built):
    """Whichever frontend has built it, directly or by way of an sdist, the wheel has the same name and bytes."""
    _, wheels, _ = built
    assert len({wheel.name for wheel in wheels.values()}) == 1
    assert len({wheel.read_bytes() for wheel in wheels.values()}) == 1


@pytest.mark.needs("uv")
def test_same_sdist(built, tmp_path):
    """With ``SOURCE_DATE_EPOCH``, the sdist has the same bytes wherever and whenever it is built."""
    project, _, _ = built
    places = [project, Path(shutil.copytree(project, tmp_path / "elsewhere/shop", symlinks=True))]
    for number, place in enumerate(places):
        build_sdist(place, tmp_path / str(number)).ok()
    assert len({only_wheel(tmp_path / str(number)).read_bytes() for number in range(2)}) == 1


@pytest.mark.needs("uv")
def test_sdist(built):
    """The sdist has the state at its place in the project, with no time of its own."""
    project, wheels, _ = built
    [sdist] = wheels["build"].parent.glob("*.tar.gz")
    assert sdist.name == "shop-1.tar.gz"
    with tarfile.open(sdist) as archive:
        inside = {member.name: member for member in archive if f"/src/{STATE}" in member.name}
        found = {
            name.removeprefix("shop-1/src/"): archive.extractfile(member).read() for name, member in inside.items()
        }
    assert {member.mtime for member in inside.values()} == {315619200}
    assert f"{STATE}/statebake-manifest.json" in found
    assert expected_state(project).items() <= found.items()
    assert not any(".staging" in name for name in found)


@pytest.mark.parametrize("built", ["flit-core"], indirect=True)
@pytest.mark.needs("uv")
def test_baked_as_the_wheel_that_a_build_makes(built, builder, tmp_path):
    """`bake pex --code wheel` has the wrapped backend build, and what it puts in is what the build itself puts in."""
    project, wheels, _ = built
    pex = tmp_path / "shop.pex"
    bake(project, pex, "--no-refresh", "--code", "wheel", env=builder.env()).ok()
    root = f".deps/{wheels['pip'].name}/"
    inside = {name.removeprefix(root): data for name, data in members(pex).items() if name.startswith(f"{root}shop/")}
    assert inside == {name: data for name, data in contents(wheels["pip"]).items() if name.startswith("shop/")}
    assert run_pex(pex, home=tmp_path).ok().out == PRINTED
