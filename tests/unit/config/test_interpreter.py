"""Choosing the interpreter for user code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from statebake.config import Settings, choose_python, find_projects
from statebake.errors import Code, StatebakeError


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "workspace" / "project"
    root.mkdir(parents=True)
    (root / "statebake.toml").touch()
    [found] = find_projects([root], tmp_path)
    return replace(found, workspace=root.parent)


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def refused(project, settings=None, origin="default", env=None):
    with pytest.raises(StatebakeError) as caught:
        choose_python(project, settings or Settings(), origin, env or {})
    assert caught.value.code is Code.NO_INTERPRETER
    return caught.value


def test_order(project, tmp_path):
    """Configured, the project's .venv, the workspace's, VIRTUAL_ENV, statebake's own: the first there."""
    own = str(tmp_path / "own")
    env = {"VIRTUAL_ENV": str(tmp_path / "active")}

    def chosen(settings=None, origin="default", env=env):
        interpreter = choose_python(project, settings or Settings(), origin, env, own)
        return interpreter.path, interpreter.origin

    assert chosen(env={}) == (Path(own), "statebake's own")
    active = executable(tmp_path / "active/bin/python")
    assert chosen() == (active, "env VIRTUAL_ENV")
    in_workspace = executable(project.workspace / ".venv/bin/python")
    assert chosen() == (in_workspace, "workspace .venv")
    in_project = executable(project.directory / ".venv/bin/python")
    assert chosen() == (in_project, "project .venv")
    mine = executable(tmp_path / "mine/python")
    assert chosen(Settings(python=mine), "flag --python") == (mine, "flag --python")


def test_workspace_of_uv(project, tmp_path):
    """A member of a uv workspace has no .venv of its own: uv makes that at the root; another .venv above is none."""
    member = replace(project, workspace=None)
    in_root = executable(tmp_path / "workspace/.venv/bin/python")
    assert choose_python(member, Settings(), "default", {}).origin == "statebake's own"
    (tmp_path / "workspace/pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["project"]\n')
    chosen = choose_python(member, Settings(), "default", {"VIRTUAL_ENV": str(tmp_path)})
    assert (chosen.path, chosen.origin) == (in_root, "workspace .venv")


def test_links_are_kept(project, tmp_path):
    """The link that makes an interpreter one of a virtual environment is not resolved."""
    link = project.directory / ".venv/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(executable(tmp_path / "python3"))
    assert choose_python(project, Settings(), "default", {}).path == link


def test_command_on_path(project, tmp_path):
    """A bare name is searched on the PATH that was handed in."""
    python = executable(tmp_path / "bin/python9")
    settings = Settings(python=Path("python9"))
    found = choose_python(project, settings, "flag --python", {"PATH": str(tmp_path / "bin")})
    assert found.path == python
    assert "python9" in refused(project, settings, "flag --python").message


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("missing", "does not exist"), ("directory", "is a directory"), ("file", "not executable")],
)
def test_configured_one_is_unusable(project, tmp_path, kind, problem):
    """A configured interpreter that cannot be run is refused with its origin, whatever else there is."""
    executable(project.directory / ".venv/bin/python")
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    error = refused(project, Settings(python=tmp_path / kind), "env STATEBAKE_PYTHON")
    assert problem in error.message
    assert "env STATEBAKE_PYTHON" in error.message
    assert error.next_step == "correct STATEBAKE_PYTHON"


@pytest.mark.parametrize("place", ["project", "workspace"])
@pytest.mark.parametrize("dangling", [True, False])
def test_broken_venv(project, place, dangling):
    """A .venv without an interpreter, or with a dangling link, is refused by its name."""
    venv = (project.directory if place == "project" else project.workspace) / ".venv"
    (venv / "bin").mkdir(parents=True)
    if dangling:
        (venv / "bin/python").symlink_to("gone")
    error = refused(project)
    assert str(venv / "bin/python") in error.message
    assert f"the {place}'s .venv" in error.message


def test_stale_virtual_env(project, tmp_path):
    """A VIRTUAL_ENV that is gone is refused, not passed by."""
    assert "VIRTUAL_ENV" in refused(project, env={"VIRTUAL_ENV": str(tmp_path / "gone")}).message
