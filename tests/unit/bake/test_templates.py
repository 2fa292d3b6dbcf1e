"""Rendering the templates, and values as TOML."""

from __future__ import annotations

import math
import sys
from datetime import date, datetime, time, timezone

import jinja2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.bake.templates import render, toml_value

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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


def test_the_artifacts_pyproject():
    """The file that Dagster looks for in an artifact is TOML with the project's table, and says what wrote it."""
    project = {"root_module": "depot", "code_location_name": "dépôt 😀", "registry_modules": ["a.*"]}
    text = render("artifact-pyproject.toml", project=project)
    assert tomllib.loads(text) == {"tool": {"dg": {"directory_type": "project", "project": project}}}
    assert "Written by statebake" in text.splitlines()[0]


def test_any_key_of_the_projects_table_survives():
    """A key that needs quotes in TOML, or a table in the table, is written so that it reads the same."""
    project = {"root_module": "depot", "my key": {"nested": {"a.b": 1}}}
    assert tomllib.loads(render("artifact-pyproject.toml", project=project))["tool"]["dg"]["project"] == project


def test_a_value_that_is_missing_is_an_error():
    """A template never leaves a hole."""
    with pytest.raises(jinja2.UndefinedError):
        render("artifact-pyproject.toml")
