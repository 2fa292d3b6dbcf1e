"""The patterns that select keys."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from statebake.model.patterns import matches

TEXTS = st.text("aAb[]*?.\n", max_size=12)


@given(TEXTS, TEXTS)
def test_patterns_are_globs_without_classes(pattern, text):
    """A star is any text, a question mark one character, everything else itself: as a regular expression says it."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    assert matches(pattern, text) == bool(re.fullmatch("".join(parts), text, re.DOTALL))


@given(TEXTS)
def test_a_text_matches_itself_and_a_star(text):
    """Whatever a key is called, its own name selects it."""
    assert matches(text, text)
    assert matches("*", text)


def test_many_stars_take_no_time():
    """A pattern that no backtracking could finish is decided at once."""
    assert not matches("*a" * 200 + "b", "a" * 2000)
