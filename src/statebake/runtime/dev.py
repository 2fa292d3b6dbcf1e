"""Development: state is fetched anew at each load, and the last good one serves while a fetch fails."""

from __future__ import annotations

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME, STATE_NAME, sanitize_key
from statebake.runtime.fetch import fetch
from statebake.runtime.state_files import is_present, state_dir_of, state_path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from statebake.model.record import Record
    from statebake.model.tree import TreeSummary
    from statebake.runtime.declarations import Declared

DEV_VARIABLE = "STATEBAKE_DEV"


def is_dev(environ: Mapping[str, str]) -> bool:
    """Return whether ``STATEBAKE_DEV`` is on (``1``, ``true``).

    Raises ``StatebakeError(BAD_SETTING)`` for a value that is neither on nor off.
    """
    value = environ.get(DEV_VARIABLE, "").strip().lower()
    if value in {"1", "true"}:
        return True
    if value in {"", "0", "false"}:
        return False
    raise StatebakeError(
        Code.BAD_SETTING,
        f"{DEV_VARIABLE} is {environ[DEV_VARIABLE]!r}; it is on with 1 and off with 0.",
        where=DEV_VARIABLE,
        next_step=f"export {DEV_VARIABLE}=1",
    )


def refresh(defs_dir: Path, users: Sequence[Declared]) -> None:
    """Fetch and commit the state of the key that ``users`` share, by the first of them that wants it.

    Does nothing when none wants it (``refresh_if_dev`` off). When the fetch fails, the last good state stays
    and a ``RuntimeWarning`` says so; where there is none, raises ``StatebakeError``, ``FETCH_RAISED`` for
    what the component raised.
    """
    fetcher = next((user for user in users if user.config.refresh_if_dev), None)
    if fetcher is None:
        return
    try:
        _fetch_and_commit(defs_dir, fetcher, users)
    except StatebakeError as error:
        if not is_present(state_path_of(defs_dir, fetcher.key)):
            raise
        import warnings

        warnings.warn_explicit(
            f"statebake: the last good state of {fetcher.key!r} serves, for a refresh failed: {error}",
            RuntimeWarning,
            filename=str(fetcher.file),
            lineno=fetcher.line,
        )


def fetch_or_raise(fetcher: Declared, state_path: Path) -> None:
    """Fetch to ``state_path`` and see that something came.

    Raises ``StatebakeError``: ``FETCH_RAISED``, ``FETCH_WROTE_NOTHING``, or what the component raised of its
    own.
    """
    try:
        fetch(fetcher.component, state_path)
    except StatebakeError:
        raise
    except (Exception, SystemExit) as error:
        raise StatebakeError(
            Code.FETCH_RAISED,
            f"Fetching the state of {fetcher.key!r} failed: {fetcher.type_name} raised {type(error).__name__}: {error}",
            where=fetcher.where,
            next_step="correct the component, or see to its source, and load again",
        ) from error
    if not is_present(state_path):
        raise _wrote_nothing(fetcher)


def _fetch_and_commit(defs_dir: Path, fetcher: Declared, users: Sequence[Declared]) -> None:
    from time import monotonic

    from statebake.model.transaction import open_staging

    with open_staging(state_dir_of(defs_dir)) as staging:
        staged = staging / sanitize_key(fetcher.key)
        started = monotonic()
        fetch_or_raise(fetcher, staged / STATE_NAME)
        _commit(defs_dir, staged, fetcher, users, round(monotonic() - started, 3))


def _commit(defs_dir: Path, staged: Path, fetcher: Declared, users: Sequence[Declared], duration_s: float) -> None:
    """Record what was fetched and swap it into place; the same rules as ``refresh.execute`` has.

    Raises ``StatebakeError``: ``FETCH_LEFT_FOREIGN``, ``FETCH_WROTE_NOTHING``, ``NEWER_FORMAT``, ``READ_ONLY``,
    ``COMMIT_FAILED``.
    """
    from datetime import datetime, timezone

    from statebake import __version__
    from statebake.model.record import ComponentRef, Record, dump_json
    from statebake.model.transaction import commit_key, replace_file

    summary = _validate(staged, fetcher)
    old = _old_record(state_path_of(defs_dir, fetcher.key).parent)
    same = old if old and old.digest == summary.digest else None
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    project = _project_dir(defs_dir)
    record = Record(
        key=fetcher.key,
        components=tuple(
            ComponentRef(type=user.type_name, declared_at=f"{user.file.relative_to(project).as_posix()}:{user.line}")
            for user in users
        ),
        management_type=fetcher.config.management_type,
        digest=summary.digest,
        files=summary.files,
        bytes=summary.bytes,
        # The same bytes must bake the same artifact, so only the confirmation is new.
        fetched_at=same.fetched_at if same else now,
        checked_at=now,
        duration_s=duration_s,
        origin="fetched",
        tool=same.tool if same else f"statebake {__version__}",
        host=same.host if same else f"native {__version__}",
        extra=old.extra if old else {},
    )
    replace_file(staged / RECORD_NAME, dump_json(record.to_json()), staged.parent)
    commit_key(state_dir_of(defs_dir), staged)


def _validate(staged: Path, fetcher: Declared) -> TreeSummary:
    from statebake.model.transaction import storage_error
    from statebake.model.tree import materialize_links, summarize_dir

    try:
        materialize_links(staged)
        summary = summarize_dir(staged)
    except StatebakeError as error:
        inside = (error.where or "").removeprefix(f"{staged}/")
        raise StatebakeError(
            Code.FETCH_LEFT_FOREIGN,
            f"The fetch of {fetcher.key!r} left {inside}: {error.message}",
            where=fetcher.where,
            next_step=error.next_step,
        ) from error
    except OSError as error:
        raise storage_error(error, staged) from error
    if summary.empty:
        raise _wrote_nothing(fetcher)
    return summary


def _old_record(key_dir: Path) -> Record | None:
    """Return the record that is there; one that cannot be read counts as none, a newer one raises."""
    from statebake.model.record import read_record

    try:
        return read_record(key_dir)
    except StatebakeError as error:
        if error.code is Code.NEWER_FORMAT:
            raise
        return None


def _wrote_nothing(fetcher: Declared) -> StatebakeError:
    return StatebakeError(
        Code.FETCH_WROTE_NOTHING,
        f"The fetch of {fetcher.key!r} by {fetcher.type_name} ended without an error and wrote no state.",
        where=fetcher.where,
        next_step="have write_state_to_path write to the path that it is given",
    )


def _project_dir(defs_dir: Path) -> Path:
    """Return the project that ``defs_dir`` is in: records name files relative to it."""
    marks = ("pyproject.toml", "statebake.toml")
    return next((parent for parent in defs_dir.parents if any((parent / mark).is_file() for mark in marks)), defs_dir)
