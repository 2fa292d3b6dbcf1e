"""State that no component uses: finding it, and deciding what of it may go."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.check.snapshot import unreadable
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Discovery
from statebake.model.keys import STAGING_NAME, key_problem, sanitize_key
from statebake.model.record import Record, read_record
from statebake.model.tree import list_files


@dataclass(frozen=True)
class Leftover:
    """A key directory that no component uses.

    Attributes:
        path: where it is.
        record: what statebake knows of it; ``None`` where something else wrote it, or its record cannot be read.
        files: how many it has; ``None`` where it cannot be read.
        bytes: how many those have.
        is_link: it is a symbolic link.
    """

    path: Path
    record: Record | None
    files: int | None
    bytes: int | None
    is_link: bool = False


@dataclass(frozen=True)
class KeptLeftover:
    """A leftover that stays, and why."""

    leftover: Leftover
    why: str


@dataclass(frozen=True)
class CollectionPlan:
    """What is removed, and what stays although no component uses it."""

    remove: tuple[Leftover, ...]
    keep: tuple[KeptLeftover, ...]

    @property
    def bytes(self) -> int:
        """How much is freed, as far as that is known."""
        return sum(leftover.bytes or 0 for leftover in self.remove)


def read_leftovers(state_dir: Path, keys: Iterable[str]) -> list[Leftover]:
    """Return the key directories of ``state_dir`` that are those of none of ``keys``; reads no state, writes nothing.

    A directory that a key has under another name, as where case does not count, is not one of them. Raises
    ``StatebakeError`` (``FOREIGN_FILE``) where the directory itself cannot be read.
    """
    known = list(keys)
    names = {sanitize_key(key) for key in known}
    try:
        entries = sorted(os.scandir(state_dir), key=lambda entry: entry.name) if state_dir.is_dir() else []
        places = {_place(state_dir / sanitize_key(key)) for key in known if not key_problem(key)}
    except OSError as error:
        raise unreadable(error, state_dir) from error
    return [
        _read_leftover(Path(entry.path), is_link=entry.is_symlink())
        for entry in entries
        if entry.is_dir() and entry.name not in {STAGING_NAME, *names} and _place(Path(entry.path)) not in places
    ]


def plan_collection(discovery: Discovery, leftovers: Sequence[Leftover], *, unrecorded: bool) -> CollectionPlan:
    """Return what of ``leftovers`` is to be removed.

    What statebake did not write is removed only where ``unrecorded`` says so: nobody knows whether it can be fetched
    again. Raises ``StatebakeError`` where a leftover may be in use nevertheless: ``UNKNOWN_COMPONENT_KEY`` for a
    component that cannot be loaded, ``NO_COMPONENTS`` where there is none at all.
    """
    if leftovers and discovery.failures:
        failure = discovery.failures[0]
        more = f" (and {len(discovery.failures) - 1} more)" if len(discovery.failures) > 1 else ""
        raise StatebakeError(
            Code.UNKNOWN_COMPONENT_KEY,
            f"Nothing was removed: a component cannot be loaded{more}, and state that seems unused may be its own. "
            f"{failure.error.message}",
            where=failure.declared_at,
            next_step=failure.error.next_step,
        )
    if leftovers and not discovery.components:
        raise StatebakeError(
            Code.NO_COMPONENTS,
            "Nothing was removed: there are no state-backed components in this project, so all of its state would go.",
            where=str(discovery.defs_dir),
            next_step="look whether this is the right module: statebake config",
        )
    remove, keep = [], []
    for leftover in leftovers:
        if leftover.is_link:
            keep.append(KeptLeftover(leftover, "it is a symbolic link, which statebake never makes"))
        elif leftover.record is None and leftover.files != 0 and not unrecorded:
            keep.append(KeptLeftover(leftover, "it has no record of statebake; --unrecorded removes it as well"))
        else:
            remove.append(leftover)
    return CollectionPlan(tuple(remove), tuple(keep))


def _place(path: Path) -> tuple[int, int] | None:
    """Return what a directory is, whatever it is called; ``None`` where there is none."""
    with contextlib.suppress(FileNotFoundError):
        status = path.lstat()
        return status.st_dev, status.st_ino
    return None


def _read_leftover(path: Path, *, is_link: bool) -> Leftover:
    if is_link:
        return Leftover(path, None, None, None, is_link=True)
    record = files = None
    with contextlib.suppress(StatebakeError):
        record = read_record(path)
    try:
        files = list_files(path)
    except (StatebakeError, OSError):
        return Leftover(path, record, None, None)
    return Leftover(path, record, len(files), sum(file.size for file in files))
