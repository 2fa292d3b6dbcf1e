"""Whether uv installs a project, and whether its wheels carry the state, as the project's files tell."""

from __future__ import annotations

import pytest

from statebake.config import find_projects
from statebake.config.backends import wheel_carries_state
from statebake.config.toml_file import tomllib
from statebake.config.uv_use import installed_by_uv, is_workspace_of, sign_of_uv, source_of
from support.trees import write_tree

PLAIN = "[project]\nname = 'shop'\n"
WORKSPACE = "[tool.uv.workspace]\nmembers = ['*']\n"


@pytest.mark.parametrize(
    ("files", "used"),
    [
        ({}, False),
        ({"shop/uv.lock": ""}, True),
        ({"shop/uv.toml": ""}, True),
        ({"shop/pyproject.toml": f"{PLAIN}[build-system]\nbuild-backend = 'uv_build'\n"}, True),
        ({"shop/pyproject.toml": f"{PLAIN}[tool.uv]\n"}, True),
        ({"shop/pyproject.toml": f"{PLAIN}[tool.uv.sources]\nx = {{path = 'x'}}\n"}, True),
        ({"shop/pyproject.toml": f"{PLAIN}[tool.uv]\npackage = false\n", "shop/uv.lock": ""}, False),
        ({"uv.lock": "", "pyproject.toml": WORKSPACE}, True),
        ({"pyproject.toml": WORKSPACE}, True),
        ({"pyproject.toml": f"{WORKSPACE}exclude = ['shop']\n"}, False),
        ({"pyproject.toml": WORKSPACE, "shop/pyproject.toml": f"{PLAIN}[tool.uv]\npackage = false\n"}, False),
        ({"pyproject.toml": "[tool.uv]\n"}, False),
        ({"uv.lock": "", "pyproject.toml": PLAIN}, False),
        ({"uv.lock": "", "pyproject.toml": "[tool.uv.workspace]\n"}, False),
        ({"uv.lock": "", "pyproject.toml": "[tool.uv.workspace]\nmembers = ['packages/*']\n"}, False),
        ({"uv.lock": "", "pyproject.toml": f"{WORKSPACE}exclude = ['shop']\n"}, False),
        ({"uv.lock": "", "pyproject.toml": WORKSPACE, "shop/pyproject.toml": f"{PLAIN}[tool.dg]\n"}, True),
        ({"uv.lock": "", "pyproject.toml": "not = [TOML"}, False),
        ({"uv.lock": ""}, False),
    ],
)
def test_installed_by_uv(tmp_path, files, used):
    """uv is in use by its table, its lock, or a workspace with the project, but not by a lock of something else."""
    write_tree(tmp_path, {"shop/pyproject.toml": PLAIN, **files})
    [project] = find_projects([tmp_path / "shop"], tmp_path)
    assert installed_by_uv(project) is used


SOURCE = "[tool.uv.sources]\nshop = {{path = '{}'}}\n"


@pytest.mark.parametrize(
    ("files", "sign"),
    [
        ({"pyproject.toml": SOURCE.format("libs/shop")}, "[tool.uv.sources] of all"),
        ({"app/pyproject.toml": SOURCE.format("../libs/shop/")}, "[tool.uv.sources] of app"),
        (
            {"apps/app/pyproject.toml": "tool.uv.sources.shop = [{path = '../../libs/shop'}]"},
            "[tool.uv.sources] of app",
        ),
        ({"app/pyproject.toml": SOURCE.format("../libs/other")}, None),
        ({"app/pyproject.toml": "[tool.uv.sources]\nshop = {git = '../libs/shop'}\n"}, None),
        ({"app/pyproject.toml": "[tool.uv]\nsources = 'path'\n"}, None),
        ({"app/pyproject.toml": f"{SOURCE.format('../libs/shop')}="}, None),
        ({"old/app/pyproject.toml": SOURCE.format("../../libs/shop")}, None),
        ({".app/pyproject.toml": SOURCE.format("../libs/shop")}, None),
        ({"a/b/app/pyproject.toml": SOURCE.format("../../../libs/shop")}, None),
    ],
)
def test_a_source_of_another_project(tmp_path, files, sign):
    """uv is in use where a project near the top of the repository has this one for a source, by its path."""
    write_tree(tmp_path / "all", {"libs/shop/pyproject.toml": PLAIN, ".gitignore": "old/*\n", **files})
    [project] = find_projects([tmp_path / "all/libs/shop"], tmp_path)
    assert source_of(project) is None  # no repository, so nobody knows where to look
    (tmp_path / "all/.git").mkdir()
    assert (sign_of_uv(project), source_of(project)) == (None, sign)
    assert installed_by_uv(project) is (sign is not None)


@pytest.mark.parametrize(
    ("between", "workspace"),
    [({}, True), ({"apps/pyproject.toml": PLAIN}, False), ({"apps/pyproject.toml": ""}, False)],
)
def test_the_nearest_workspace(tmp_path, between, workspace):
    """What is between a project and the root of a workspace ends it, and a root is in no other one."""
    root = "[tool.uv.workspace]\nmembers = ['**']\n"
    write_tree(tmp_path, {"pyproject.toml": root, "apps/shop/pyproject.toml": PLAIN, **between})
    [project] = find_projects([tmp_path / "apps/shop"], tmp_path)
    assert is_workspace_of(tmp_path, project) is workspace
    write_tree(tmp_path, {"apps/shop/pyproject.toml": f"{PLAIN}[tool.uv.workspace]\n"})
    [project] = find_projects([tmp_path / "apps/shop"], tmp_path)
    assert not is_workspace_of(tmp_path, project)


@pytest.mark.parametrize(
    ("text", "carries"),
    [
        ("", False),
        ("[build-system]\nbuild-backend = 'hatchling.build'", False),
        ("[build-system]\nbuild-backend = 'statebake.backend'", True),
        ("[tool.hatch.build.hooks.statebake]", True),
        ("[tool.hatch.build.targets.wheel.hooks.statebake]\non_build = 'check'", True),
        ("[tool.hatch.build.targets.sdist.hooks.statebake]", False),
        ("[tool.hatch.build.hooks.vcs]", False),
        ("tool = 1", False),
    ],
)
def test_wheel_carries_state(text, carries):
    """The wheels carry the state where statebake is the backend, or hatchling's hook for wheels."""
    assert wheel_carries_state(tomllib.loads(text), {}) is carries


def test_a_hook_in_hatch_toml():
    """What is in ``hatch.toml`` counts in place of what is in ``[tool.hatch]``, for wheels only."""
    hooks = {"hooks": {"statebake": {}}}
    assert wheel_carries_state({}, {"build": hooks})
    assert wheel_carries_state({}, {"build": {"targets": {"wheel": hooks}}})
    assert not wheel_carries_state({}, {"build": {"targets": {"sdist": hooks}}})
    assert not wheel_carries_state({"tool": {"hatch": {"build": hooks}}}, {"build": {}})
