"""An engine of one test's own, whose disk is as small as the test likes, and which may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import daemons
from lab.packages import Group
from lab.places import running, write
from support.engine import Docker


@dataclass(frozen=True)
class SmallEngine:
    """A daemon, the path of its socket, and the environment of a client."""

    directory: Path
    docker: Docker

    @property
    def host(self) -> str:
        """Its ``DOCKER_HOST``."""
        return f"unix://{self.directory}/docker.sock"

    @property
    def env(self) -> dict[str, str | None]:
        """The environment of a client."""
        return self.docker.env(DOCKER_HOST=self.host)

    def kill(self) -> None:
        """Kill the daemon, as the system does when it has no memory left."""
        [pid] = [pid for pid, name in daemons.processes(self.directory) if name == "dockerd"]
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def small_engine(docker: Docker, name: str, size: str) -> Iterator[SmallEngine]:
    """Have an engine run whose data lies on a tmpfs of this ``size``; ``docker`` lends its programs."""
    group = Group(docker.engine.kind.packages)
    directory = running() / name
    data = directory / "data"
    data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", data], check=True)
    engine = SmallEngine(directory, docker)
    env = {"PATH": os.pathsep.join([*map(str, group.path), os.environ["PATH"], "/usr/sbin", "/sbin"])}
    log = directory / "dockerd.log"
    argv = [
        group.program("dockerd"),
        *("--config-file", write(directory / "daemon.json", json.dumps({"storage-driver": "overlay2"}))),
        *("--data-root", data, "--exec-root", directory / "exec", "--pidfile", directory / "dockerd.pid"),
        *("--host", engine.host, "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"),
    ]
    try:
        daemons.launch(argv, log, {**env, **group.libraries})
        daemons.await_answer(lambda: docker.run("version", env=engine.env).code == 0, log)
        yield engine
    finally:
        daemons.end(directory, order=("dockerd", "containerd-shim", "containerd"))
        daemons.clear(directory)
