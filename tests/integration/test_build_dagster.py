"""Dagster projects: the wheel has the configuration that Dagster looks for, and its code location loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.builds import BACKENDS, check_record, contents
from support.cli import run, statebake
from support.dagster import dagster_project, dagster_python
from support.hooks import build_sdist, build_wheel, only_wheel
from support.installed import UV, unpack
from support.trees import write_tree

DEFS = {"orders": "type: depot.components.text.Text\nattributes:\n  name: orders\n"}
LOAD = """
from depot.definitions import defs
import dagster
print(*(key.to_user_string() for key in defs().resolve_all_asset_keys()))
"""


def wrapped(root: Path, backend: str) -> Path:
    """Write a refreshed Dagster project whose backend is wrapped; its ``.venv`` has Dagster."""
    requirement, module = BACKENDS[backend]
    project = dagster_project(root, DEFS)
    text = (project / "pyproject.toml").read_text()
    text = text.replace('requires = ["hatchling"]', f'requires = ["statebake", "{requirement}"]')
    text = text.replace('"hatchling.build"', '"statebake.backend"').replace(
        'version = "1"', 'version = "1"\ndescription = "It."'
    )
    (project / "pyproject.toml").write_text(f'{text}\n[tool.statebake]\nbuild-backend = "{module}"\n')
    (project / ".venv").symlink_to(dagster_python("1.13").parent.parent)
    statebake("refresh", cwd=project).ok()
    return project


def load(wheel: Path, target: Path) -> str:
    """Install a wheel alone, and load its definitions with a read-only state, as in an image."""
    run([UV, "pip", "install", "--quiet", "--no-deps", "--target", target, wheel], cwd=target.parent).ok()
    env = {"DAGSTER_DISABLE_TELEMETRY": "yes"}
    return run([dagster_python("1.13"), "-c", LOAD], cwd=target, env=env).ok().out


@pytest.mark.needs("dagster-1.13", "uv")
def test_isolated(builder, tmp_path):
    """Built in isolation, checked in the project's own interpreter, the wheel loads its assets by itself."""
    project = wrapped(tmp_path / "depot", "setuptools")
    result = builder.run("uv", project, tmp_path / "out").ok()
    assert "depot: 1 key has its state, checked with .venv/bin/python (project .venv)" in result.err
    [wheel] = (tmp_path / "out").glob("*.whl")
    check_record(wheel)
    files = contents(wheel)
    assert 'code_location_name" = "depot"' in files["pyproject.toml"].decode()
    assert "depot/defs/.local_defs_state/.gitignore" in files
    assert load(wheel, tmp_path / "installed") == "orders\n"
    statebake("verify", wheel, cwd=project).ok()


@pytest.mark.needs("dagster-1.13", "uv")
def test_a_configuration_that_is_there(tmp_path):
    """A configuration that the backend puts in stays as it is."""
    project = wrapped(tmp_path / "depot", "hatchling")
    path = project / "pyproject.toml"
    include = '"pyproject.toml" = "pyproject.toml"'
    path.write_text(f"{path.read_text()}\n[tool.hatch.build.targets.wheel.force-include]\n{include}\n")
    build_wheel(project, tmp_path / "out").ok()
    assert contents(only_wheel(tmp_path / "out"))["pyproject.toml"] == path.read_bytes()
    path.write_text(path.read_text().replace(include, '"README.toml" = "pyproject.toml"'))
    (project / "README.toml").write_text("[other]\n")
    build_wheel(project, tmp_path / "other").ok()
    files = contents(only_wheel(tmp_path / "other"))
    assert files["pyproject.toml"] == b"[other]\n"
    assert b"[tool.dg.project]" in files["depot/pyproject.toml"]
    check_record(only_wheel(tmp_path / "other"))
    assert load(only_wheel(tmp_path / "other"), tmp_path / "installed") == "orders\n"


@pytest.mark.needs("dagster-1.13", "uv")
def test_dg_toml(tmp_path):
    """``dg.toml`` goes into the sdist; the wheel from there is the same, though its directory has another name."""
    project = wrapped(tmp_path / "depot", "setuptools")
    path = project / "pyproject.toml"
    head, _, rest = path.read_text().partition("[tool.dg]")
    path.write_text(head + "[tool.statebake]" + rest.partition("[tool.statebake]")[2])
    write_tree(project, {"dg.toml": 'directory_type = "project"\n[project]\nroot_module = "depot"\n'})
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    assert (source / "dg.toml").read_text() == (project / "dg.toml").read_text()
    build_wheel(source, tmp_path / "wheel").ok()
    build_wheel(project, tmp_path / "direct").ok()
    [wheel, direct] = [contents(only_wheel(tmp_path / name)) for name in ("wheel", "direct")]
    assert wheel == direct
    assert 'code_location_name" = "depot"' in direct["pyproject.toml"].decode()


@pytest.mark.needs("dagster-1.13", "uv")
def test_without_an_interpreter(tmp_path):
    """Checked by its files alone, declarations that no record names are a warning: many of Dagster's have no state."""
    project = wrapped(tmp_path / "depot", "setuptools")
    (project / ".venv").unlink()
    assert "SB312" not in build_wheel(project, tmp_path / "out").ok().err
    write_tree(project, {f"src/depot/defs/{name}/defs.yaml": "type: depot.Plain\n" for name in "dcba"})
    result = build_wheel(project, tmp_path / "more").ok()
    names = ", ".join(f"src/depot/defs/{name}/defs.yaml" for name in "abc")
    assert f"warning[SB312]: No record knows what {names} and 1 more declare" in result.err
    assert "1 key has its state, checked by its files alone" in result.err
