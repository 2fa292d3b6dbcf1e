"""Writing the changes of a plan: each file as a whole, and none before all of them can be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from statebake.bake.files import replace_file
from statebake.errors import Code, StatebakeError
from statebake.setup.facts import read_exact
from statebake.setup.plan import Change

_NOTHING = "Nothing was written."


def write_changes(changes: Sequence[Change]) -> tuple[Path, ...]:
    """Write ``changes``, and return the files.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``), which says what was written: nothing, where a file is not any more as
    it was read, or is read-only.
    """
    for change in changes:
        _must_be_writable(change)
    written: list[Path] = []
    for change in changes:
        try:
            change.path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(change.path, change.new.encode("utf-8", "surrogateescape"))
        except OSError as error:
            done = f"Written: {', '.join(path.name for path in written)}." if written else _NOTHING
            raise _failed(change.path, f"cannot be written: {error.strerror or error}", done) from error
        written.append(change.path)
    return tuple(written)


def _must_be_writable(change: Change) -> None:
    path = change.path
    if read_exact(path) != change.old:
        raise _failed(path, "is not any more as it was read", _NOTHING)
    if change.old is not None and not path.stat().st_mode & 0o222:
        raise _failed(path, "is read-only", _NOTHING)
    above = next(place for place in path.parents if place.exists())
    if not above.is_dir():
        raise _failed(path, f"cannot be written: {above.name} is no directory", _NOTHING)


def _failed(path: Path, problem: str, done: str) -> StatebakeError:
    return StatebakeError(
        Code.OUTPUT_FAILED,
        f"{path.name} {problem}. {done}",
        where=str(path),
        next_step="mend that, and run `statebake init` again",
    )
