"""Rendering the templates."""

from __future__ import annotations

import sys

import jinja2
import pytest

from statebake.bake.templates import render

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


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
