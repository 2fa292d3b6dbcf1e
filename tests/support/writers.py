"""Writers of state: statebake's own, and unsafe ones, which a test of a fault must catch or it proves nothing.

Each brings every key directory of a state directory to what a source directory has under the same name. As a program:
``writers.py WRITER STATE_DIR SOURCE [LOG]``; LOG gets the name of every key that is through. Exit code 4: the writer
said that it failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from statebake.errors import StatebakeError
from statebake.model.record import ComponentRef
from statebake.model.settle import Fetched, settle
from statebake.model.state_config import DefsStateManagementType
from statebake.model.transaction import fsync_tree, open_staging

STOPS = "TEST_STOPS"
"""With this variable set, the program stops itself where it begins to write, so that strace can be attached."""

Through = Callable[[str], object]


def settled(state_dir: Path, source: Path, through: Through = lambda _: None) -> None:
    """What a refresh does once it has fetched: statebake's own transaction."""
    with open_staging(state_dir) as staging:
        for key_dir in sorted(source.iterdir()):
            staged = staging / key_dir.name
            shutil.copytree(key_dir, staged)
            settle(_fetched(key_dir.name), state_dir, staged)
            through(key_dir.name)


def in_place(state_dir: Path, source: Path, through: Through = lambda _: None) -> None:
    """Unsafe: removes the old state and writes the new one in its place, as Dagster does."""
    for key_dir in sorted(source.iterdir()):
        shutil.rmtree(state_dir / key_dir.name, ignore_errors=True)
        shutil.copytree(key_dir, state_dir / key_dir.name)
        through(key_dir.name)


def removed_first(state_dir: Path, source: Path, through: Through = lambda _: None) -> None:
    """Unsafe: writes into staging, durably, but removes the old state before the new one takes its place."""
    with open_staging(state_dir) as staging:
        for key_dir in sorted(source.iterdir()):
            shutil.copytree(key_dir, staging / key_dir.name)
            fsync_tree(staging / key_dir.name)
            shutil.rmtree(state_dir / key_dir.name, ignore_errors=True)
            (staging / key_dir.name).rename(state_dir / key_dir.name)
            through(key_dir.name)


def file_by_file(state_dir: Path, source: Path, through: Through = lambda _: None) -> None:
    """Unsafe: replaces each file by a durable rename, but not the key as a whole."""
    for key_dir in sorted(source.iterdir()):
        for file in sorted(path for path in key_dir.rglob("*") if path.is_file()):
            place = state_dir / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            scratch = place.with_name(f"{place.name}~")
            with scratch.open("wb") as stream:
                stream.write(file.read_bytes())
                stream.flush()
                os.fsync(stream.fileno())
            scratch.replace(place)
        through(key_dir.name)


def never_synced(state_dir: Path, source: Path, through: Through = lambda _: None) -> None:
    """Unsafe: statebake's own transaction without a single fsync."""
    from unittest import mock  # as long to import as all else: a sweep starts this program hundreds of times

    with mock.patch("os.fsync", return_value=None):
        settled(state_dir, source, through)


WRITERS = {writer.__name__: writer for writer in (settled, in_place, removed_first, file_by_file, never_synced)}


def write_version(root: Path, version: str, *, keys: int, files: int, lines: int = 200) -> Path:
    """Write a source directory in which every file says of which version it is, and return it."""
    for key in range(keys):
        state = root / f"Text__{key}__" / "state"
        state.mkdir(parents=True)
        for number in range(files):
            (state / f"{number}.txt").write_text(f"{version} {number} {key}\n" * lines)
        (state.parent / "beside").write_text(version)
    return root


def command(writer: Callable[..., None], state_dir: Path, source: Path, *log: Path) -> list[str | Path]:
    """Return the command that runs a writer in a process of its own."""
    return [sys.executable, __file__, writer.__name__, state_dir, source, *log]


def _fetched(name: str) -> Fetched:
    return Fetched(
        key=name,
        components=(ComponentRef("shop.components.Text", "defs.yaml:1"),),
        where="defs.yaml:1",
        management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
        at=datetime.now(timezone.utc),
        duration_s=0.0,
        tool="statebake 0",
        host="native 0",
    )


def _main(name: str, state_dir: str, source: str, log: str = os.devnull) -> int:
    through = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(key: str) -> None:
        if log != os.devnull:
            os.write(through, f"{key}\n".encode())

    if STOPS in os.environ:
        with tempfile.TemporaryDirectory() as scratch:  # so that what is left to import is imported
            WRITERS[name](Path(scratch), Path(source))
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        WRITERS[name](Path(state_dir), Path(source), note)
    except (StatebakeError, OSError) as error:
        print(error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    os._exit(_main(*sys.argv[1:]))
