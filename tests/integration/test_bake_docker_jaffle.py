"""The Dagster example as it is deployed: baked from a clone, then with no network and nothing to write to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import statebake
from support.dagster import dagster_python
from support.engine import Docker, unique_name
from support.images import SEALED, bake, diff_ids, image_of, index_flags
from support.pexes import copy_example, digests
from support.processes import wait_until
from support.service import Service
from support.trees import read_tree

pytestmark = pytest.mark.needs("docker", "dagster-1.13")

STATE = "src/jaffle/defs/.local_defs_state"
KEYS = ["DbtProjectComponent[dbt]", "WeatherStationsComponent[north]", "WeatherStationsComponent[south]"]
ASSETS = {
    *("raw_customers", "raw_orders", "raw_payments", "stg_customers", "stg_orders", "stg_payments"),
    *("customers", "orders", "daily_revenue", "menu", "weekly_letter"),
    *("weather/campo_lucente", "weather/colle_dambra", "weather/porto_sereno", "weather/salinella"),
    *("weather/fjellgard", "weather/hallbekk", "weather/ostervik", "weather/skarvholm"),
}


@dataclass(frozen=True)
class Baked:
    """The example's image; the service is stopped, the project moved away."""

    docker: Docker
    tag: str
    project: Path
    report: dict
    digests: dict[str, str]

    def run(self, *command: str) -> str:
        """Return what a command prints in the image, sealed."""
        return self.docker.run("run", "--rm", *SEALED, self.tag, *command).ok().out


@pytest.fixture(scope="module")
def baked(docker: Docker, tmp_path_factory) -> Iterator[Baked]:
    """Bake the example, and take away all but the image."""
    root = tmp_path_factory.mktemp("jaffle")
    project = copy_example("jaffle", root / "jaffle")
    tag = unique_name()
    env = {"STATEBAKE_PYTHON": str(dagster_python("1.13"))}
    with Service.start(root) as service:
        report = image_of(bake(docker, project, "--tag", tag, *index_flags(docker), env={**service.env, **env}))
    before = digests(read_tree(project / STATE))
    (root / "elsewhere").mkdir()  # by its old name: Dagster names a code location by its directory
    yield Baked(docker, tag, project.rename(root / "elsewhere" / "jaffle"), report, before)
    docker.run("image", "rm", "--force", tag)


def test_lists_its_assets(baked):
    """Sealed, the image lists the assets that state is for, and no other."""
    assert set(baked.run("dagster", "asset", "list", "-m", "jaffle.definitions").split()) == ASSETS


def test_its_code_server_answers(baked):
    """The image's own command is a code server that Dagster's health check and the engine's find healthy."""
    docker = baked.docker
    often = ("--health-interval", "1s")  # the rest of the health check is the image's own
    container = docker.run("run", "--detach", *often, *SEALED, baked.tag).ok().out.strip()

    def health() -> str:
        asked = docker.run("inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container).ok().out
        state, found = asked.split()
        assert (state, found) != ("running", "unhealthy"), docker.run("logs", container).err
        assert state == "running", docker.run("logs", container).err
        return found

    try:
        wait_until(lambda: health() == "healthy", "the health check", timeout=90)
        docker.run("exec", container, "dagster", "api", "grpc-health-check", "--port", "4000").ok()
        logs = docker.run("logs", container)
        assert "Started Dagster code server for module jaffle.definitions on port 4000" in logs.out + logs.err
    finally:
        docker.run("rm", "--force", container)


def test_inspect(baked, tmp_path):
    """``inspect`` reads every key, with the digest of the work tree, from the image, which is not started for it."""
    document = statebake("inspect", baked.tag, "--format", "json", cwd=tmp_path, env=baked.docker.env()).ok().json
    [image] = document["images"]
    [state] = image["states"]
    assert (image["id"], image["tags"]) == (baked.report["id"], [f"{baked.tag}:latest"])
    assert (state["path"], state["error"]) == (f"/app/{STATE}", None)
    assert {key["key"]: key["proved"] for key in state["keys"]} == dict.fromkeys(KEYS, True)
    assert sorted(key["digest"] for key in state["keys"]) == sorted(baked.digests.values())
    assert state["manifest"] == baked.report["manifest"]
    assert [layer["state"] for layer in image["layers"]] == [False] * (len(image["layers"]) - 1) + [True]


def test_what_is_inside(baked):
    """The image has the project's code, its state and what that needs; neither statebake nor anybody's secrets."""
    code = "import importlib.metadata as m, json; print(json.dumps(sorted(d.name.lower() for d in m.distributions())))"
    found = set(json.loads(baked.run("python", "-c", code)))
    assert {"dagster", "dagster-dbt", "dbt-core", "dbt-duckdb"} <= found
    assert not {"statebake", "pex", "docker", "jaffle"} & found
    listed = baked.run("find", "/app", "-maxdepth", "2", "-not", "-name", "__pycache__").split()
    assert set(listed) == {"/app", "/app/pyproject.toml", "/app/src", "/app/src/jaffle"}


def test_nothing_is_built_twice(baked):
    """A second bake of the same state, from where the project is now, runs no step and gives the same image."""
    env = {"STATEBAKE_PYTHON": str(dagster_python("1.13"))}
    again = image_of(bake(baked.docker, baked.project, "--no-refresh", *index_flags(baked.docker), env=env))
    assert (again["id"], again["steps"]["run"]) == (baked.report["id"], 0)
    assert [layer["diff_id"] for layer in again["platforms"][0]["layers"]] == diff_ids(baked.docker, baked.tag)
