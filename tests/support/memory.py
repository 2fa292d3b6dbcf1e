"""Limiting the memory of a process and of all that it starts."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited_to(megabytes: int) -> Iterator[list[str]]:
    """Give the words to put before a command: a memory control group where one can be made, else an address space."""
    group = _make_group(megabytes << 20)
    if group is None:
        yield ["sh", "-c", f'ulimit -v {megabytes << 10}; exec "$@"', "sh"]
        return
    try:
        yield ["sh", "-c", f'echo $$ > "{group}/cgroup.procs"; exec "$@"', "sh"]
    finally:
        for _ in range(100):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.05)


def _make_group(limit: int) -> Path | None:
    own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
    for root, path, file in (
        (_V1, own.get("memory"), "memory.limit_in_bytes"),
        (_V2, own.get(""), "memory.max"),
    ):
        group = root / (path or "").lstrip("/") / f"statebake-test-{uuid.uuid4().hex[:8]}"
        if path is None or not os.access(group.parent, os.W_OK):
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
        except OSError:  # this controller is not on here
            group.rmdir()
            continue
        return group
    return None
