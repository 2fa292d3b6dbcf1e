"""Which projects are set up from where, and what their Docker files need."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.pipeline.setting_up import Setup, find_setup_targets, plan_setup_of
from statebake.setup.notes import Note
from statebake.setup.plan import SetupPlan
from support.trees import write_tree

PLAIN = '[project]\nname = "x"\n'
CONFIGURED = f"{PLAIN}[tool.statebake]\n"


def found(root, at):
    (root / at).mkdir(parents=True, exist_ok=True)
    targets = find_setup_targets((), {}, root / at)
    return [target.project.directory.relative_to(root).as_posix() for target, _ in targets]


@pytest.mark.parametrize(
    ("at", "wanted"),
    [(".", "."), ("docs", "."), ("libs/new", "libs/new"), ("libs/new/src/new", "libs/new"), ("tools", "tools")],
)
def test_the_project_one_stands_in(tmp_path, at, wanted):
    """A project that is not set up yet is the one, not another around it that is; any file that is there is enough."""
    files = {"pyproject.toml": CONFIGURED, "libs/new/pyproject.toml": PLAIN, "tools/pyproject.toml": "[tool.x]\n"}
    write_tree(tmp_path, files)
    assert found(tmp_path, at) == [wanted]


def test_beside_the_projects_of_a_workspace(tmp_path):
    """All projects of a workspace are meant only where it is; from beside them nothing is set up."""
    listed = "".join(f'[[workspace.projects]]\npath = "{name}"\n' for name in ("north", "south"))
    member = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "x"\n'
    files = {"dg.toml": f'directory_type = "workspace"\n{listed}', "libs/pyproject.toml": PLAIN}
    write_tree(tmp_path, {**files, **{f"{name}/pyproject.toml": PLAIN + member for name in ("north", "south")}})
    assert found(tmp_path, ".") == ["north", "south"]
    assert found(tmp_path, "south/src") == ["south"]
    assert found(tmp_path, "libs/src") == ["libs"]
    with pytest.raises(StatebakeError) as caught:
        found(tmp_path, "docs")
    assert caught.value.code is Code.NO_PROJECT
    assert "--project DIR" in caught.value.next_step


DOCKER = {
    "shop/pyproject.toml": '[tool.statebake]\nhost = "native"\n',
    "shop/src/shop/defs/__init__.py": "",
    "shop/.python-version": "3.12\n",
    "shop/Dockerfile": "FROM scratch\n",
    "shop/requirements.txt": "",
}


def planned(root, files):
    write_tree(root, {**DOCKER, **files})
    [(target, interpreter)] = find_setup_targets([root / "shop"], {}, root)
    return plan_setup_of(target, interpreter, {}).plan


def test_the_context_of_the_image(tmp_path):
    """With code beside the project the context is the directory around both: its rules count, and the project's not."""
    files = {"shop/requirements.txt": "../lib\n", "lib/pyproject.toml": '[project]\nname = "lib"\n'}
    assert planned(tmp_path, {**files, "shop/.dockerignore": "**/.*\n"}).changes == ()
    [change] = planned(tmp_path, {**files, ".dockerignore": "**/.*\n"}).changes
    assert change.path == tmp_path / "shop/Dockerfile.dockerignore"
    assert change.why == "../.dockerignore:1 (`**/.*`) keeps the state out"
    assert "!shop/src/shop/defs/.local_defs_state/**" in change.new


def test_the_context_of_the_project_alone(tmp_path):
    """Without, it is the project's directory."""
    assert planned(tmp_path, {".dockerignore": "**/.*\n"}).changes == ()
    [change] = planned(tmp_path, {"shop/.dockerignore": "**/.*\n"}).changes
    assert change.path == tmp_path / "shop/.dockerignore"


@pytest.mark.parametrize("rules", ["[\n", None])
def test_rules_that_cannot_be_read(tmp_path, monkeypatch, rules):
    """An ignore file that cannot be read is left, and that is said."""
    from pathlib import Path

    read_bytes = Path.read_bytes

    def read(path):
        if rules is None and path.name == ".dockerignore":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    plan = planned(tmp_path, {"shop/.dockerignore": rules or "**/.*\n"})
    assert plan.changes == ()
    assert plan.notes[0].text.startswith(".dockerignore is left as it is: ")


def test_one_next_step(tmp_path):
    """However much is to be done by hand, the error's next step is one thing: the first of it."""
    write_tree(tmp_path, DOCKER)
    [(target, interpreter)] = find_setup_targets([tmp_path / "shop"], {}, tmp_path)
    notes = (Note("It is so."), Note("Do this.", to_do=True), Note("Do that.", to_do=True))
    with pytest.raises(StatebakeError) as caught:
        Setup(target, interpreter, SetupPlan((), (), notes, ())).must_be_done()
    assert "2 things are to be done by hand" in caught.value.message
    assert caught.value.next_step == "Do this."
