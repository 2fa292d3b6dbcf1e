"""Go's regular expressions in Python."""

from __future__ import annotations

import pytest

from statebake.bake.image.go_regexp import compile_go


@pytest.mark.parametrize(
    ("source", "found", "not_found"),
    [
        ("^a.c$", ["abc", "a/c"], ["a\nc", "abcd", "abc\n"]),
        ("^(.*/)?x$", ["x", "a/x", "a/b/x"], ["ax", "x/a"]),
        ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        ("^a^b$", [], ["ab", "a^b"]),
        ("^[]a]$", ["]", "a"], ["b"]),
        ("^[^]a]$", ["b", "\n"], ["]", "a"]),
        ("^[a-c-]$", ["b", "-"], ["d"]),
        ("^[[:alpha:][:digit:]]$", ["x", "1"], ["é", "-"]),
        ("^[[:^alpha:]]$", ["1", "é"], ["x"]),
        ("^[[:a]$", ["[", ":", "a"], ["b"]),
        (r"^[\d\-\]\\]$", ["1", "-", "]", "\\"], ["a"]),
        (r"^[^\W]$", ["a", "_"], ["-", "é"]),
        (r"^\d\w\s\D$", ["1a x"], ["aa x", "1é x", "1a\vx"]),
        (r"^\x61\x{62}\141\07\0$", ["aba\x07\0"], ["ab"]),
        (r"^\.\{\|\a\f\n\r\t\v$", [".{|\a\f\n\r\t\v"], [".{|"]),
        (r"^\Qa.*\E.$", ["a.*x"], ["abbx"]),
        (r"^\Qa.", ["a."], ["ab"]),
        (r"\Aa\bé\z", ["aé"], ["ab"]),
        (r"^a\Bb$", ["ab"], ["a b"]),
        ("^a{2}$", ["aa"], ["a", "a{2}"]),
        ("^a{2,}$", ["aa", "aaa"], ["a"]),
        ("^a{1,2}$", ["a", "aa"], ["aaa"]),
        ("^a{,2}b{x}{$", ["a{,2}b{x}{"], ["aab"]),
        ("^a{02}$", ["a{02}"], ["aa"]),
        ("^(.*/)?{$", ["x/{"], ["x/"]),
        ("^^{2}a$", ["a"], ["^^a"]),
        ("^[[^/]*]$", ["]", "^/[]"], ["a]"]),
        ("^é$", ["é"], ["e"]),
    ],
)
def test_what_an_expression_finds(source, found, not_found):
    """An expression finds what it finds in Go, also where it means something else in Python."""
    compiled = compile_go(source)
    assert [text for text in [*found, *not_found] if compiled.search(text)] == found


@pytest.mark.parametrize(
    "source",
    [
        "[z-a]",
        "[a",
        "[a-",
        "[",
        "[[:none:]]",
        "a{2}{3}",
        "a|{2}",
        "a*{2}",
        "a{1001}",
        "a{3,2}",
        r"\y",
        r"\é",
        r"\8",
        r"\1",
        r"\xg1",
        r"\x{110000}",
        "\\",
        r"[\b]",
        r"\pL",
        r"[\p{Greek}]",
    ],
)
def test_what_go_refuses(source):
    """What Go refuses, and Unicode classes, are errors and not expressions that find something else."""
    with pytest.raises(ValueError, match=r"."):
        compile_go(source)
