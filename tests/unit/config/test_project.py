"""Finding projects, workspaces and what their files tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from statebake.config import configure, find_projects
from statebake.errors import Code, StatebakeError

DG = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{name}"\n'


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def dg_project(directory, **extra):
    more = "".join(f"{key} = {value!r}\n" for key, value in extra.items())
    write(
        directory / "pyproject.toml",
        f'[project]\nname = "{directory.name}"\n' + DG.format(name=directory.name) + more,
    )


def workspace(directory, *members, file="dg.toml"):
    prefix = "" if file == "dg.toml" else "tool.dg."
    head = "" if file == "dg.toml" else "[tool.dg]\n"
    tables = "".join(f'[[{prefix}workspace.projects]]\npath = "{member}"\n' for member in members)
    write(directory / file, f'{head}directory_type = "workspace"\n{tables or f"[{prefix}workspace]"}')


def directories(projects):
    return [project.directory for project in projects]


def refused(dirs, cwd):
    with pytest.raises(StatebakeError) as caught:
        find_projects(dirs, cwd)
    return caught.value


def test_dagster_project(tmp_path):
    """An unmodified dg project is found from below, with Dagster's own defaults."""
    root = tmp_path / "sales"
    dg_project(root)
    write(root / "src/sales/defs/deep/x.py")
    [project] = find_projects([], root / "src/sales/defs/deep")
    assert (project.directory, project.name, project.host) == (root, "sales", "dagster")
    assert (project.config_file, project.workspace) == (root / "pyproject.toml", None)
    assert project.pyproject["project"] == {"name": "sales"}
    assert project.dg is not None
    assert project.dg.root_module == "sales"
    assert project.dg.defs_module == "sales.defs"
    assert project.dg.code_location_name == "sales"
    assert project.dg.code_location_target_module == "sales.definitions"
    assert project.dg.registry_modules == ()
    assert project.dg.raw == {"root_module": "sales"}


def test_dagster_project_says_more(tmp_path):
    """What a dg project sets itself is taken over."""
    dg_project(
        tmp_path,
        defs_module="a.b",
        code_location_name="where",
        code_location_target_module="a.c",
        registry_modules=["a.*"],
    )
    [project] = find_projects([], tmp_path)
    assert project.dg is not None
    assert (project.dg.defs_module, project.dg.code_location_name) == ("a.b", "where")
    assert (project.dg.code_location_target_module, project.dg.registry_modules) == ("a.c", ("a.*",))


def test_definitions_without_defs(tmp_path):
    """Where a dg project has no defs but definitions, these are its defs module, as in Dagster 1.13."""
    root = tmp_path / "sales"
    dg_project(root)
    write(root / "src/sales/definitions.py")
    [project] = find_projects([root], tmp_path)
    assert project.dg is not None
    assert project.dg.defs_module == "sales.definitions"


def test_dg_toml_hides_pyproject(tmp_path):
    """With a dg.toml, [tool.dg] in pyproject.toml is not read."""
    dg_project(tmp_path)
    write(tmp_path / "dg.toml", 'directory_type = "project"\n[project]\nroot_module = "other"\n')
    [project] = find_projects([], tmp_path)
    assert project.dg is not None
    assert project.dg.root_module == "other"
    assert project.config_file == tmp_path / "dg.toml"


def test_dg_toml_alone(tmp_path):
    """A directory with only a dg.toml is a project, named like the directory."""
    write(tmp_path / "dg.toml", '[project]\nroot_module = "m"\n')
    [project] = find_projects([Path()], tmp_path)
    assert (project.name, project.host, project.pyproject) == (tmp_path.name, "dagster", {})


