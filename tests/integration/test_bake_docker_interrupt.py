"""Ctrl-C, or a polite end, during a build: at once, and nothing goes on or is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import randrange

import pytest

from support.cli import Result
from support.engine import Docker
from support.images import BASE, OWN, bake, image_id, image_of, own_project
from support.processes import MARK, finish, marked, start_statebake, wait_until
from support.shown import assert_no_crash

BUILDERS = [
    pytest.param(("docker", {}), id="buildx", marks=pytest.mark.needs("docker")),
    pytest.param(("docker_20", {}), id="docker-20.10", marks=pytest.mark.needs("docker-20.10")),
    pytest.param(("docker_20", {"PATH": ""}), id="the-api", marks=pytest.mark.needs("docker-20.10")),
]


@dataclass
class Running:
    """A bake whose build is at a step that takes ten hours."""

    docker: Docker
    tag: str
    process: subprocess.Popen[str]
    mark: str
    scratch: Path
    sleep: bytes

    def steps(self) -> list[int]:
        """Return the processes of the long step; containers' are seen from outside as any other."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (place / "cmdline").read_bytes() == b"sleep\0" + self.sleep + b"\0":
                    found.append(int(place.name))
        return found

    def stop(self, *signals: int) -> tuple[Result, float]:
        """Send the signals to the process and return how and in what time it ended."""
        begun = time.monotonic()
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.05)
        result = finish(self.process, timeout=20)
        return result, time.monotonic() - begun


@contextlib.contextmanager
def running(docker: Docker, tag: str, tmp_path: Path, env: dict) -> Iterator[Running]:
    """Bake an image, then begin to bake another one by the same name; whatever is left of that is ended afterwards."""
    project = own_project(tmp_path / "shop")
    bake(docker, project, "--no-refresh", "--tag", tag, env=env).ok()
    number = str(36_000 + randrange(10**6))
    (project / "Dockerfile").write_text(f"FROM {BASE}\nCOPY src /app/src\nRUN sleep {number}\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mark = number * 3
    args = ("bake", "docker", "--no-refresh", "--tag", tag, "--docker-arg=--network=none")
    process = start_statebake(*args, cwd=project, env=docker.env(TMPDIR=str(scratch), **env, **{MARK: mark}))
    run = Running(docker, tag, process, mark, scratch, number.encode())
    try:
        wait_until(run.steps, "the long step", timeout=60)
        yield run
    finally:
        process.kill()
        process.communicate()
        for pid in [*run.steps(), *(int(line.split()[0]) for line in marked(mark))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]],
    ids=lambda signals: "-".join(number.name for number in signals),
)
def test_an_interrupted_build(signals, builder, request, new_image, tmp_path):
    """Exit code 130 at once, the build's step ends in the engine too, the name stays, no file or process is left."""
    engine, env = builder
    docker = request.getfixturevalue(engine)
    tag = new_image(docker)
    with running(docker, tag, tmp_path, env) as run:
        before = image_id(docker, tag)
        result, seconds = run.stop(*signals)
        assert result.code == 130
        assert seconds < 3
        assert "Interrupted" in result.err
        assert_no_crash(result.err)
        wait_until(lambda: not run.steps(), "the end of the step in the engine", timeout=3)
        wait_until(lambda: not marked(run.mark), "the processes' end", timeout=3)
        assert list(run.scratch.iterdir()) == []
        assert image_id(docker, tag) == before


@pytest.mark.needs("docker")
def test_the_next_build(docker, new_image, tmp_path):
    """After an interrupt the next bake goes well."""
    tag = new_image(docker)
    with running(docker, tag, tmp_path, {}) as run:
        run.stop(signal.SIGINT)
    (tmp_path / "shop/Dockerfile").write_text(f"{OWN}LABEL again=1\n")
    image = image_of(bake(docker, tmp_path / "shop", "--no-refresh", "--tag", tag))
    assert image["id"] == image_id(docker, tag)
