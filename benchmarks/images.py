"""What a new image costs after a state-only change, beside the Dockerfile that ``dg`` scaffolds; ratios from one run.

    make benchmark-images

It needs a container engine (``make engine``), the Dagster environment of the tests, and a package index for the first
build of each image. What is compared takes turns, and the best of ``--repeat`` runs counts.

The scaffolded Dockerfile starts from an image with uv that only a registry has; where the engine does not have it, it
is built from ``python:3.11-slim``.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import STATEBAKE, interleaved, wall
from table import Figure, Row, markdown, plain

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

from support.service import Service  # noqa: E402 - the examples' service, as the tests start it

DAGSTER = REPO / ".cache/venvs/dagster-1.13/bin/python"
UV_IMAGE = "ghcr.io/astral-sh/uv:python3.11-bookworm-slim"
STATE = "src/jaffle/defs/.local_defs_state"
_UV_DOCKERFILE = """\
FROM python:3.11-slim
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \\
    python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install -q uv && ln -s /opt/uv/bin/uv /usr/local/bin/uv
RUN --mount=type=secret,id=uv_toml mkdir -p /etc/uv && if [ -f /run/secrets/uv_toml ]; then \\
    cp /run/secrets/uv_toml /etc/uv/uv.toml; fi
"""


@dataclass
class Bench:
    """The example project, in a copy of its own, and the service that it fetches from."""

    project: Path
    service: Service
    dagster: Path
    network: str
    sent: int = 0

    @property
    def env(self) -> dict[str, str]:
        """What the project's components need, and the interpreter that has Dagster."""
        found = {name: value for name, value in self.service.env.items() if value is not None}
        return {**found, "STATEBAKE_PYTHON": str(self.dagster)}

    def secrets(self) -> list[str]:
        """Return the arguments that give builds the package index of this machine, where the lab says which it is."""
        files = {
            "pip_conf": os.environ.get("STATEBAKE_TEST_PIP_CONF"),
            "uv_toml": os.environ.get("STATEBAKE_TEST_UV_TOML"),
        }
        return [part for name, path in files.items() if path for part in ("--secret", f"id={name},src={path}")]

    def change_state(self) -> None:
        """Have one key fetched that says something new."""
        number = secrets.randbelow(10**9)
        station = {"id": f"s{number}", "name": f"Station {number}", "region": "north", "latitude": 66.9}
        self.service.post("/stations", {**station, "longitude": 13.1, "elevation_m": 31})
        self.statebake("refresh", "--key", "WeatherStationsComponent[north]")

    def statebake(self, *arguments: str) -> tuple[float, str]:
        """Run statebake in the project; return the seconds and what it printed."""
        return wall([*STATEBAKE, *arguments], self.project, self.env)

    def bake(self) -> float:
        """Return the seconds of ``statebake bake docker --no-refresh`` after a change of the state."""
        self.change_state()
        network = ["--docker-arg", f"--network={self.network}"]
        took, _ = self.statebake(
            "bake", "docker", "--no-refresh", "-t", "statebake-bench/ours", *network, *self.secrets()
        )
        return took

    def scaffolded(self) -> float:
        """Return the seconds of the scaffolded Dockerfile's build after a change of the state."""
        self.change_state()
        argv = ["docker", "buildx", "build", "--progress=plain", "--network", self.network, "--file", "Dockerfile.dg"]
        return wall([*argv, "--tag", "statebake-bench/dg", "."], self.project, {})[0]


@contextmanager
def prepared(root: Path, dagster: Path, network: str) -> Iterator[Bench]:
    """Give a locked copy of ``examples/jaffle`` with its state, and the scaffolded Dockerfile."""
    project = root / "jaffle"
    shutil.copytree(
        REPO / "examples/jaffle",
        project,
        ignore=shutil.ignore_patterns(".venv", ".local_defs_state", "target", ".statebake"),
    )
    file = project / "pyproject.toml"
    # The scaffolded Dockerfile refuses a project without it.
    file.write_text(file.read_text().replace('    "dbt-duckdb",\n', '    "dbt-duckdb",\n    "dagster-cloud",\n'))
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    wall([uv, "lock", "--quiet", "--python", str(dagster)], project)
    wall([dagster.parent / "dg", "scaffold", "build-artifacts", "--yes", "--python-version", "3.11"], project)
    (project / "Dockerfile").rename(project / "Dockerfile.dg")
    # As users have it: without these the other build would be sent the environment as well.
    (project / "Dockerfile.dg.dockerignore").write_text(".git\n.venv\n**/__pycache__\n**/.local_defs_state/.staging\n")
    with Service.start(root) as service:
        bench = Bench(project, service, dagster, network)
        if subprocess.run(["docker", "image", "inspect", UV_IMAGE], capture_output=True, check=False).returncode:
            (root / "uv").mkdir()
            (root / "uv/Dockerfile").write_text(_UV_DOCKERFILE)
            wall(
                ["docker", "buildx", "build", "--network", network, *bench.secrets(), "-t", UV_IMAGE, root / "uv"], root
            )
        bench.statebake("refresh")
        yield bench


def rebuild(bench: Bench, repeat: int) -> list[Row]:
    """A new image after a state-only change, everything else in the caches of both."""
    bench.bake()
    bench.scaffolded()
    best = interleaved(repeat, {"statebake": bench.bake, "dg": bench.scaffolded})
    what = "a new image after a state-only change"
    return [Row(what, Figure(best["statebake"]), ("dg's Dockerfile", Figure(best["dg"])), 0.40)]


def context(bench: Bench) -> list[Row]:
    """What the engine is sent for a build of a project that it has not seen, beside what the image must contain."""
    fresh = bench.project.rename(bench.project.with_name(f"jaffle-{secrets.token_hex(4)}"))
    bench.project = fresh
    arguments = ("-t", "statebake-bench/ours", "--docker-arg", f"--network={bench.network}", *bench.secrets())
    _, out = bench.statebake("bake", "docker", "--no-refresh", "--format", "json", "-v", *arguments)
    image = json.loads(out)["projects"][0]["image"]
    return [
        Row(
            "the build context that is sent",
            Figure(image["context"]["sent"], "B"),
            ("sources, state, inputs", Figure(image["context"]["needed"], "B")),
            1.05,
        )
    ]


def main() -> int:
    """Run the benchmarks and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="how often each is run; the best counts (default: 3)")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--dagster", type=Path, default=DAGSTER, help="an interpreter with Dagster, dg and dagster-dbt")
    parser.add_argument("--network", default="host", help="the network of the builds' RUN steps (default: host)")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="statebake-images-") as root,
        prepared(Path(root), arguments.dagster, arguments.network) as bench,
    ):
        rows = [*rebuild(bench, arguments.repeat), *context(bench)]
    print(markdown(rows) if arguments.markdown else plain(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
