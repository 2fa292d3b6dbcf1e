"""What a load does: which keys' state it opens, and where it tries to fetch from, which is refused.

Python's audit hook (PEP 578) sees what Python code does and can name the line that does it; it does not see compiled
extensions and other programs. Opened files are seen by inotify(7) as well, whoever opens them, where the system has it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATE_DIR = ".local_defs_state"
_OWN_FILES = (".statebake.json",)
_IN_OPEN, _IN_ISDIR, _IN_NONBLOCK = 0x20, 0x40000000, 0o4000
_EVENT = struct.Struct("iIII")
_OS_AUDIT = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}
# The C library asks these for users and hosts by itself (nsswitch.conf(5)), and gives them lines for the log.
_LOG = "/dev/log"
_DAEMONS = ("avahi-daemon", "nscd", "nslcd", "samba/winbindd")
_SYSTEMD = ("journal", "machine", "resolve", "userdb")
_RUNNING = (*_DAEMONS, *(f"systemd/{name}" for name in _SYSTEMD))
_NO_FETCH = (*(f"{run}/{name}/" for run in ("/run", "/var/run") for name in _RUNNING), "/var/lib/sss/")
_LOOKUPS = {"socket.getaddrinfo", "socket.gethostbyname"}


class Watch:
    """Watches this process from now on; hooks cannot be taken back.

    Attributes:
        opened: the directory names of the keys whose state was opened.
    """

    def __init__(self, say: Callable[..., None], stack_line: Callable[[], str | None]) -> None:
        self.opened: set[str] = set()
        self._say, self._stack_line = say, stack_line
        self._own_name = socket.gethostname()
        self._own_files = plain_path(os.environ.get("TMPDIR", "/tmp"), Path("/"))  # noqa: S108
        self._busy = threading.local()
        self._inotify: int | None = None
        self._watched: dict[int, str] = {}
        sys.addaudithook(self._hook)

    def watch_files(self, state_dir: Path) -> None:
        """Have the system tell who opens anything in the key directories of ``state_dir``."""
        if not sys.platform.startswith("linux"):
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(_IN_NONBLOCK)
        if self._inotify == -1:
            self._inotify = None
            return
        for directory, _, _ in os.walk(state_dir):
            parts = Path(directory).relative_to(state_dir).parts
            if parts and (number := libc.inotify_add_watch(self._inotify, os.fsencode(directory), _IN_OPEN)) != -1:
                self._watched[number] = parts[0]

    def collect(self) -> set[str]:
        """Return ``opened``, with what the system told since."""
        if self._inotify is not None:
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self._inotify, 1 << 16):
                    self._take(data)
        return self.opened

    def _take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if number in self._watched and not mask & _IN_ISDIR and os.fsdecode(name) not in _OWN_FILES:
                self.opened.add(self._watched[number])

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            self._note_opened(arguments[0])
        elif event in _OS_AUDIT:
            self._refuse(arguments[_OS_AUDIT[event]])
        elif event in _LOOKUPS:
            self._refuse_lookup(arguments)

    def _note_opened(self, path: object) -> None:
        if not isinstance(path, str | bytes):
            return
        text = os.fsdecode(path)
        if _STATE_DIR not in text:
            return
        parts = Path(text).parts
        inside = parts[parts.index(_STATE_DIR) + 1 :] if _STATE_DIR in parts else ()
        if len(inside) > 1 and inside[-1] not in _OWN_FILES:
            self.opened.add(inside[0])

    def _refuse(self, address: object) -> None:
        """Refuse a connection. An address is a pair or longer, a path, or ``None`` for one that is connected."""
        if isinstance(address, tuple) and len(address) >= 2 and isinstance(address[1], int):
            self._told(_text(address[0]), address[1])
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        if isinstance(address, str | bytes):
            path = os.fsencode(address)
            if path[:1] not in {b"", b"\0"}:  # without a path it is in the namespace
                where = plain_path(os.fsdecode(path), _directory())
                if leads_out(where, self._own_files):
                    self._told(f"unix:{where}", None)
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    def _refuse_lookup(self, arguments: tuple[Any, ...]) -> None:
        host = _text(arguments[0])
        if host in {"", "None", "localhost", self._own_name}:
            return
        port = arguments[1] if len(arguments) > 1 else None
        number = int(port) if isinstance(port, int) or (isinstance(port, str) and port.isdecimal()) else None
        self._told(host, number)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def _told(self, host: str, port: int | None) -> None:
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            self._say(event="attempt", host=host, port=port, program=None, line=self._stack_line())
        finally:
            self._busy.now = False


def leads_out(path: str, own_files: str) -> bool:
    """Return whether a connection to a socket is an attempt to fetch; ``path`` is absolute and has no ``..``.

    It is none to what the load has itself, in ``own_files``, where alone it can write.
    """
    return path != _LOG and not path.startswith((*_NO_FETCH, f"{own_files}/"))


def plain_path(path: str, directory: Path) -> str:
    """Return a path, which may be relative to ``directory``, without dots and with single slashes."""
    return "/" + os.path.normpath(directory / path).lstrip("/")


def _directory() -> Path:
    with contextlib.suppress(OSError):  # somebody has removed it
        return Path.cwd()
    return Path("/")


def _text(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)
