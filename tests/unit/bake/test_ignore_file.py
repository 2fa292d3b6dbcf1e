"""The block in a ``.dockerignore``."""

from __future__ import annotations

import pytest

from statebake.bake.image.ignore_file import BlockStatus, block_lines, block_status, merge_block
from statebake.bake.image.ignore_rules import parse_rules
from statebake.bake.image.plan import Source
from support.image_plans import image_plan

LINES = ("# one", "**/.git", "!state/**")
BEGIN = "# statebake: begin"
END = "# statebake: end\n"


def plan(**fields):
    return image_plan(**{"state": "src/acme/defs/.local_defs_state", **fields})


def excluded(lines, *paths):
    rules = parse_rules("\n".join(lines))
    return [path for path in paths if rules.decide(path).excluded]


def test_a_new_file():
    """Without a file the block is the file; it says what made it, and carries its digest."""
    text = merge_block(None, LINES)
    assert text == merge_block("", LINES)
    first, *rest = text.splitlines()
    assert first.startswith(f"{BEGIN} (made by `statebake dockerfile`; sha256:")
    assert rest == [*LINES, END.strip()]
    assert block_status(text, LINES) is BlockStatus.CURRENT


@pytest.mark.parametrize(
    "existing", ["a\nb", "a\nb\n", "a\r\nb\r\n", "\ufeffa\n", "\ufeff", "\x0b\u2028\x85", "# a\n\n\n"]
)
def test_the_users_lines_survive(existing):
    """What was in the file is at its start as it was, whatever its line ends, and the block has the same ends."""
    text = merge_block(existing, LINES)
    assert text.startswith(existing)
    assert block_status(text, LINES) is BlockStatus.CURRENT
    assert merge_block(text, LINES) == text
    assert ("\r\n# one\r\n" in text) == ("\r\n" in existing)


def test_a_block_is_replaced_where_it_is():
    """Lines after the block keep the last word."""
    old = merge_block("a\n", ["old"]) + "!later\n"
    assert block_status(old, LINES) is BlockStatus.OUT_OF_DATE
    new = merge_block(old, LINES)
    assert new.startswith("a\n")
    assert new.endswith(END + "!later\n")
    assert "old" not in new
    assert block_status(new, LINES) is BlockStatus.CURRENT


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("**/.git\n", "**/.git\nmine\n"),
        ("**/.git\n", ""),
        ("sha256:", "sha256:0"),
        ("; sha256:", "; "),
        (END, ""),
        (BEGIN, "#"),
        (END, f"{END}{BEGIN}\nx\n{END}"),
    ],
)
def test_edits_are_noticed(before, after):
    """A block that is not what its digest says, or has lost a mark, was edited; merging makes it whole again."""
    text = merge_block("a\n", LINES)
    assert before in text
    edited = text.replace(before, after)
    assert block_status(edited, LINES) is BlockStatus.EDITED
    merged = merge_block(edited, LINES)
    assert block_status(merged, LINES) is BlockStatus.CURRENT
    assert merged.startswith("a\n")


def test_no_block():
    """A file without the block, and no file, miss it."""
    assert block_status(None, LINES) is BlockStatus.MISSING
    assert block_status("a\n# statebake\n", LINES) is BlockStatus.MISSING


def test_line_ends_that_git_changed_are_no_edit():
    """A checkout on Windows has other line ends, and the same block."""
    text = merge_block("a\n", LINES)
    assert block_status(text.replace("\n", "\r\n"), LINES) is BlockStatus.CURRENT


def test_what_the_block_keeps_out_and_in():
    """Caches, environments and secrets stay out; state and inputs are in, whatever their files are called."""
    plan_ = plan(prefix="apps/shop/")
    state = "apps/shop/src/acme/defs/.local_defs_state"
    out = [
        ".git/config",
        "apps/shop/.git/HEAD",
        "apps/shop/.venv/bin/python",
        "apps/shop/src/a/__pycache__/b.pyc",
        "apps/shop/src/b.pyo",
        "apps/shop/src/acme.egg-info/PKG-INFO",
        ".mypy_cache/x",
        "apps/shop/.env",
        "apps/shop/.env.production",
        "apps/shop/dist/acme.whl",
        f"{state}/.staging/lock",
        "apps/other/.local_defs_state/.staging/lock",
    ]
    kept = [
        "apps/shop/src/acme/__init__.py",
        "apps/shop/pyproject.toml",
        "apps/other/dist/x",
        f"{state}/.gitignore",
        f"{state}/statebake-manifest.json",
        f"{state}/A/.statebake.json",
        f"{state}/A/.env.json",
        f"{state}/A/dist/x",
        f"{state}/A/state/.git/config",
        f"{state}/A/project/x/.local_defs_state/.staging/y",
        "apps/shop/.statebake/requirements.txt",
        "apps/shop/.statebake/.env.x",
    ]
    assert excluded(block_lines(plan_), *out, *kept) == out


@pytest.mark.parametrize(
    "needed",
    [
        {"sources": (Source("dist", is_dir=True),)},
        {"sources": (Source("dist/acme", is_dir=True),)},
        {"local_dependencies": ("dist",)},
    ],
)
def test_what_the_image_is_made_of_stays_in(needed):
    """A ``dist`` that is code, or has dependencies, is sent."""
    assert excluded(block_lines(plan(**needed)), "dist/acme/x") == []
    assert excluded(block_lines(plan()), "dist/acme/x", "distance/x") == ["dist/acme/x"]


def test_state_that_the_build_fetches_is_not_sent():
    """With a refresh inside the build, the state of the work tree stays out."""
    lines = block_lines(plan(refresh=("TOKEN",)))
    state = "src/acme/defs/.local_defs_state/A/state"
    assert excluded(lines, state, "src/acme/defs/a.py", ".statebake/x") == [state]
