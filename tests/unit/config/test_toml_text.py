"""Values and keys as TOML."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.config.toml_file import tomllib
from statebake.config.toml_text import toml_key, toml_value

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    TEXT
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(timezone.utc))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(VALUES)
@example("\U0001f600")
@example("\x7f\x00\n\"\\'\u2028")
@example({"": {"a.b": [], "\x7f": {}}})
@example([1e16, 1e-7, -0.0, math.inf, -math.inf])
@example([True, date(2026, 1, 2), time(3, 4, 5), datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)])
def test_toml_values_come_back(value):
    """Whatever a TOML file can say is written as TOML on one line and read back as the same."""
    text = toml_value(value)
    assert "\n" not in text
    assert tomllib.loads(f"x = {text}\n")["x"] == value


def test_not_a_number_comes_back():
    """``nan`` has its own name in TOML."""
    assert math.isnan(tomllib.loads(f"x = {toml_value(math.nan)}")["x"])


def test_a_tuple_is_a_list():
    """Tuples are written as lists."""
    assert toml_value(("a", 1)) == '["a", 1]'


@pytest.mark.parametrize(
    ("key", "text"), [("a-B_1", "a-B_1"), ("a.b", '"a.b"'), ("", '""'), ("é", '"é"'), ("😀", '"😀"'), ('a"', '"a\\""')]
)
def test_keys(key, text):
    """A key has quotation marks only where it needs them."""
    assert toml_key(key) == text
    assert tomllib.loads(f"{text} = {toml_value({key: 1})}\n") == {key: {key: 1}}
