"""What the files for CI are called."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from statebake.bake.dependency_source import DependencyKind
from statebake.setup import ci
from statebake.setup.ci import CiJob

DIRECTORIES = [
    "",
    "a",
    "a/b",
    "a-b",
    "a--b",
    "a-/b",
    "a/-b",
    "-a",
    "a-",
    "a/b/c",
    "a/b-c",
    "a-b/c",
    "a b",
    "a+b",
    "é",
    "è",
]


def title(directory):
    return CiJob(directory, False, None, "", "3.12", (), True).title


def test_a_name_for_every_project():
    """No two projects of a repository have one name, and each is a name that a file can have anywhere."""
    titles = [title(directory) for directory in DIRECTORIES]
    assert len(set(titles)) == len(titles)
    assert all(re.fullmatch(r"statebake[A-Za-z0-9._-]*", one) for one in titles)


@pytest.mark.parametrize(
    ("directory", "wanted"), [("", ""), ("north-east", "-north-east"), ("apps/north", "-apps--north")]
)
def test_names_are_readable(directory, wanted):
    """A name is the directory's, as far as it can be."""
    assert title(directory) == f"statebake{wanted}"


@pytest.mark.parametrize(
    "odd", ["a b", "it's", 'q"$(echo injected)"', "line\nbreak", "é", "😀", "x: y", "a #b", "$HOME"]
)
def test_a_directory_is_no_command(odd):
    """Whatever a directory or a lock is called, a shell takes it for nothing else than that name."""
    job = CiJob(odd, False, DependencyKind.REQUIREMENTS, f"{odd}.txt", "3.12", (), True)
    [made] = yaml.safe_load(ci.gitlab_job(job, "test")).values()
    assert shlex.split(made["script"][0]) == ["cd", odd]
    [install] = [line for line in made["script"] if "--requirement" in line]
    assert shlex.split(install)[-1] == f"{odd}.txt"
