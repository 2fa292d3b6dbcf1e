"""Reading a state directory as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.model.keys import IGNORE_NAME, STAGING_NAME
from statebake.model.record import Record, read_record
from statebake.model.settle import parse_time
from statebake.model.tree import TreeSummary, list_files, summarize_dir


@dataclass(frozen=True)
class KeyDir:
    """One key directory: its content and its record, or why they cannot be read."""

    name: str
    path: Path
    summary: TreeSummary | None
    record: Record | None
    content_error: StatebakeError | None = None
    record_error: StatebakeError | None = None


@dataclass(frozen=True)
class Snapshot:
    """A state directory: whether it is there, whether it has its ignore file, and its key directories by name."""

    state_dir: Path
    exists: bool
    has_ignore_file: bool
    key_dirs: Mapping[str, KeyDir]


def read_snapshot(state_dir: Path) -> Snapshot:
    """Return what is in ``state_dir``, every file digested. Writes nothing; what is wrong with a key is a value.

    Raises ``StatebakeError`` (``FOREIGN_FILE``) where the directory itself cannot be read.
    """
    try:
        names = sorted(path.name for path in state_dir.iterdir() if path.is_dir()) if state_dir.is_dir() else []
    except OSError as error:
        raise unreadable(error, state_dir) from error
    real = os.path.realpath(state_dir)
    return Snapshot(
        state_dir=state_dir,
        exists=state_dir.is_dir(),
        has_ignore_file=(state_dir / IGNORE_NAME).is_file(),
        key_dirs={name: _read_key_dir(state_dir / name, real) for name in names if name != STAGING_NAME},
    )


def sound_ages(snapshot: Snapshot, now: datetime) -> dict[str, float]:
    """Return, for every key whose content is what its record says, the seconds since a fetch last confirmed it."""
    ages = {}
    for found in snapshot.key_dirs.values():
        record, summary = found.record, found.summary
        if record is None or summary is None or summary.empty or summary.digest != record.digest:
            continue
        if confirmed := record.checked_at or record.fetched_at:
            ages[record.key] = (now - parse_time(confirmed)).total_seconds()
    return ages


def _read_key_dir(path: Path, real_parent: str) -> KeyDir:
    summary = record = content_error = record_error = None
    try:
        files = list_files(path, None if path.is_symlink() else f"{real_parent}/{path.name}")
        summary = summarize_dir(path, files)
    except StatebakeError as error:
        content_error = error
    except OSError as error:
        content_error = unreadable(error, path)
    try:
        record = read_record(path)
    except StatebakeError as error:
        record_error = error
    return KeyDir(path.name, path, summary, record, content_error, record_error)


def unreadable(error: OSError, path: Path) -> StatebakeError:
    """Return the error for state that the system does not let be read, ``path`` where it does not say which."""
    return StatebakeError(
        Code.FOREIGN_FILE,
        f"The state cannot be read: {error.strerror}.",
        where=str(error.filename or path),
        next_step="make it readable",
    )
