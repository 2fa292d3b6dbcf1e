"""Ctrl-C, or a polite end, during a build: at once, and nothing goes on or is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from uuid import uuid4

import pytest

from support.cli import Result
from support.engine import Docker
from support.images import BASE, OWN, bake, image_id, image_of, own_project
from support.processes import MARK, finish, marked, signal_marked, start_statebake, wait_until
from support.shown import assert_no_crash

NO_PROGRAM = {"PATH": ""}
# Which engine, what of the environment makes it the builder that is meant, and what interrupts it.
CASES = [
    pytest.param("docker", {}, [signal.SIGINT], id="buildx", marks=pytest.mark.needs("docker")),
    pytest.param("docker", {}, [signal.SIGTERM], id="buildx-terminated", marks=pytest.mark.needs("docker")),
    pytest.param("docker", {}, [signal.SIGINT, signal.SIGINT], id="buildx-twice", marks=pytest.mark.needs("docker")),
    pytest.param("docker_20", {}, [signal.SIGINT], id="docker-20.10", marks=pytest.mark.needs("docker-20.10")),
    pytest.param("docker_20", NO_PROGRAM, [signal.SIGINT], id="the-api", marks=pytest.mark.needs("docker-20.10")),
    pytest.param("docker", NO_PROGRAM, [signal.SIGINT] * 2, id="the-api-twice", marks=pytest.mark.needs("docker")),
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


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A project with its state."""
    return own_project(tmp_path_factory.mktemp("interrupt") / "shop")


@contextlib.contextmanager
def running(docker: Docker, tag: str, template: Path, tmp_path: Path, env: dict) -> Iterator[Running]:
    """Begin to bake an image by a name that another one has; whatever is left of that is ended afterwards."""
    project = Path(shutil.copytree(template, tmp_path / "shop"))
    docker.run("tag", BASE, tag).ok()
    number = str(36_000 + randrange(10**6))
    (project / "Dockerfile").write_text(f"FROM {BASE}\nCOPY src /app/src\nRUN sleep {number}\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mark = uuid4().hex
    args = ("bake", "docker", "--no-refresh", "--tag", tag, "--docker-arg=--network=none")
    process = start_statebake(*args, cwd=project, env=docker.env(TMPDIR=str(scratch), **env, **{MARK: mark}))
    run = Running(docker, tag, process, mark, scratch, number.encode())
    try:
        wait_until(run.steps, "the long step", timeout=60)
        yield run
    finally:
        process.kill()
        process.communicate()
        signal_marked(mark, signal.SIGKILL)
        for pid in run.steps():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def interrupted(request, new_image, template, tmp_path):
    """Begins a bake with an engine, interrupts it, and gives what is left of it and how it ended."""

    @contextlib.contextmanager
    def it(engine: str, env: dict, *signals: int) -> Iterator[tuple[Running, Result, float]]:
        docker = request.getfixturevalue(engine)
        with running(docker, new_image(docker), template, tmp_path, env) as run:
            yield run, *run.stop(*signals)

    return it


@pytest.mark.parametrize(("engine", "env", "signals"), CASES)
def test_an_interrupted_build(engine, env, signals, interrupted):
    """Exit code 130 at once, the build's step ends in the engine too, the name stays, no file or process is left."""
    with interrupted(engine, env, *signals) as (run, result, seconds):
        assert result.code == 130
        assert seconds < 3
        assert "Interrupted" in result.err
        assert_no_crash(result.err)
        wait_until(lambda: not run.steps(), "the end of the step in the engine", timeout=3)
        wait_until(lambda: not marked(run.mark), "the processes' end", timeout=3)
        assert list(run.scratch.iterdir()) == []
        assert image_id(run.docker, run.tag) == image_id(run.docker, BASE)


@pytest.mark.needs("docker")
def test_the_next_build(interrupted, tmp_path):
    """After an interrupt the next bake goes well."""
    with interrupted("docker", {}, signal.SIGINT) as (run, _, _):
        (tmp_path / "shop/Dockerfile").write_text(f"{OWN}LABEL again=1\n")
        image = image_of(bake(run.docker, tmp_path / "shop", "--no-refresh", "--tag", run.tag))
        assert image["id"] == image_id(run.docker, run.tag)
