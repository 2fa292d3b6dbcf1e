"""From what a fetch left in staging to a key's state: validate, digest, record, commit."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME
from statebake.model.normalize import normalize
from statebake.model.record import ComponentRef, Record, Stale, dump_json, read_record
from statebake.model.state_config import DefsStateManagementType
from statebake.model.transaction import commit_keys, replace_file, storage_error
from statebake.model.tree import TreeFile, TreeSummary, go_on, read_each, summarize_dir

_Read = Callable[[Sequence[TreeFile]], Iterable[str]]


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
class Prepared:
    """State that was fetched, is valid, and can become the state of its key.

    Attributes:
        record: the record that it will have.
        staged: where it is, ``<staging>/<sanitized key>``.
        old: the record of the state that is there now, where it can be read.
        changed: whether it is another state than what is there now.
    """

    record: Record
    staged: Path
    old: Record | None
    changed: bool


def prepare(
    fetched: Fetched,
    state_dir: Path,
    staged: Path,
    check: Callable[[bool], None] = lambda _: None,
    read: _Read = read_each,
    *,
    read_old: _Read = read_each,
) -> Prepared:
    """Validate and digest what is in ``staged``, and write its record.

    ``read`` reads each file, once, and returns the SHA-256 of each in hexadecimal; ``read_old`` does it with the state
    that is there. ``check`` is called when ``staged`` is known to be state, with whether it is another state than the
    record tells of, and refuses it by raising. Raises ``StatebakeError``: ``FETCH_WROTE_NOTHING``,
    ``FETCH_LEFT_FOREIGN``, ``NEWER_FORMAT`` (of the old record), ``COMMIT_FAILED``, ``READ_ONLY``, and what ``check``
    raises. The state is as it was, then and otherwise.
    """
    place = state_dir / staged.name
    summary = _validate(fetched, staged, read)
    old = _old_record(place)
    same = old if old is not None and old.digest == summary.digest else None
    check(same is None)
    time = rfc3339(fetched.at)
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
    changed = not (same and _is_on_disk(place, summary, read_old))
    if changed:
        try:  # made durable with the rest of the directory, when it is committed
            (staged / RECORD_NAME).write_text(dump_json(record.to_json()), encoding="utf-8")
        except OSError as error:
            raise storage_error(error, staged) from error
    return Prepared(record, staged, old, changed)


def commit(prepared: Sequence[Prepared], state_dir: Path, pulse: Callable[[], None] = go_on) -> None:
    """Make prepared states the states of their keys: all of them or, where one cannot be, none.

    The same bytes as before are not written again: only the record's confirmation is new, so that an artifact does not
    change. Confirmations come first, for they change no state where a swap fails. ``pulse`` ends this by raising, as
    long as no state is in place. Raises ``StatebakeError`` (``COMMIT_FAILED``, ``READ_ONLY``); the old states are then
    unchanged.
    """
    for one in prepared:
        if not one.changed:
            place = state_dir / one.staged.name
            replace_file(place / RECORD_NAME, dump_json(one.record.to_json()), one.staged.parent)
    commit_keys(state_dir, [one.staged for one in prepared if one.changed], pulse)


def settle(fetched: Fetched, state_dir: Path, staged: Path) -> Prepared:
    """Make what is in ``staged`` the state of its key, if it is valid; raises as ``prepare`` and ``commit`` do."""
    prepared = prepare(fetched, state_dir, staged)
    commit([prepared], state_dir)
    return prepared


def keep_stale(record: Record, stale: Stale, place: Path, staging: Path, read: _Read = read_each) -> Record:
    """Write down that the state in ``place`` is older than was wanted, and return its record now.

    Raises ``StatebakeError``: ``DIGEST_MISMATCH`` where it is not what its ``record`` says, ``COMMIT_FAILED``,
    ``READ_ONLY``.
    """
    if summarize_dir(place, read=read).digest != record.digest:
        raise StatebakeError(
            Code.DIGEST_MISMATCH,
            f"The state of {record.key!r} was changed since it was fetched, so it cannot be kept instead of a new one.",
            where=str(place),
            next_step=f"statebake refresh --key {shlex.quote(record.key)}",
        )
    kept = replace(record, origin="kept-stale", stale=stale)
    replace_file(place / RECORD_NAME, dump_json(kept.to_json()), staging)
    return kept


def rfc3339(time: datetime) -> str:
    """Return a time (UTC) as records have it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Return the time that an RFC 3339 text of a record says (Python 3.10 does not know the ``Z``)."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _validate(fetched: Fetched, staged: Path, read: _Read) -> TreeSummary:
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
        summary = summarize_dir(staged, normalize(staged), read)
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


def _is_on_disk(place: Path, summary: TreeSummary, read: _Read) -> bool:
    try:
        return summarize_dir(place, read=read).digest == summary.digest
    except (StatebakeError, OSError):
        return False
