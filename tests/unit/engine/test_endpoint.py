"""Where the engine is, and what is said when nothing answers there."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from statebake.engine import endpoint, open_engine
from statebake.engine.endpoint import DEFAULT_SOCKET, find_endpoint, with_endpoint
from statebake.engine.ssh import ssh_command
from statebake.errors import Code, StatebakeError


def context(config: Path, name: str, host: str, *, tls: bool = False, current: bool = False) -> None:
    """Write a docker context as ``docker context create`` does."""
    place = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts/meta" / place / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}))
    if tls:
        files = config / "contexts/tls" / place / "docker"
        files.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (files / file).write_text("")
    if current:
        (config / "config.json").write_text(json.dumps({"currentContext": name}))


@pytest.fixture
def config(tmp_path):
    """The docker program's configuration, as a variable."""
    return {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}


def test_who_names_the_engine(tmp_path, config):
    """``DOCKER_HOST`` counts before ``DOCKER_CONTEXT``, that before the configured context, and that before nothing."""
    context(tmp_path, "lab", "tcp://lab:2376", tls=True, current=True)
    context(tmp_path, "other", "unix:///other.sock")
    named = {**config, "DOCKER_CONTEXT": "other"}
    found = find_endpoint({**named, "DOCKER_HOST": "tcp://first:2375"})
    assert (found.host, found.named_by) == ("tcp://first:2375", "DOCKER_HOST")
    found = find_endpoint(named)
    assert (found.host, found.named_by) == ("unix:///other.sock", 'the docker context "other" (DOCKER_CONTEXT)')
    found = find_endpoint(config)
    assert (found.host, found.named_by[:24]) == ("tcp://lab:2376", 'the docker context "lab"')
    assert found.tls.cert.name == "cert.pem"
    assert found.tls.verify is True
    found = find_endpoint({**config, "DOCKER_CONTEXT": "default"})
    assert (found.host, found.is_default) == (f"unix://{DEFAULT_SOCKET}", True)


def test_nothing_is_configured(tmp_path, config):
    """Without configuration, or with one that cannot be read, it is the default socket."""
    assert find_endpoint(config).is_default
    (tmp_path / "config.json").write_text("{")
    assert find_endpoint(config).is_default
    (tmp_path / "config.json").write_text('{"currentContext": 3}')
    assert find_endpoint(config).is_default


def test_rootless(monkeypatch, tmp_path, config):
    """Where only the socket of rootless Docker is there, it is used, and the docker program is told."""
    (tmp_path / "docker.sock").touch()
    env = {**config, "XDG_RUNTIME_DIR": str(tmp_path)}
    monkeypatch.setattr(endpoint, "DEFAULT_SOCKET", str(tmp_path / "nothing"))
    found = find_endpoint(env)
    assert found.socket == str(tmp_path / "docker.sock")
    assert with_endpoint(env, found)["DOCKER_HOST"] == found.host
    assert "DOCKER_HOST" not in with_endpoint(env, find_endpoint(config))


def test_a_context_that_is_not_there(tmp_path, config):
    """A context without a file, or with one that is broken, is told by its name."""
    with pytest.raises(StatebakeError) as caught:
        find_endpoint({**config, "DOCKER_CONTEXT": "gone"})
    assert caught.value.code is Code.ENGINE_UNREACHABLE
    assert 'the docker context "gone" (DOCKER_CONTEXT), and there is no such context' in caught.value.message
    assert caught.value.next_step == "docker context ls"


@pytest.mark.parametrize(
    ("host", "normal"),
    [("/run/x.sock", "unix:///run/x.sock"), ("host:2375", "tcp://host:2375"), ("ssh://h", "ssh://h")],
)
def test_addresses_without_a_scheme(host, normal):
    """An address is read as the docker program reads it."""
    assert find_endpoint({"DOCKER_HOST": host}).host == normal


def test_tls_of_the_environment(tmp_path):
    """``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` count for ``DOCKER_HOST``."""
    (tmp_path / "ca.pem").touch()
    env = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    tls = find_endpoint(env).tls
    assert (tls.ca, tls.cert, tls.verify) == (tmp_path / "ca.pem", None, True)
    assert find_endpoint({"DOCKER_HOST": "tcp://h:2375"}).tls is None


