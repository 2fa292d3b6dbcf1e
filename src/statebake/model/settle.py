"""From what a fetch left in staging to a key's state: validate, digest, record, commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME
from statebake.model.normalize import normalize
from statebake.model.record import ComponentRef, Record, dump_json, read_record
from statebake.model.state_config import DefsStateManagementType
from statebake.model.transaction import commit_key, replace_file, storage_error
from statebake.model.tree import TreeSummary, summarize_dir


@dataclass(frozen=True)
class Fetched:
    """A fetch that has returned: whose, by which component, when (UTC), for how long, with what.

    ``components`` are all that use the key; the first of them fetched. ``where`` is what errors point at.
    """

    key: str
    components: tuple[ComponentRef, ...]
    where: str
    management_type: DefsStateManagementType
    at: datetime
    duration_s: float
    tool: str
    host: str


@dataclass(frozen=True)
class Settled:
    """The record of the state that is there now, and whether the state is another one than before."""

    record: Record
    changed: bool


def settle(fetched: Fetched, state_dir: Path, staged: Path, check: Callable[[], None] = lambda: None) -> Settled:
    """Make what is in ``staged`` (``<staging>/<sanitized key>``) the state of its key, if it is valid.

    ``check`` is called when ``staged`` is known to be state, and refuses it by raising.

    The same bytes as before are not written again: only the record's confirmation is new, so that an artifact does not
    change. Raises ``StatebakeError``: ``FETCH_WROTE_NOTHING``, ``FETCH_LEFT_FOREIGN``, ``NEWER_FORMAT`` (of the old
    record), ``COMMIT_FAILED``, ``READ_ONLY``, and what ``check`` raises. The old state is then unchanged.
    """
    place = state_dir / staged.name
    summary = _validate(fetched, staged)
    check()
    old = _old_record(place)
    same = old if old is not None and old.digest == summary.digest else None
    time = fetched.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    record = Record(
        key=fetched.key,
        components=fetched.components,
        management_type=fetched.management_type,
        digest=summary.digest,
        files=summary.files,
        bytes=summary.bytes,
        fetched_at=same.fetched_at if same else time,
        checked_at=time,
        duration_s=fetched.duration_s,
        origin="fetched",
        tool=same.tool if same else fetched.tool,
        host=same.host if same else fetched.host,
        extra=old.extra if old else {},
    )
    text = dump_json(record.to_json())
    if same and _is_on_disk(place, summary):
        replace_file(place / RECORD_NAME, text, staged.parent)
        return Settled(record, changed=False)
    replace_file(staged / RECORD_NAME, text, staged.parent)
    commit_key(state_dir, staged)
    return Settled(record, changed=True)


def _validate(fetched: Fetched, staged: Path) -> TreeSummary:
    if staged.is_symlink():
        raise StatebakeError(
            Code.FETCH_LEFT_FOREIGN,
            f"The fetch of {fetched.key!r} put a symbolic link in place of the directory that it was to write to.",
            where=fetched.where,
            next_step="have the component write regular files and directories only",
        )
    if not staged.is_dir():
        raise _wrote_nothing(fetched, "it removed the directory that it was to write to")
    try:
        summary = summarize_dir(staged, normalize(staged))
    except StatebakeError as error:
        inside = (error.where or "").removeprefix(f"{staged}/")
        raise StatebakeError(
            Code.FETCH_LEFT_FOREIGN,
            f"The fetch of {fetched.key!r} left {inside}: {error.message[0].lower()}{error.message[1:]}",
            where=fetched.where,
            next_step=error.next_step,
        ) from error
    except OSError as error:
        raise storage_error(error, staged) from error
    if summary.empty:
        raise _wrote_nothing(fetched, summary.empty)
    return summary


def _wrote_nothing(fetched: Fetched, why: str) -> StatebakeError:
    return StatebakeError(
        Code.FETCH_WROTE_NOTHING,
        f"The fetch of {fetched.key!r} returned without an error and wrote no state: {why}.",
        where=fetched.where,
        next_step=f"have {fetched.components[0].type}.write_state_to_path write to the path that it is given",
    )


def _old_record(place: Path) -> Record | None:
    """Return the record of the state that is there; one that cannot be read counts as none, a newer one raises."""
    try:
        return read_record(place)
    except StatebakeError as error:
        if error.code is Code.NEWER_FORMAT:
            raise
        return None


def _is_on_disk(place: Path, summary: TreeSummary) -> bool:
    try:
        return summarize_dir(place).digest == summary.digest
    except (StatebakeError, OSError):
        return False