@pytest.mark.parametrize(
    "toml",
    [
        'directory_type = "projekt"\n',
        'directory_type = ["project"]\n',
        'directory_type = "project"\n',
        "project = 1\n",
        '[project]\nroot_module = "/"\n',
        '[project]\nroot_module = "m"\nregistry_modules = "x"\n',
        "workspace.projects = 1\n",
        'workspace.projects = ["a"]\n',
    ],
)
def test_bad_dg_configuration(tmp_path, toml):
    """A dg configuration that dg would refuse too is refused with the file's name."""
    write(tmp_path / "dg.toml", toml)
    error = refused([], tmp_path)
    assert error.code is Code.BAD_SETTING
    assert (error.where or "").startswith(f"{tmp_path}/dg.toml")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("statebake.toml", ""),
        ("pyproject.toml", "[tool.statebake]\n"),
        ("pyproject.toml", '[project]\nname = "x"\n'),
    ],
)
def test_native_project(tmp_path, file, text):
    """Without a dg configuration a project is native."""
    write(tmp_path / file, text)
    (tmp_path / "below").mkdir()
    [project] = find_projects([], tmp_path / "below")
    assert (project.directory, project.host, project.dg) == (tmp_path, "native", None)
    assert project.config_file == tmp_path / file


def test_configured_before_plain(tmp_path):
    """A plain project is taken only where no configured one is further up; the nearest of its kind counts."""
    write(tmp_path / "a/b/c/pyproject.toml", "[project]\n")
    write(tmp_path / "a/b/pyproject.toml", "[project]\n")
    assert directories(find_projects([], tmp_path / "a/b/c")) == [tmp_path / "a/b/c"]
    write(tmp_path / "a/statebake.toml")
    assert directories(find_projects([], tmp_path / "a/b/c")) == [tmp_path / "a"]
    write(tmp_path / "a/b/statebake.toml")
    assert directories(find_projects([], tmp_path / "a/b/c")) == [tmp_path / "a/b"]


def test_other_tools_files_are_no_project(tmp_path):
    """A pyproject.toml that only configures other tools is passed by in the search, but can be named."""
    write(tmp_path / "statebake.toml")
    write(tmp_path / "tools/pyproject.toml", "[tool.ruff]\n")
    assert directories(find_projects([], tmp_path / "tools")) == [tmp_path]
    assert directories(find_projects([Path("tools")], tmp_path)) == [tmp_path / "tools"]


@pytest.mark.parametrize("file", ["dg.toml", "pyproject.toml"])
def test_workspace(tmp_path, file):
    """A workspace means all its projects, in its file's order, wherever in it one stands outside them."""
    workspace(tmp_path, "projects/b", "projects/a", file=file)
    dg_project(tmp_path / "projects/a")
    dg_project(tmp_path / "projects/b")
    expected = [tmp_path / "projects/b", tmp_path / "projects/a"]
    for start in (tmp_path, tmp_path / "projects"):
        found = find_projects([], start)
        assert directories(found) == expected
        assert {project.workspace for project in found} == {tmp_path}
    assert directories(find_projects([tmp_path], tmp_path)) == expected


def test_inside_a_workspace(tmp_path):
    """Inside one of a workspace's projects only that one is meant, be it configured or plain."""
    workspace(tmp_path, "a", "plain", "missing")
    dg_project(tmp_path / "a")
    write(tmp_path / "a/sub/x")
    write(tmp_path / "plain/pyproject.toml", "[project]\n")
    for start, expected in (("a", "a"), ("a/sub", "a"), ("plain", "plain")):
        [project] = find_projects([], tmp_path / start)
        assert (project.directory, project.workspace) == (tmp_path / expected, tmp_path)
    [named] = find_projects([Path("a")], tmp_path)
    assert named.workspace == tmp_path


def test_not_listed_in_the_workspace(tmp_path):
    """A project below a workspace that does not list it has no workspace."""
    workspace(tmp_path, "a")
    dg_project(tmp_path / "a")
    dg_project(tmp_path / "b")
    [project] = find_projects([], tmp_path / "b")
    assert project.workspace is None


@pytest.mark.parametrize("members", [(), ("missing",), ("empty",), (".",)])
def test_workspace_without_its_projects(tmp_path, members):
    """A workspace that lists nothing, or what is no project, is refused with its file."""
    workspace(tmp_path, *members)
    (tmp_path / "empty").mkdir()
    error = refused([], tmp_path)
    assert error.code is Code.NO_PROJECT
    assert (error.where or "").startswith(f"{tmp_path}/dg.toml")


