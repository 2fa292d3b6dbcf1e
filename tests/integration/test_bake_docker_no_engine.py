"""``bake docker`` where the engine is missing, away or forbidden: three different messages, and nothing is fetched."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from support.cli import Result, run
from support.native import code_component, native_project
from support.shown import the_error

# A machine without an engine, wherever the tests run: nothing is at the usual place, and no program on PATH.
NO_ENGINE = 'mount -t tmpfs tmpfs /run && PATH= exec "$@"'
# A user who may read every file here, the interpreter too, and may do nothing else.
READER = (
    *("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--no-new-privs"),
    *("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search"),
)


@pytest.fixture
def project(tmp_path) -> Path:
    """A project whose fetch leaves a mark."""
    return native_project(tmp_path / "shop", code_component("one", f"Path({str(tmp_path / 'fetched')!r}).touch()"))


@pytest.fixture
def bake(project, tmp_path):
    """Bakes the project, sees that nothing was fetched, and returns how it ended."""

    def it(prefix: tuple[str, ...] = (), **env: str | None) -> Result:
        dropped = dict.fromkeys(("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"))
        argv = [*prefix, sys.executable, "-m", "statebake", "bake", "docker", "--tag", "x"]
        result = run(argv, cwd=project, env={**dropped, "HOME": str(tmp_path), **env}, timeout=60)
        assert not (tmp_path / "fetched").exists()
        assert not (project / ".statebake").exists()
        return result

    return it


@pytest.mark.needs("namespaces")
def test_no_engine(bake):
    """With no docker program and nothing at the default socket, there is no engine: install one, or say where it is."""
    result = bake(("unshare", "-rm", "sh", "-c", NO_ENGINE, "sh"))
    error = the_error(result.err)
    assert (result.code, error.code) == (7, "SB705")
    assert error.message == "There is no container engine: no docker program, and nothing at /var/run/docker.sock."
    assert error.next_step == "install Docker Engine, or say where an engine is: export DOCKER_HOST=ssh://HOST"


def _dead_socket(tmp_path: Path) -> tuple[str, str]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "dead.sock"))
    return f"unix://{tmp_path / 'dead.sock'}", "nobody listens there"


def _no_socket(tmp_path: Path) -> tuple[str, str]:
    return f"unix://{tmp_path / 'none.sock'}", "there is no such socket"


def _closed_port(tmp_path: Path) -> tuple[str, str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{server.getsockname()[1]}", "Connection refused"


@pytest.mark.parametrize("where", [_dead_socket, _no_socket, _closed_port], ids=lambda where: where.__name__)
def test_an_engine_that_does_not_answer(bake, tmp_path, where):
    """A dead socket, none, or a closed port: the message says where the engine should be, who says so, and why."""
    host, why = where(tmp_path)
    result = bake(DOCKER_HOST=host)
    error = the_error(result.err)
    assert (result.code, error.code) == (7, "SB706")
    assert error.message == f"The container engine at {host} (named by DOCKER_HOST) does not answer: {why}."
    assert error.next_step == "docker info"


@pytest.mark.needs("docker", "root", "setpriv")
def test_an_engine_that_is_forbidden(bake, docker):
    """A user who may not open the engine's socket is told so, and how to become one who may."""
    result = bake(READER, DOCKER_HOST=docker.host)
    error = the_error(result.err)
    assert (result.code, error.code) == (7, "SB707")
    assert error.message == f"This user may not use the container engine at {docker.host} (named by DOCKER_HOST)."
    assert error.where == docker.host.removeprefix("unix://")
    assert error.next_step == 'sudo usermod -aG docker "$USER", and log in again'
