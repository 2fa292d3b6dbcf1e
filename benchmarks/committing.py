"""What it costs to commit many keys durably, with the calls that a refresh makes, and what the disk alone asks."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

from statebake.model.record import ComponentRef
from statebake.model.settle import Fetched, settle
from statebake.model.state_config import DefsStateManagementType
from statebake.model.transaction import open_staging
from statebake.refresh.one_key import COMMITS


def commit_keys(state_dir: Path, staged: list[Path]) -> None:
    """Settle the staged key directories in threads, as ``statebake.refresh.execute`` does."""
    with ThreadPoolExecutor(COMMITS) as pool:
        list(pool.map(lambda directory: settle(_fetched(directory.name), state_dir, directory), staged))


def commit_seconds(directory: Path, count: int, size: int, *, over: bool) -> float:
    """Return the seconds for ``count`` keys of ``size`` bytes, fsync included; ``over``: each replaces older state."""
    state_dir = directory / ".local_defs_state"
    if not over:
        shutil.rmtree(state_dir, ignore_errors=True)
    with open_staging(state_dir) as staging:
        staged = _stage(staging, count, size)
        begin = time.perf_counter()
        commit_keys(state_dir, staged)
        return time.perf_counter() - begin


def naive_seconds(directory: Path, count: int, size: int) -> float:
    """Return the seconds of an fsync of each of the same files, one after another, and of nothing else."""
    root = directory / "naive"
    root.mkdir()
    try:
        states = [path / "state" for path in _stage(root, count, size)]
        begin = time.perf_counter()
        for path in states:
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        return time.perf_counter() - begin
    finally:
        shutil.rmtree(root)


def _stage(staging: Path, count: int, size: int) -> list[Path]:
    staged = [staging / f"Slow__n{number:04}__" for number in range(count)]
    for directory in staged:
        directory.mkdir()
        (directory / "state").write_bytes(os.urandom(size))
    return staged


def _fetched(name: str) -> Fetched:
    return Fetched(
        key=name,
        components=(ComponentRef("bench.components.Slow", "src/bench/defs/defs.yaml:1"),),
        where="src/bench/defs/defs.yaml:1",
        management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
        at=datetime.now(timezone.utc),
        duration_s=0.5,
        tool="statebake benchmark",
        host="native benchmark",
    )
