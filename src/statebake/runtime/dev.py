"""Development: state is fetched anew at each load, and the last good one serves while a fetch fails."""

from __future__ import annotations

from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_NAME, sanitize_key
from statebake.runtime.fetch import fetch
from statebake.runtime.state_files import is_present, state_dir_of, state_path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

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
    from datetime import datetime, timezone

    from statebake import __version__
    from statebake.model.record import ComponentRef
    from statebake.model.settle import Fetched, settle

    project = _project_dir(defs_dir)
    others = [user for user in users if user is not fetcher]
    fetched = Fetched(
        key=fetcher.key,
        components=tuple(
            ComponentRef(type=user.type_name, declared_at=f"{user.file.relative_to(project).as_posix()}:{user.line}")
            for user in (fetcher, *others)
        ),
        where=fetcher.where,
        management_type=fetcher.config.management_type,
        at=datetime.now(timezone.utc),
        duration_s=duration_s,
        tool=f"statebake {__version__}",
        host=f"native {__version__}",
    )
    settle(fetched, state_dir_of(defs_dir), staged)


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