def test_the_ssh_command():
    """ssh is asked for what the docker program asks it for, and never for a password."""
    argv = ssh_command("ssh://me@host.example:2222", {})
    assert argv[0] == "ssh"
    assert argv[argv.index("-l") + 1] == "me"
    assert argv[argv.index("-p") + 1] == "2222"
    assert argv[-5:] == ["--", "host.example", "docker", "system", "dial-stdio"]
    assert "BatchMode=yes" in argv


# What answers, or does not: real sockets in this process.


@pytest.fixture
def listen(tmp_path):
    """Makes a Unix socket on which ``answer`` serves each connection, and returns ``DOCKER_HOST`` for it."""
    servers: list[tuple[socket.socket, threading.Thread]] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        path = tmp_path / f"{len(servers)}.sock"
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"unix://{path}"

    yield start
    for server, thread in servers:
        server.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the thread
        server.close()
        thread.join()


def error_of(env: dict[str, str]) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        open_engine(env)
    assert "Traceback" not in str(caught.value)
    assert "urllib3" not in str(caught.value)
    return caught.value


def replying(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        if connection.recv(4096):
            connection.sendall(text)

    return answer


def test_there_is_no_engine(monkeypatch, tmp_path):
    """Neither a docker program nor a socket: the message says that there is no engine, and how to get one."""
    monkeypatch.setattr("statebake.engine.endpoint.DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    error = error_of({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert error.code is Code.ENGINE_MISSING
    assert "DOCKER_HOST=ssh://" in error.next_step


def test_there_is_a_docker_program_only(monkeypatch, tmp_path):
    """With a docker program, an engine was meant to be there: it does not run."""
    monkeypatch.setattr("statebake.engine.endpoint.DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    error = error_of({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert error.code is Code.ENGINE_UNREACHABLE
    assert "named by the default" in error.message
    assert "systemctl start docker" in error.next_step


def test_nothing_answers(tmp_path, listen):
    """Whoever named the place is named, with what the system says."""
    closed = socket.socket(socket.AF_UNIX)
    closed.bind(str(tmp_path / "closed.sock"))
    closed.close()
    (tmp_path / "file").touch()
    for host, why in {
        f"unix://{tmp_path}/nowhere.sock": "there is no such socket",
        f"unix://{tmp_path}/closed.sock": "nobody listens there",
        f"unix://{tmp_path}/file": "nobody listens there",
        "tcp://127.0.0.1:9": "Connection refused",
        "bogus://x": "Invalid bind address",
    }.items():
        error = error_of({"DOCKER_HOST": host})
        assert (error.code, "named by DOCKER_HOST" in error.message) == (Code.ENGINE_UNREACHABLE, True)
        assert why in error.message, host


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"220 mail.example ESMTP\r\n",
        b"",
    ],
)
def test_something_else_answers(listen, text):
    """A server that is no engine is told in one line."""
    error = error_of({"DOCKER_HOST": listen(replying(text))})
    assert error.code is Code.ENGINE_UNREACHABLE


def test_an_answer_that_never_comes(monkeypatch, listen):
    """A ping is given a few seconds."""
    monkeypatch.setattr("statebake.engine.connection.PING_S", 1.0)
    began = time.monotonic()

    def say_nothing(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass  # until the client gives up

    error = error_of({"DOCKER_HOST": listen(say_nothing)})
    assert time.monotonic() - began < 5
    assert "no answer within 1 s" in error.message


def test_credentials_in_an_address_are_masked():
    """A password in ``DOCKER_HOST`` is not shown."""
    error = error_of({"DOCKER_HOST": "tcp://me:pa55word@127.0.0.1:9"})
    assert "pa55word" not in str(error)


@pytest.mark.parametrize(
    "config", ["[]", "null", '{"auths": 5}', '{"auths": {"x": {"auth": "!!"}}}', '{"proxies": []}']
)
def test_an_odd_configuration_of_docker(listen, monkeypatch, tmp_path, config):
    """A ``config.json`` that the library stumbles over is a mistake in that file."""
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # the library looks there itself
    error = error_of({"DOCKER_HOST": listen(replying(b"")), "DOCKER_CONFIG": str(tmp_path)})
    assert error.code in {Code.BAD_SETTING, Code.ENGINE_UNREACHABLE}
