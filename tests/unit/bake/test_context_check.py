"""State that a ``.dockerignore`` keeps out, and the lines that mend it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from statebake.bake.image.context_check import Required, find_losses, find_mending_lines, must_contain
from statebake.bake.image.ignore_rules import parse_rules
from statebake.errors import Code, StatebakeError

STATE = "src/acme/defs/.local_defs_state"
REQUIRED = Required(
    state=STATE,
    keys={
        "A[x]": [f"{STATE}/A__x__/.statebake.json", f"{STATE}/A__x__/state"],
        "B[y]": [f"{STATE}/B__y__/.statebake.json", f"{STATE}/B__y__/state/dist/a.json"],
        "C[z]": [f"{STATE}/C__z__/.statebake.json", f"{STATE}/C__z__/project/target/x"],
    },
    shared=[f"{STATE}/.gitignore"],
    sources={
        "src/acme": ["src/acme/__init__.py", "src/acme/defs/table.json", "src/acme/sql/a.sql"],
        "pyproject.toml": ["pyproject.toml"],
    },
)


ALL_BELOW = [f"!{STATE}/**", f"{STATE}/.staging"]


def mended(text, required=REQUIRED):
    """Return the lines that mend ``text``, after a look that they do."""
    rules = parse_rules(text)
    assert find_losses(rules, required)
    lines = find_mending_lines(rules, required)
    after = parse_rules(f"{text}\n" + "\n".join(lines))
    assert find_losses(after, required) == ()
    for staged in (f"{STATE}/.staging/x", f"{STATE}/.staging/1/A__x__/state"):
        assert after.decide(staged).excluded >= rules.decide(staged).excluded
    return list(lines)


def failure(text, required=REQUIRED, name=".dockerignore"):
    with pytest.raises(StatebakeError) as caught:
        must_contain(parse_rules(text), required, name)
    assert caught.value.code is Code.NOT_IN_CONTEXT
    return caught.value


def test_nothing_is_lost():
    """Rules that keep out something else are no error."""
    must_contain(parse_rules("**/.venv\n.git\ndist\n*.json\n**/.local_defs_state/.staging"), REQUIRED)
    must_contain(parse_rules(f"*\n!src\n!pyproject.toml\n{STATE}/.staging"), REQUIRED)


def test_hidden_files_are_kept_out():
    """``**/.*`` keeps every key out; one line brings the directory back, one keeps staging out."""
    error = failure("# comment\n\n**/.*\n")
    assert error.message == (
        "`.dockerignore:3` (`**/.*`) keeps the state of 3 keys and 1 file of the state directory out of the build "
        f"context: A[x], B[y], C[z], {STATE}/.gitignore."
    )
    assert error.where == ".dockerignore:3"
    assert error.detail is None
    assert error.next_step == "\n".join(
        ["add these lines at the end of .dockerignore:", f"!{STATE}", f"{STATE}/.staging"]
    )


def test_one_line_is_enough():
    """Where a single line mends it, the next step is that line, and messages call the file what they are told."""
    error = failure("*/**/.gitignore", name="docker/app.dockerignore")
    assert error.message == (
        "`docker/app.dockerignore:1` (`*/**/.gitignore`) keeps 1 file of the state directory out of the build context: "
        f"{STATE}/.gitignore."
    )
    assert error.next_step == f"add this line at the end of docker/app.dockerignore: !{STATE}/**"


def test_everything_is_kept_out():
    """``*`` keeps out code and state: both come back, secrets and what was staged do not."""
    lines = mended("*")
    assert lines[0] == "!src/acme"
    assert "!pyproject.toml" in lines
    after = parse_rules("*\n" + "\n".join(lines))
    for path in (".env", "src/acme/.env", "src/acme/a/.env.local", "src/other", ".git/x"):
        assert after.decide(path).excluded


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("**/.local_defs_state", [f"!{STATE}", f"{STATE}/.staging"]),
        (STATE, [f"!{STATE}", f"{STATE}/.staging"]),
        (f"!{STATE}\n**/.local_defs_state", [f"!{STATE}", f"{STATE}/.staging"]),
        (f"{STATE}/*\n", ALL_BELOW),
        ("**/.gitignore", [f"!{STATE}/**"]),
        ("**/.statebake.json", ALL_BELOW),
        ("**/target", ALL_BELOW),
        ("**/dist/*.json", ALL_BELOW),
        ("**/A__x__\n**/.gitignore", ALL_BELOW),
        ("**/.*\n!**/.local_defs_state", []),
        (f"**/.*\n!{STATE}\n**/.gitignore\n", [f"!{STATE}/**"]),
    ],
)
def test_the_lines_that_mend(text, lines):
    """The fewest lines, of the directory itself where these do, else of all that is in it."""
    if lines:
        assert mended(text) == lines
    else:
        must_contain(parse_rules(text), REQUIRED)


def test_the_order_of_a_negated_pattern():
    """A line that would bring state back stands too early: the later rule is to blame."""
    error = failure(f"!{STATE}\n**/.local_defs_state\n")
    assert error.where == ".dockerignore:2"


def test_a_line_that_looks_as_if_it_helped():
    """``!dir`` does not bring back what a rule matches inside of ``dir``, for the engine: the rule is to blame."""
    error = failure(f"**/state\n!{STATE}\n")
    assert error.where == ".dockerignore:1"
    assert mended(f"**/state\n!{STATE}\n") == ALL_BELOW


def test_rules_inside_key_directories():
    """Several rules that hit different keys are all told in one error, and mended together."""
    error = failure("**/state\n**/target\n")
    assert error.message == "2 rules of `.dockerignore` keep what the image must contain out of the build context."
    assert error.detail.splitlines() == [
        "`.dockerignore:1` (`**/state`) keeps the state of 2 keys out of the build context: A[x], B[y]",
        "`.dockerignore:2` (`**/target`) keeps the state of 1 key out of the build context: C[z]",
    ]
    assert error.where == ".dockerignore:1"
    assert error.next_step.splitlines()[1:] == ALL_BELOW


def test_lost_code():
    """Code that is kept out is told like state, and comes back by its own lines, no wider than what was lost."""
    error = failure("**/*.sql\npyproject.toml")
    assert "1 source out of the build context: src/acme" in error.detail
    assert "1 source out of the build context: pyproject.toml" in error.detail
    assert mended("**/*.sql\npyproject.toml") == ["!src/acme/sql/a.sql", "!pyproject.toml"]
    assert mended("**/sql") == ["!src/acme/sql", "src/acme/sql/**/.env", "src/acme/sql/**/.env.*"]


def test_much_lost_code():
    """Where a rule hits many files of a source, one line brings back the source."""
    files = [f"src/acme/part{number}/a.sql" for number in range(3000)]
    required = Required(STATE, {}, sources={"src/acme": ["src/acme/a.py", *files]})
    assert mended("**/.env\n**/*.sql", required) == ["!src/acme/**", "src/acme/**/.env"]
    assert len(mended("**/*.sql", replace(required, sources={"src/acme": files[:3]}))) == 3


def test_staging_that_was_sent_before_is_left_alone():
    """Only what the mending would bring back is kept out by it."""
    assert mended("**/.gitignore") == [f"!{STATE}/**"]


def test_many_names_are_cut():
    """A message names a few keys and counts the others."""
    required = Required(STATE, {f"K[{number}]": [f"{STATE}/K__{number}__/state"] for number in range(8)})
    assert failure(".*\nsrc\n", required).message.endswith("K[0], K[1], K[2], K[3], K[4], and 3 more.")


def test_odd_names():
    """Names with signs that mean something in patterns are written so that they are themselves."""
    state = "apps/[a] *b\\/!x/.local_defs_state"
    required = Required(state, {"A": [f"{state}/A/state"]}, sources={"#x": ["#x"]})
    assert mended("**/.*\n\\#x", required)[:2] == ["!\\#x", "!apps/\\[a\\] \\*b\\\\/!x/.local_defs_state"]
