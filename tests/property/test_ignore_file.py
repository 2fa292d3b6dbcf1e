"""The block of a ``.dockerignore`` among any lines of a user's, and the lines that mend it."""

from __future__ import annotations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from statebake.bake.image.context_check import Required, find_losses, find_mending_lines
from statebake.bake.image.ignore_file import BlockStatus, block_lines, block_status, merge_block
from statebake.bake.image.ignore_rules import parse_rules
from statebake.errors import StatebakeError
from support.image_plans import image_plan

ODD_NAMES = st.sampled_from(
    [
        "a",
        "src",
        "[a]",
        "*",
        "a*?",
        "\\",
        "a b",
        " a ",
        "!a",
        "#a",
        "a|b",
        "{1}",
        "^a$",
        "é",
        "\xa0",
        "a\nb",
        ".a",
        "][",
    ]
)
STATES = st.builds(lambda parts: "/".join([*parts, ".local_defs_state"]), st.lists(ODD_NAMES, max_size=3))
PREFIXES = st.lists(ODD_NAMES, max_size=2).map(lambda parts: "".join(f"{part}/" for part in parts))
FILES = [
    "state",
    "state/a.json",
    "state/dist/.env",
    ".statebake.json",
    "state/.git/config",
    "p/.local_defs_state/.staging/x",
]
PARTS = st.one_of(
    ODD_NAMES,
    st.sampled_from(
        ["**", "*", "?", "*a", "a*", ".*", "**a", "a**", "***", "[^a]", "[!-~]*", "\\*", "a|b*", "{1}*", "\\d"]
    ),
    st.sampled_from([".local_defs_state", "state", "*.json", "dist", "A", "A*", ".staging", ".."]),
)
LINES = st.builds(
    lambda mark, parts, tail, end: f"{mark}{'/'.join(parts)}{tail}{end}",
    st.sampled_from(["", "", "", "!", "/", "/!", " ", "#"]),
    st.lists(PARTS, min_size=1, max_size=4),
    st.sampled_from(["", "", "/", "/**", "/*"]),
    st.sampled_from(["\n", "\n", "\r\n", "  \n"]),
)
TEXTS = st.lists(LINES, max_size=6).map("".join)
ANY_TEXTS = st.text(st.sampled_from("ab#! *\r\n\ufeff\u2028\x0b\x00é\udcff"), max_size=40)


@given(TEXTS, PREFIXES, STATES)
@example("*\n", "", ".local_defs_state")
@example("*", "a/", "src/.local_defs_state")
@example("**/.*\n", "", "src/.local_defs_state")
@example("**/.local_defs_state\n!a/*/**\n", "", "a/b/.local_defs_state")
@example("a/**\n!a/[^/]*/**\n**/.staging\n!**/.staging\n", "", "a/.local_defs_state")
@example("**\n!**\n**/*\n", "[a]/", " a /.local_defs_state")
def test_the_state_is_in_and_staging_is_out(text, prefix, state):
    """Whatever rules come before the block, every file of the state and the inputs is sent, and nothing staged is."""
    try:
        parse_rules(text)
    except StatebakeError:
        assume(False)
    image = image_plan(prefix=prefix, state=state)
    rules = parse_rules(merge_block(text, block_lines(image)))
    root = image.state_in_context
    wanted = [f"{root}/.gitignore", f"{image.inputs}/a/.env", *(f"{root}/A__x__/{file}" for file in FILES)]
    assert [path for path in wanted if rules.decide(path).excluded] == []
    assert rules.decide(f"{root}/.staging/lock").excluded
    assert rules.decide(f"{root}/.staging/1/A/state/x").excluded


@given(ANY_TEXTS | TEXTS, st.sampled_from(["", "\n", "\r\n"]), STATES)
@example("\r", "", ".local_defs_state")  # with the end that it gets, a line of Windows
def test_merging_keeps_the_users_lines(text, end, state):
    """A user's text is the start of the merged one, byte for byte, and merging again changes nothing."""
    lines = block_lines(image_plan(state=state))
    merged = merge_block(text + end, lines)
    assert merged.startswith(text + end)
    assert merge_block(merged, lines) == merged
    assert block_status(merged, lines) is BlockStatus.CURRENT


@given(ANY_TEXTS, ANY_TEXTS, STATES)
def test_a_block_is_replaced_among_the_users_lines(before, after, state):
    """What is before and after an older block stays there."""
    lines = block_lines(image_plan(state=state))
    old = merge_block(before, ["**/old", "!state"])
    merged = merge_block(old + after, lines)
    assert block_status(old + after, lines) is BlockStatus.OUT_OF_DATE
    assert merged.startswith(before)
    assert merged.endswith(after)
    assert "**/old" not in merged
    assert merge_block(merged, lines) == merged


@given(TEXTS, STATES)
@example("**/.*\n**/state/dist\n", "src/.local_defs_state")
def test_mending_lines_mend(text, state):
    """With the lines that are told at the end of the file nothing is lost, and staging is sent only if it was."""
    try:
        rules = parse_rules(text)
    except StatebakeError:
        assume(False)
    required = Required(
        state=state,
        keys={key: [f"{state}/{key}/{file}" for file in FILES] for key in ("A", "B")},
        shared=[f"{state}/.gitignore"],
        sources={"src": ["src/a.py", "src/a/b.sql"], "a.toml": ["a.toml"]},
    )
    losses = find_losses(rules, required)
    lines = find_mending_lines(rules, required)
    assert bool(lines) == bool(losses)
    mended = parse_rules(text + "\n".join(lines))
    assert find_losses(mended, required) == ()
    for staged in (f"{state}/.staging/lock", *(f"{state}/.staging/id/A/{file}" for file in FILES)):
        assert mended.decide(staged).excluded >= rules.decide(staged).excluded
    for loss in losses:
        assert loss.keys or loss.shared or loss.sources
        assert not loss.rule.negated
