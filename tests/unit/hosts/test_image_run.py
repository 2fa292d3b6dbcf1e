"""What an image runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from statebake.config import DgProject, DockerSettings, Project, Settings
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host

DG = DgProject("depot", "depot.defs", "depot", "depot.definitions", (), {"root_module": "depot"})
PROJECT = Project(Path("/p"), "depot", Path("/p/pyproject.toml"), None, "dagster", DG, {})


def test_dagster():
    """A Dagster image runs a code server on the port that is set, and is asked there whether it is well."""
    run = find_host("dagster").image_run(PROJECT, Settings(docker=DockerSettings(port=5005)))
    assert run.command == ("dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "5005", "-m", "depot.definitions")
    assert run.health == ("dagster", "api", "grpc-health-check", "-p", "5005")
    assert run.port == 5005
    assert run.environment["DAGSTER_DISABLE_TELEMETRY"] == "yes"


def test_native():
    """A native image runs the root package, listens nowhere, and needs nothing."""
    run = find_host("native").image_run(PROJECT, Settings(module="shop"))
    assert run.command == ("python", "-m", "shop")
    assert (run.health, run.port, dict(run.environment)) == ((), None, {})


@pytest.mark.parametrize("host", ["dagster", "native"])
def test_own_command(host):
    """A command of the user's own is taken as it is, and nobody guesses how to ask whether that is well."""
    run = find_host(host).image_run(PROJECT, Settings(docker=DockerSettings(command=("sleep", "1"))))
    assert run.command == ("sleep", "1")
    assert (run.health, run.port) == ((), None)


@pytest.mark.parametrize(
    ("host", "settings"), [("dagster", Settings(module="depot")), ("native", Settings(module=None))]
)
def test_nobody_knows(host, settings):
    """Where nothing says what to run, that is an error with the setting to write."""
    with pytest.raises(StatebakeError) as caught:
        find_host(host).image_run(replace(PROJECT, dg=None), settings)
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == "/p/pyproject.toml"
