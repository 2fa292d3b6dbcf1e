"""What the files of a project say."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
import yaml

from statebake.config import configure, find_projects
from statebake.errors import StatebakeError
from statebake.setup.facts import look_at
from statebake.setup.plan import plan_setup
from statebake.worker.errors import HostError
from statebake.worker.native_host import Host
from support.trees import write_tree

SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\n',
    "src/shop/__init__.py": "",
    "src/shop/defs/__init__.py": "",
}


def facts(root, files=None, at=""):
    write_tree(root / at, SHOP)
    write_tree(root, files or {})
    [project] = find_projects([root / at], root)
    return look_at(project, configure(project, {}, {}).settings, interpreter="python")


@pytest.mark.parametrize(
    ("files", "uv"),
    [
        ({}, None),
        ({"uv.lock": ""}, "uv.lock"),
        ({"uv.toml": ""}, "uv.toml"),
        ({"pyproject.toml": '[project]\nname = "shop"\n[tool.uv]\n'}, "[tool.uv]"),
        (
            {"pyproject.toml": '[project]\nname = "shop"\n[build-system]\nrequires = []\nbuild-backend = "uv_build"\n'},
            "uv_build",
        ),
    ],
)
def test_uv(tmp_path, files, uv):
    """uv is used where it left a lock, is configured, or builds the project."""
    assert facts(tmp_path, files).uv == uv


def test_a_source_of_another_project(tmp_path):
    """uv builds a source of another project even without a [build-system], and its cache learns of the state."""
    (tmp_path / ".git").mkdir()
    app = '[project]\nname = "app"\n[tool.uv.sources]\nshop = { path = "../shop" }\n'
    found = facts(tmp_path, {"app/pyproject.toml": app}, at="shop")
    assert found.uv == "[tool.uv.sources] of app"
    [change] = plan_setup(found).changes
    assert 'build-backend = "statebake.backend"' in change.new
    assert "cache-keys" in change.new


@pytest.mark.parametrize("workspace", [True, False])
def test_uv_workspace(tmp_path, workspace):
    """A lock above counts where it is that of a workspace."""
    table = '[tool.uv.workspace]\nmembers = ["shop"]\n' if workspace else ""
    root = tmp_path / "all"
    found = facts(root, {"uv.lock": "", "pyproject.toml": f'[project]\nname = "all"\n{table}'}, at="shop")
    assert found.uv == ("uv.lock of all" if workspace else None)
    assert found.lock.path.name == ("uv.lock" if workspace else "pyproject.toml")


@pytest.mark.parametrize("members", ["packages/*", "other"])
def test_uv_workspace_without_a_lock(tmp_path, members):
    """A member of a workspace is uv's before there is a lock; then CI makes one, and keeps what the member builds."""
    files = {"pyproject.toml": f'[tool.uv.workspace]\nmembers = ["{members}"]\n', ".github/workflows/x.yml": ""}
    system = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    member = {"packages/shop/pyproject.toml": f"{SHOP['pyproject.toml']}{system}"}
    (tmp_path / "all/.git").mkdir(parents=True)
    found = facts(tmp_path / "all", {**files, **member}, at="packages/shop")
    workflow, edited = sorted(plan_setup(found).changes, key=lambda change: change.path.name == "pyproject.toml")
    if members == "other":
        assert (found.uv, found.member) == (None, False)
        assert "cache-keys" not in edited.new
        return
    assert (found.uv, found.member) == ("[tool.uv.workspace] of all", True)
    assert "cache-keys" in edited.new
    steps = yaml.safe_load(workflow.new)["jobs"]["statebake"]["steps"]
    commands = [step["run"].strip() for step in steps if "run" in step]
    assert commands == [
        "uv sync",
        "uvx statebake refresh",
        "uvx statebake check --format github",
        "uv build --out-dir dist",
    ]


@pytest.mark.parametrize(
    ("files", "python"),
    [
        ({}, "3.12"),
        ({".python-version": "3.13.1\n"}, "3.13"),
        ({"pyproject.toml": '[project]\nname = "shop"\nrequires-python = ">=3.13"\n'}, "3.13"),
        ({"pyproject.toml": '[project]\nname = "shop"\nrequires-python = "<3.12"\n'}, "3.11"),
        ({"pyproject.toml": '[project]\nname = "shop"\nrequires-python = "==3.11.4"\n'}, "3.11.4"),
        ({".python-version": "# not 3.10\n3.13\n"}, "3.13"),
        ({"pyproject.toml": '[project]\nname = "shop"\nrequires-python = "what"\n'}, "3.12"),
    ],
)
def test_python_of_ci(tmp_path, files, python):
    """CI takes the Python that is pinned, or else one that the project allows."""
    assert facts(tmp_path, files).python == python


def test_a_file_that_cannot_be_read(tmp_path):
    """A file that cannot be read is the user's to mend."""
    (tmp_path / ".python-version").mkdir()
    with pytest.raises(StatebakeError) as caught:
        facts(tmp_path)
    assert caught.value.message.startswith(".python-version cannot be read: ")


