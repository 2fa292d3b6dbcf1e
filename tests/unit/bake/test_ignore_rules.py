"""The rules of a ``.dockerignore``."""

from __future__ import annotations

import time

import pytest

from statebake.bake.image.ignore_pattern import literal
from statebake.bake.image.ignore_rules import clean, parse_rules
from statebake.errors import Code, StatebakeError


def left(text, *paths):
    """Return those of ``paths`` that the engine is sent."""
    rules = parse_rules(text)
    return [path for path in paths if not rules.decide(path).excluded]


@pytest.mark.parametrize(
    ("pattern", "matched", "not_matched"),
    [
        ("a", ["a", "a/b/c"], ["b/a", "ab", "A"]),
        ("a/", ["a", "a/b"], ["b/a"]),
        ("/a", ["a", "a/b"], ["b/a"]),
        ("./a/../b//c", ["b/c"], ["a", "c"]),
        ("*", ["a", ".a", "a/b"], []),
        ("*.py", ["a.py", "b.py/c"], ["a/b.py", "apy"]),
        (".*", [".a", ".a/b"], ["a", "a/.b"]),
        ("a*/b", ["a/b", "ax/b"], ["a/x/b"]),
        ("a?b", ["axb", "aéb"], ["ab", "a/b", "axxb"]),
        ("**", ["a", "a/b"], []),
        ("**/a", ["a", "b/a", "b/c/a", "a/x"], ["ba", "b/aa"]),
        ("**a", ["a", "ba", "b/ca"], ["ab"]),
        ("**/a/b", ["a/b", "x/a/b"], ["xa/b"]),
        ("**/*.py", ["a.py", "a/b.py"], ["a.pyc"]),
        ("**/.*", [".a", "a/.b", "a/.b/c"], ["a", "a/b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab/c"]),
        ("a**", ["a", "ab/c", "a/b"], ["ba"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a**b", ["ab", "a/x/b"], ["axb", "a/xb"]),
        ("**/**", ["a", "a/b"], []),
        ("[ab]", ["a", "b"], ["c", "[ab]"]),
        ("[^ab]", ["c", "c/d"], ["a"]),
        ("[!a]", ["a", "!"], ["b"]),
        ("[a-c]*", ["bx"], ["dx"]),
        ("[[:digit:]]*", ["1x"], ["x1"]),
        ("\\*", ["*"], ["a"]),
        ("\\[a\\]", ["[a]"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("\\#a", ["#a"], ["a"]),
        (" # a", ["# a"], ["a"]),
        ("a b ", ["a b"], ["a b "]),
        ("x+(y).z$", ["x+(y).z$"], ["xxyaz"]),
        ("a{1}|b^", ["a{1}|b^"], ["a", "b"]),
        # what is a surprise
        ("\\d", ["1"], ["d"]),
        ("[*]", ["]", "[]", "^]"], ["*", "a]"]),
        ("[?]", ["[]", "^]"], ["?", "a]"]),
        ("a|b*", ["axy", "xb", "bx/y"], ["x", "xa"]),
        ("*.{js,ts}", ["a.{js,ts}"], ["a.js"]),
        ("x{2}*", ["xx", "xxy"], ["x{2}"]),
        (".", [], ["a"]),
        ("/", [], ["a"]),
        ("../a", [], ["a"]),
        ("!a", [], ["a"]),
        ("/ a", ["a"], [" a"]),
    ],
)
def test_what_one_pattern_matches(pattern, matched, not_matched):
    """One pattern keeps out what it keeps out of the engine, its surprises included."""
    assert left(pattern, *matched, *not_matched) == not_matched


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("*\n!a", ["a", "a/b", "a/b/c"]),
        ("!a\n*", []),
        ("a\n!a/b", ["a/b", "a/b/c", "x"]),
        ("a\n!a/b\na/b/c", ["a/b", "x"]),
        ("**\n!**/c", ["a/b/c"]),
        ("*\n! /a/b", ["a/b", "a/b/c"]),
        ("*\n./!a", ["a", "a/b", "a/b/c"]),
        ("*\r\n!a/b\r\n", ["a/b", "a/b/c"]),
        ("\ufeff*\n# !x\n\n  \n!x\n", ["x"]),
        ("#*", ["a", "a/b", "a/b/c", "x"]),
        ("a/b\n!a", ["a", "x"]),  # nothing kept `a` out, so nothing is brought back of what is below it
        ("a/b\n!a/**", ["a", "a/b", "a/b/c", "x"]),
        ("a\n!a/b\na", ["x"]),  # `a/b` would be sent, and empty
        ("a/b\n!a/*/**", ["a", "x"]),  # the walk does not enter `a/b`
        ("a/b\n!a/[^/]*/**", ["a", "a/b/c", "x"]),  # this time it does
    ],
)
def test_which_rule_decides(text, kept):
    """The last rule that matches decides, as far as the engine's walk asks it."""
    assert left(text, "a", "a/b", "a/b/c", "x") == kept


def test_the_rule_that_decided():
    """A decision names its rule, with its line and its text, also where a rule above a directory decided."""
    rules = parse_rules("# one\n\n  **/.*  \n!.keep\n")
    decision = rules.decide("a/.b/c")
    assert decision.excluded
    assert decision.rule == rules.rules[0]
    assert (decision.rule.line, decision.rule.text, decision.rule.negated) == (3, "**/.*", False)
    brought_back = rules.decide(".keep/a")
    assert not brought_back.excluded
    assert brought_back.rule == rules.rules[1]
    assert rules.decide("a").rule is None


@pytest.mark.parametrize(
    "line",
    [
        "!",
        " ! ",
        "!/",
        "/!",
        "[",
        "a[",
        "[]",
        "[]a]",
        "[^]",
        "[a-]",
        "[-a]",
        "a\\",
        "[z-a]",
        "\\y",
        "\\p{L}",
        "a" * 65536,
    ],
)
def test_lines_that_the_engine_refuses(line):
    """A line that stops the build stops it here, with its number."""
    with pytest.raises(StatebakeError) as caught:
        parse_rules(f"a\n{line}\n", "Dockerfile.dockerignore")
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == "Dockerfile.dockerignore:2"


@pytest.mark.parametrize(
    ("path", "cleaned"), [("", "."), ("a//b/./c/..", "a/b"), ("//a", "/a"), ("/..", "/"), ("../../a", "../../a")]
)
def test_cleaning(path, cleaned):
    """Paths are cleaned as Go does it, where two slashes at the start are one."""
    assert clean(path) == cleaned


@pytest.mark.parametrize(
    "path", ["a", "[a]*?", "\\", "a|b", "{1}^", "!a", "#a", " a ", "\xa0a\u3000", "\ufeffa", "a\nb", "é"]
)
def test_any_path_can_be_written(path):
    """A literal path is matched as such, whatever signs are in it, at the start of a line, negated, or before more."""
    other = "".join(chr(ord(sign) + 1) for sign in path)
    for text in (literal(path), f"**\n!{literal(other)}", f"*\n!{literal(other)}/**"):
        assert left(text, path, f"{path}/b") == []
    assert left(literal(path), other) == [other]
    assert left(f"**\n!{literal(path)}", path, f"{path}/b", other) == [path, f"{path}/b"]
    assert left(f"**\n!{literal(path)}/**", path, f"{path}/b", other) == [f"{path}/b"]


def test_more_lines():
    """Rules with lines at their end are those of the file with these lines."""
    rules = parse_rules("*\n!a").followed_by(["# b", "a/b"])
    assert [rules.decide(path).excluded for path in ("a", "a/b", "c")] == [False, True, True]
    assert rules.rules[-1].line == 4


def test_many_paths_take_little_time():
    """A hundred thousand paths against thirty rules, some with wildcards, are decided in seconds."""
    kinds = ["**/.cache{}", "docs{}", "**/*.tmp{}", "logs{}/*.log", "!src/keep{}/**", "[a-c]{}*"]
    rules = parse_rules("\n".join(kind.replace("{}", str(number)) for number in range(5) for kind in kinds))
    started = time.monotonic()
    for number in range(100_000):
        rules.decide(f"src/package{number % 300}/part{number % 7}/module{number}.py")
    assert time.monotonic() - started < 10
