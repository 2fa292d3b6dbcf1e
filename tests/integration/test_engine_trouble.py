"""Engines that are full, that go away, that nobody may use, or that are far away."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from statebake.engine import BuildRequest, choose_builder, open_engine
from statebake.errors import Code, StatebakeError
from support.cli import clean_env
from support.engine import Docker
from support.small_engine import small_engine
from support.trees import write_tree

pytestmark = pytest.mark.needs("docker")
NOBODY = 65534


def failed(env: dict[str, str], context: Path, on_event=lambda _: None) -> StatebakeError:
    request = BuildRequest(context, context / "Dockerfile", "Dockerfile", args=("--network=host",))
    with pytest.raises(StatebakeError) as caught:
        choose_builder(open_engine(env), env).build(request, on_event)
    return caught.value


def test_an_engine_that_is_full(docker: Docker, tmp_path: Path) -> None:
    """An engine without space for a layer is told as full, by BuildKit and by the classic builder."""
    context = write_tree(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY large /\n"})
    (context / "large").write_bytes(os.urandom(1 << 20) * 48)
    with small_engine(docker, "full", "32m") as engine:
        env = clean_env(engine.env)
        error = failed(env, context)
        assert (error.code, "no space left on device" in error.detail) == (Code.ENGINE_FULL, True)
        error = failed({**env, "PATH": str(tmp_path)}, context)
        assert (error.code, "no space left on device" in error.detail) == (Code.ENGINE_FULL, True)


def test_an_engine_that_goes_away(docker: Docker, tmp_path: Path) -> None:
    """An engine that is killed during a build, and what is said when it is asked again."""
    context = write_tree(tmp_path / "context", {"Dockerfile": 'FROM scratch\nCOPY busy /\nRUN ["/busy"]\n'})
    busy = context / "busy"
    busy.write_bytes(_static_program())
    busy.chmod(0o755)
    with small_engine(docker, "gone", "256m") as engine:
        env = clean_env(engine.env)

        def kill(event) -> None:
            if event.step.name.startswith("RUN"):
                threading.Timer(1, engine.kill).start()

        error = failed(env, context, kill)
        assert error.code is Code.ENGINE_UNREACHABLE, error
        with pytest.raises(StatebakeError) as caught:
            open_engine(env)
        assert caught.value.code is Code.ENGINE_UNREACHABLE
        assert "named by DOCKER_HOST" in caught.value.message


def _static_program() -> bytes:
    """Return a program for 64-bit Linux on x86 that waits for ever, without anything else in the image."""
    code = b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"  # pause(); again
    at = 0x400000
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (62).to_bytes(2, "little")
    header += (1).to_bytes(4, "little") + (at + 120).to_bytes(8, "little") + (64).to_bytes(8, "little") + bytes(12)
    header += (64).to_bytes(2, "little") + (56).to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(6)
    size = 120 + len(code)
    segment = (1).to_bytes(4, "little") + (5).to_bytes(4, "little") + bytes(8) + at.to_bytes(8, "little") * 2
    segment += size.to_bytes(8, "little") * 2 + (4096).to_bytes(8, "little")
    return header + segment + code


@pytest.mark.needs("root")
def test_permission_denied(docker: Docker) -> None:
    """A user who may not open the engine's socket is told so, and what to do."""
    place = Path(docker.host.removeprefix("unix://"))
    assert not stat.S_IMODE(place.stat().st_mode) & stat.S_IROTH
    env = clean_env(docker.env())
    import docker as _  # noqa: F401 - before the user who may not read this checkout

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            open_engine(env)
        except BaseException as error:  # noqa: BLE001
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(pid, 0)
    assert text.startswith("[SB707] This user may not use the container engine at unix:///")
    assert f"at {place}" in text
    assert "usermod" in text


SSH = """#!{python}
import os, sys
[host, *command] = sys.argv[sys.argv.index("--") + 1 :]
if host != "engine.example":
    sys.exit(f"ssh: Could not resolve hostname {{host}}: Name or service not known")
os.environ["DOCKER_HOST"] = {socket!r}
os.execvp(command[0], command)
"""


def test_an_engine_behind_ssh(docker: Docker, tmp_path: Path) -> None:
    """An engine is reached through ``ssh``, for its API and for builds, and ssh's own words say why it is not."""
    env = clean_env(docker.env(DOCKER_HOST="ssh://me@engine.example:2222"))
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(SSH.format(python=sys.executable, socket=docker.host))
    program.chmod(0o755)
    env["PATH"] = os.pathsep.join([str(program.parent), env["PATH"]])
    engine = open_engine(env)
    assert engine.facts.version.startswith("26.")
    image = engine.image("python:3.11-slim")
    with engine.files(image.id, "/etc/hostname") as stream:
        assert stream.read()
    context = write_tree(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    request = BuildRequest(context, context / "Dockerfile", "Dockerfile")
    built = choose_builder(engine, env).build(request, lambda _: None)
    assert engine.image(built.id).id == built.id
    with pytest.raises(StatebakeError) as caught:
        open_engine({**env, "DOCKER_HOST": "ssh://nowhere.example"})
    assert caught.value.code is Code.ENGINE_UNREACHABLE
    assert "Could not resolve hostname nowhere.example" in caught.value.message