def test_variables(tmp_path):
    """The variables that declarations name are known; those that state has, and comments of other files, are not."""
    found = facts(
        tmp_path,
        {
            "src/shop/defs/a/defs.yaml": 'a: "{{ env.B_TOKEN }}"\nb: "{{ env(\'A\') }}"\n',
            "src/shop/defs/b/component.yaml": 'a: "{{ env.B_TOKEN }}"\nb: "{{ env.D ~ env(\'E\') }} env.F"\n',
            "src/shop/defs/.local_defs_state/x/project/defs.yaml": 'a: "{{ env.C }}"\n',
        },
    )
    assert found.variables == ("A", "B_TOKEN", "D", "E")
    assert found.state_dir == PurePosixPath("src/shop/defs/.local_defs_state")


def test_ci_of_the_repository(tmp_path):
    """The CI is that of the repository around the project, or the project's own where there is none."""
    files = {".github/workflows/statebake-shop.yml": "a", ".github/workflows/other.yml": "b", ".gitlab-ci.yml": "c"}
    found = facts(tmp_path, files, at="shop")
    assert (found.ci.root, found.ci.github, found.ci.gitlab) == (tmp_path / "shop", False, None)
    (tmp_path / ".git").mkdir()
    ci = facts(tmp_path, files, at="shop").ci
    assert (ci.root, ci.github, ci.gitlab) == (tmp_path, True, "c")
    assert ci.files == {".github/workflows/statebake-shop.yml": "a"}


def test_docker_files(tmp_path):
    """Dockerfiles and compose files are found by their names; ignore files are none."""
    names = ("Dockerfile", "web.Dockerfile", "compose.yml", "Dockerfile.dockerignore", "Dockerfile.dev")
    found = facts(tmp_path, dict.fromkeys(names, ""))
    assert found.docker.files == ("Dockerfile", "Dockerfile.dev", "compose.yml", "web.Dockerfile")


@pytest.mark.parametrize(
    ("files", "single"),
    [({"shop.py": ""}, True), ({"src/shop.py": ""}, True), ({"shop/__init__.py": ""}, False)],
)
def test_a_single_module(tmp_path, files, single):
    """Definitions in a module beside the packages are known as such."""
    write_tree(tmp_path, {"pyproject.toml": SHOP["pyproject.toml"], **files})
    [project] = find_projects([tmp_path], tmp_path)
    assert look_at(project, configure(project, {}, {}).settings, interpreter="python").single_module == single


def test_definitions(tmp_path):
    """Where the definitions are not found, the answer is what setting says it; for Dagster that is dg's."""
    write_tree(tmp_path, {"src/shop/defs/__init__.py": "", "src/other/defs/__init__.py": ""})
    (tmp_path / "pyproject.toml").write_text("[tool.statebake]\n")
    [project] = find_projects([tmp_path], tmp_path)
    found = look_at(project, configure(project, {}, {}).settings, interpreter="python")
    assert isinstance(found.defs, StatebakeError)
    assert found.defs.next_step == 'name it: [tool.statebake] module = "…"'
    assert found.state_dir is None
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "nowhere"\n')
    [project] = find_projects([tmp_path], tmp_path)
    found = look_at(project, configure(project, {}, {}).settings, interpreter="python")
    assert "dg configuration" in found.defs.next_step


@pytest.mark.parametrize(
    ("setting", "named"),
    [("", "module"), ('module = "acme"\n', "module"), ('defs_module = "acme.defs"\n', "defs_module")],
)
def test_definitions_in_a_namespace(tmp_path, setting, named):
    """A package in a namespace is not found by itself; the setting that is named then is the one that finds it."""
    text = f"{SHOP['pyproject.toml']}[tool.statebake]\n"
    write_tree(tmp_path, {"pyproject.toml": f"{text}{setting}", "src/acme/shop/defs/t/defs.yaml": ""})
    [project] = find_projects([tmp_path], tmp_path)
    error = look_at(project, configure(project, {}, {}).settings, interpreter="python").defs
    assert error.next_step == f'name it: [tool.statebake] {named} = "…"'
    if not setting:
        assert (error.message, error.next_step) == said_by_the_worker(tmp_path)
    value = "acme.shop" if named == "module" else "acme.shop.defs"
    (tmp_path / "pyproject.toml").write_text(f'{text}{named} = "{value}"\n')
    found = look_at(project, configure(project, {}, {}).settings, interpreter="python")
    assert found.defs == PurePosixPath("src/acme/shop/defs")


def said_by_the_worker(directory):
    """Return what refresh and builds say of a native project whose definitions are not known."""
    with pytest.raises(HostError) as caught:
        Host({"project": str(directory), "defs_module": None}).discover()
    return caught.value.fields["message"], caught.value.fields["next_step"]


def test_what_gitlab_includes(tmp_path):
    """Files that the pipeline includes are read, and what these include; not those elsewhere, and each once."""
    files = {
        ".gitlab-ci.yml": 'include: [ci/all.yml, /ci/jobs/*.yml, "*.yml", no.yml, ../x.yml, https://x/y.yml, "\\0"]\n',
        "ci/all.yml": "include: {local: ci/more.yml}\n",
        "ci/more.yml": "include: [ci/all.yml, ci/bad.yml]\n",
        "ci/bad.yml": "a: [\n",
        "ci/jobs/a.yml": "a: 1\n",
        "ci/jobs/deep/b.yml": "b: 1\n",
        "other.yml": "c: 1\n",
    }
    (tmp_path / "x.yml").write_text("d: 1\n")
    root = tmp_path / "shop"
    included = facts(root, files).ci.included
    names = ("ci/all.yml", "ci/more.yml", "ci/bad.yml", "ci/jobs/a.yml")
    assert sorted(included) == sorted(files[name] for name in names)
