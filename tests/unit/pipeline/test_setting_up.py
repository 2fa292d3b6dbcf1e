"""Which projects are set up from where."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.pipeline.setting_up import find_setup_targets
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