def test_settings_of_a_workspace(tmp_path):
    """Settings beside a workspace, which nobody would read, are refused."""
    workspace(tmp_path, "a")
    dg_project(tmp_path / "a")
    write(tmp_path / "pyproject.toml", "[tool.statebake]\njobs = 1\n")
    error = refused([], tmp_path)
    assert (error.code, error.where) == (Code.BAD_SETTING, f"{tmp_path}/pyproject.toml:1")


def test_named_projects(tmp_path):
    """Several --project are kept in their order, and none comes twice."""
    workspace(tmp_path, "a", "b")
    dg_project(tmp_path / "a")
    dg_project(tmp_path / "b")
    (tmp_path / "link").symlink_to("b")
    found = find_projects([Path("b"), Path(), Path("a/../a"), tmp_path / "link"], tmp_path)
    assert directories(found) == [tmp_path / "b", tmp_path / "a"]


def test_nothing_found(tmp_path):
    """A search without a result says where it searched and what to do."""
    error = refused([], tmp_path)
    assert error.code is Code.NO_PROJECT
    assert f"from {tmp_path} up to {tmp_path.anchor}" in error.message
    assert "--project DIR" in (error.next_step or "")


@pytest.mark.parametrize("name", ["missing", "file", "empty"])
def test_named_is_no_project(tmp_path, name):
    """A --project that is missing, is a file or has no configuration file is refused."""
    write(tmp_path / "file")
    write(tmp_path / "empty/x")
    assert refused([Path(name)], tmp_path).code is Code.NO_PROJECT


def test_broken_toml(tmp_path):
    """A project's file that does not parse is refused with file and line."""
    write(tmp_path / "pyproject.toml", "[project\n")
    error = refused([], tmp_path)
    assert (error.code, error.where) == (Code.BAD_TOML, f"{tmp_path}/pyproject.toml:1")


@pytest.mark.parametrize(
    ("name", "files", "module", "defs_module"),
    [
        ("Acme-Weather", ["src/acme_weather/__init__.py"], "acme_weather", "acme_weather"),
        ("weather", ["weather/defs/a.yaml"], "weather", "weather.defs"),
        ("weather", ["src/weather/defs/a.yaml", "weather/data.csv"], "weather", "weather.defs"),
        ("weather", ["weather.py"], "weather", "weather"),
        ("x", ["src/other/defs/a.yaml", "src/lib/__init__.py"], "other", "other.defs"),
        ("x", ["one/defs/a.yaml", "two/defs/a.yaml"], None, None),
        ("x", ["x/data.csv"], None, None),
    ],
)
def test_detected_module(tmp_path, name, files, module, defs_module):
    """A native project's module is the one of its name, or the only package with definitions."""
    write(tmp_path / "pyproject.toml", f'[project]\nname = "{name}"\n')
    for file in files:
        write(tmp_path / file)
    [project] = find_projects([], tmp_path)
    resolved = configure(project, {}, {})
    assert (resolved.settings.module, resolved.settings.defs_module) == (module, defs_module)
    assert resolved.origins["module"] == ("detected" if module else "default")
    assert resolved.settings.host == "native"
    assert resolved.settings.pex.output == tmp_path / "dist" / f"{name}.pex"


def test_detected_from_dg(tmp_path):
    """A Dagster project's modules are what dg says, unless the settings say otherwise."""
    dg_project(tmp_path, defs_module="a.b")
    [project] = find_projects([], tmp_path)
    resolved = configure(project, {}, {})
    assert (resolved.settings.host, resolved.settings.defs_module) == ("dagster", "a.b")
    assert resolved.settings.module == tmp_path.name
    write(tmp_path / "mine/defs/x.py")
    settings = configure(project, {"module": "mine", "host": "native"}, {}).settings
    assert (settings.host, settings.module, settings.defs_module) == ("native", "mine", "mine.defs")
