"""A remote BuildKit for tests: the one inside a Docker engine, given out on a socket of its own.

``POST /grpc`` of the engine's API hands over the connection to its BuildKit's control service (moby,
``api/server/router/grpc``), which is what buildx's ``remote`` driver wants to speak to.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from support.cli import clean_env
from support.engine import Docker

_UPGRADE = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@contextlib.contextmanager
def remote_builder(docker: Docker, name: str, place: Path) -> Iterator[dict[str, str]]:
    """Have a remote builder of this name; yield what of the environment makes the docker program know it."""
    plugin = Path(docker.engine.environment["DOCKER_CONFIG"], "cli-plugins/docker-buildx")
    (place / "cli-plugins").mkdir(parents=True)
    (place / "cli-plugins/docker-buildx").symlink_to(plugin.resolve())
    config = {"DOCKER_CONFIG": str(place)}
    with remote_buildkit(docker.host.removeprefix("unix://"), place / "b.sock") as address:
        create = ["docker", "buildx", "create", "--name", name, "--driver", "remote", address]
        subprocess.run(create, env=clean_env(docker.env(**config)), check=True, capture_output=True)
        yield config


@contextlib.contextmanager
def remote_buildkit(engine: str, place: Path) -> Iterator[str]:
    """Give out the BuildKit of the engine at the Unix socket ``engine``; yield an address for buildx."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place))
    server.listen()

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=_connect, args=(client, engine), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"unix://{place}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _connect(client: socket.socket, engine: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(engine)
        upstream.sendall(_UPGRADE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += upstream.recv(1)
        assert b" 101 " in head, head
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(client, selectors.EVENT_READ, upstream)
            selector.register(upstream, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    chunk = key.fileobj.recv(1 << 16)
                    if not chunk:
                        return
                    key.data.sendall(chunk)
