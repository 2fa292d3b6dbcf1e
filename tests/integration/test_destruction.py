"""What must never be destroyed or overwritten, and what must not break a project for good."""

from __future__ import annotations

from pathlib import Path

from support.cli import statebake
from support.native import code_component, component, documents, native_project, state_dir
from support.trees import leftovers, read_tree

DEEP = """
state_path.mkdir()
os.chdir(state_path)
for _ in range(1200):
    os.mkdir("a")
    os.chdir("a")
"""


def test_a_staging_directory_that_is_a_link_deletes_nothing(tmp_path: Path) -> None:
    """Cleaning up follows no link out of the state directory."""
    precious = tmp_path / "precious"
    (precious / "of" / "somebody").mkdir(parents=True)
    project = native_project(tmp_path / "shop", component("one"))
    state_dir(project).mkdir()
    (state_dir(project) / ".staging").symlink_to(precious)
    result = statebake("refresh", cwd=project)
    assert (result.code, "error[SB405]" in result.err) == (4, True)
    assert (precious / "of" / "somebody").is_dir()


def test_a_very_deep_tree_fails_alone_and_leaves_nothing(tmp_path: Path) -> None:
    """A tree of 1,200 levels is refused with a code, is cleaned up, and the next refresh works."""
    project = native_project(tmp_path, documents(code_component("deep", DEEP), component("other")))
    result = statebake("refresh", cwd=project)
    assert (result.code, "error[SB404]" in result.err, "Traceback" in result.err) == (4, True, False)
    assert leftovers(state_dir(project)) == []
    native_project(tmp_path, documents(component("deep"), component("other")))
    statebake("refresh", cwd=project).ok()


def test_an_output_overwrites_nothing_but_a_pex(tmp_path: Path) -> None:
    """A bake refuses to replace a file that is no PEX, and to write into what it bakes."""
    project = native_project(tmp_path, component("one"))
    statebake("refresh", cwd=project).ok()
    before = read_tree(project)
    state = state_dir(project) / "Text__one__" / "state"
    for output in ("pyproject.toml", state, "src/shop/out.pex", state_dir(project) / "out.pex"):
        result = statebake("bake", "pex", "--no-refresh", "-o", output, cwd=project)
        assert (result.code, "error[SB703]" in result.err) == (7, True), output
    assert read_tree(project) == before


def test_byte_code_in_state_is_left_out(tmp_path: Path) -> None:
    """A PEX carries no byte code, so state has none either: it would never bake."""
    text = "state_path.mkdir(); (state_path / 'a.txt').write_text('a'); (state_path / 'b.pyc').write_bytes(b'x')"
    project = native_project(tmp_path, code_component("one", text))
    statebake("refresh", cwd=project).ok()
    assert sorted(path.name for path in (state_dir(project) / "Text__one__" / "state").iterdir()) == ["a.txt"]


def test_an_unset_variable_is_named_wherever_it_is_used(tmp_path: Path) -> None:
    """A library that sets an attribute on what it takes for an address leads to the variable, not to a riddle."""
    text = "import urllib.request; urllib.request.urlopen(self.source, timeout=1)"
    project = native_project(tmp_path, code_component("one", text, source="{{ env.NO_SUCH_URL }}"))
    components = project / "src/shop/components.py"
    components.write_text(components.read_text().replace('"Path": Path}', '"Path": Path, "self": self}'))
    result = statebake("refresh", cwd=project)
    assert result.code == 4
    assert "NO_SUCH_URL" in result.err
