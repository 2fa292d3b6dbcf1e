"""The documentation of the settings, and the promises of the table behind it."""

from __future__ import annotations

from pathlib import Path

from statebake.config import SETTINGS, markdown_table, resolve
from statebake.config.toml_file import load_toml

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_table_is_the_schema():
    """The documented table is the schema's: every setting, nothing else, word for word."""
    documented = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert documented == markdown_table().splitlines()


def test_examples_are_valid(tmp_path):
    """Every TOML example of settings in the documentation is accepted."""
    text = DOCS.read_text(encoding="utf-8") + (DOCS.parents[1] / "README.md").read_text(encoding="utf-8")
    blocks = text.split("```toml\n")[1:]
    for block in blocks:
        text = block.partition("```")[0]
        if "directory_type" in text or "[tool.hatch" in text:
            continue
        for old in tmp_path.glob("*.toml"):
            old.unlink()
        name = "pyproject.toml" if "[tool.statebake" in text else "statebake.toml"
        (tmp_path / name).write_text(text)
        assert "default" in resolve(tmp_path, {}, {}).origins.values()
        assert any(origin.startswith(name) for origin in resolve(tmp_path, {}, {}).origins.values())
    assert len(blocks) == 11


def test_names_do_not_clash():
    """No two settings share a variable or a flag."""
    assert len({setting.env for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.flag for setting in SETTINGS}) == len(SETTINGS)
    assert next(setting.env for setting in SETTINGS if setting.name == "pex.entry_point") == (
        "STATEBAKE_PEX_ENTRY_POINT"
    )


def test_lines(tmp_path):
    """A key's line is found through headers, dotted and quoted keys, inline tables and lookalikes."""
    path = tmp_path / "x.toml"
    path.write_text('# a = 1\n[x]\na = 0\n[ t . "u" ] # end\na = 1\nb.c = 2\nd = { e = 3 }\n[[t.list]]\na = 1\n')
    file = load_toml(path)
    keys = [("t", "u", "a"), ("t", "u", "b", "c"), ("t", "u", "d", "e"), ("t", "list"), ("x", "a"), ("no",)]
    assert [file.line(*key) for key in keys] == [5, 6, 7, 8, 3, None]
    assert (file.where("x", "a"), file.where("no")) == (f"{path}:3", str(path))
