"""Removing key directories so that every one is there as a whole, or not at all."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from statebake.model.keys import RECORD_NAME
from statebake.model.transaction import fsync_dir, remove_tree, storage_error


def discard_keys(state_dir: Path, names: Sequence[str], staging: Path) -> None:
    """Take the key directories called ``names`` out of the state, durably, and remove them.

    They are moved into ``staging`` first; what a killed process leaves there, the next start removes. Where a directory
    cannot be moved (in the lower layer of an overlay), its record goes last: what is left of it says what it was.
    Raises ``StatebakeError`` (``COMMIT_FAILED``, ``READ_ONLY``); what was not reached is as it was.
    """
    try:
        try:
            for name in names:
                _take_out(state_dir / name, staging)
        finally:
            fsync_dir(staging)
            fsync_dir(state_dir)
    except OSError as error:
        raise storage_error(error, state_dir) from error
    finally:
        for name in names:
            if (staging / name).exists():
                remove_tree(staging / name)


def _take_out(place: Path, staging: Path) -> None:
    try:
        place.rename(staging / place.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove_in_place(place)


def _remove_in_place(place: Path) -> None:
    for entry in list(place.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(entry)
        elif entry.name != RECORD_NAME:
            entry.unlink()
    (place / RECORD_NAME).unlink(missing_ok=True)
    place.rmdir()
