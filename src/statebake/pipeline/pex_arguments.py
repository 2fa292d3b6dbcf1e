"""The options for ``pex``, with those that are in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from statebake.config import Kind
from statebake.config.pex_options import with_files
from statebake.config.values import MisplacedError, mask, parse
from statebake.errors import Code, StatebakeError


def read_pex_args(arguments: Sequence[str], directory: Path) -> tuple[str, ...]:
    """Return ``arguments`` with what a file of options, ``@FILE``, holds in its place: one argument a line.

    pex reads such a file too, but takes it for the value of an option before it, and has every option that the file
    does not name forget what was said. Paths are relative to ``directory``. Raises ``StatebakeError``
    (``BAD_SETTING``) for a file that cannot be read, or that holds what may not be among the arguments themselves.
    """
    read: list[str] = []

    def lines_of(name: str) -> list[str]:
        read.append(f"@{name}")
        return _lines(directory / name, name)

    found = with_files(arguments, lines_of)
    if not read:
        return tuple(found)
    try:
        parse(Kind.PEX_OPTIONS, found, directory)
    except ValueError as error:
        misplaced = error if isinstance(error, MisplacedError) else None
        raise _refused(
            ", ".join(read),
            f"pex.args with what is in {', '.join(read)} is no list of options of pex"
            f"{f': {misplaced}' if misplaced else ''}.",
            misplaced.next_step if misplaced else "put one argument on each line",
        ) from error
    return tuple(found)


def _lines(path: Path, name: str) -> list[str]:
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no text in UTF-8"
        raise _refused(
            f"@{name}",
            f"The file of options {path} cannot be read: {why}.",
            "correct its path, which is taken from the project's directory",
        ) from error
    if more := next((line for line in lines if line.startswith("@")), None):
        raise _refused(
            f"@{name}",
            f"A file of options names another one: {mask(more)}.",
            "name each of them in pex.args itself",
        )
    return lines


def _refused(argument: str, message: str, next_step: str) -> StatebakeError:
    return StatebakeError(Code.BAD_SETTING, message, where=f"pex.args: {argument}", next_step=next_step)
