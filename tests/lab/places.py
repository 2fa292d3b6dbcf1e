"""Where the lab keeps things."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """The lab cannot do what it was asked, and why; for a person to read."""


def cache() -> Path:
    """Return the directory of what outlives a daemon: packages, the base image, the daemons' data."""
    return Path(os.environ.get("STATEBAKE_ENGINE_CACHE") or REPO / ".cache/engine").absolute()


def running() -> Path:
    """Return the directory of what lives as long as a daemon. It is short: a socket's path has at most 108 bytes."""
    return Path("/run/statebake-lab", hashlib.sha256(bytes(cache())).hexdigest()[:8])


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out of what is done under this lock file; a process that dies lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    """Write a file whole or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)
    return path
