"""Reaching an engine by ssh: the system's own ``ssh`` runs ``docker system dial-stdio`` on the other side.

That is what the docker program does (docker/cli, ``cli/connhelper``). The ``docker`` package has it only together with
paramiko, and without a timeout.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

from statebake.process import read_tail


class SshAdapter(UnixHTTPAdapter):
    """A transport of ``requests`` whose connections are ssh processes."""

    def __init__(self, host: str, env: Mapping[str, str], timeout: float) -> None:
        super().__init__("http+unix:///ssh", timeout=int(timeout))
        self._argv, self._env = ssh_command(host, env), dict(env)
        self._printed, name = tempfile.mkstemp()
        os.unlink(name)  # noqa: PTH108 - it is not a path any more
        weakref.finalize(self, os.close, self._printed)

    def get_connection(self, url: object, proxies: object = None) -> UnixHTTPConnectionPool:  # noqa: ARG002
        return _Pool(self._connect, self.timeout)

    def last_words(self) -> str:
        """Return the last line that ssh printed: why there is no connection."""
        with os.fdopen(os.dup(self._printed), "rb") as printed:
            lines = read_tail(printed).splitlines()
        return lines[-1].strip() if lines else ""

    def _connect(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                self._argv,
                env=self._env,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._printed,
                start_new_session=True,
            )
        return ours, process


_Connect = Callable[[], tuple[socket.socket, "subprocess.Popen[bytes]"]]


class _Pool(UnixHTTPConnectionPool):
    def __init__(self, connect: _Connect, timeout: int) -> None:
        super().__init__("http+docker://ssh", "/ssh", timeout=timeout, maxsize=1)
        self._connect, self._seconds = connect, timeout

    def _new_conn(self) -> Any:
        return _Connection(self._connect, self._seconds)


class _Connection(UnixHTTPConnection):
    def __init__(self, connect: _Connect, timeout: int) -> None:
        super().__init__("http+docker://ssh", "/ssh", timeout=timeout)
        self._connect, self._seconds = connect, timeout
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        self.sock, self._process = self._connect()
        self.sock.settimeout(self._seconds)

    def close(self) -> None:
        super().close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def ssh_command(host: str, env: Mapping[str, str]) -> list[str]:
    """Return the command that connects to the engine at ``ssh://[user@]host[:port]``; it never asks for a password."""
    address = urlsplit(host)
    user = ["-l", address.username] if address.username else []
    port = ["-p", str(address.port)] if address.port else []
    program = shutil.which("ssh", path=env.get("PATH", "")) or "ssh"
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-T"]
    return [program, *options, *user, *port, "--", address.hostname or "", "docker", "system", "dial-stdio"]
