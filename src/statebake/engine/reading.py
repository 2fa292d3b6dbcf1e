"""Whose containers are whose: those that are made to read an image, and that a killed run may leave behind."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

READER_LABEL = "io.statebake.reader"
_OLD_S = 24 * 3600


def reader_name() -> str:
    """Return what names this process among all of this machine's, and of other machines that use the same engine."""
    return f"{platform.node()} {os.getpid()} {_started(os.getpid())}"


def is_left_over(reader: str, created: float) -> bool:
    """Return whether whoever made a container is gone: its process here is, or a day has passed.

    ``reader`` is what ``reader_name`` returned then, ``created`` seconds of the Unix epoch.
    """
    node, _, process = reader.rpartition(" ")[0].rpartition(" ")
    if node == platform.node() and process.isdigit():
        return _started(int(process)) != reader.rpartition(" ")[2]
    return time.time() - created > _OLD_S


def _started(process: int) -> str:
    """Return when a process of this machine started, in ticks since the machine did; ``-`` where that is not told."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except OSError:
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "-"
