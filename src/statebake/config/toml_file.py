"""A TOML file together with the lines of its keys, so that every error can say ``file:line``."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_HEADER = re.compile(r"""\s*\[\[?\s*((?:"[^"]*"|'[^']*'|[^\[\]"'])+?)\s*\]\]?\s*(?:#.*)?""")
_ASSIGNMENT = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w.\- ])+?)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w\-]+))\s*(?:\.|$)""")


@dataclass(frozen=True)
class TomlFile:
    """A parsed file.

    Attributes:
        path: where it is.
        data: what it says.
        text: its source.
    """

    path: Path
    data: Mapping[str, Any]
    text: str

    def line(self, *keys: str) -> int | None:
        """Return the number of the first line that sets ``keys``, or else opens the nearest table around.

        It is found by reading the lines, not by parsing: a multi-line string that looks like TOML can
        mislead it.
        """
        table: tuple[str, ...] = ()
        best: tuple[int, int] | None = None
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.fullmatch(line):
                here = table = _parts(header[1])
            elif assignment := _ASSIGNMENT.match(line):
                here = table + _parts(assignment[1])
            else:
                continue
            if here == keys:
                return number
            if here and keys[: len(here)] == here and (best is None or len(here) > best[0]):
                best = (len(here), number)
        return best[1] if best else None

    def where(self, *keys: str) -> str:
        """Return ``file:line`` of ``keys``, or the file where the line is not found."""
        return located(str(self.path), self.line(*keys))


def located(file: str, line: int | None) -> str:
    """Return ``file:line``, or ``file`` without one."""
    return f"{file}:{line}" if line else file


def load_toml(path: Path) -> TomlFile:
    """Return the parsed file at ``path``.

    Raises ``StatebakeError`` (``BAD_TOML``, with ``file:line``) where it is not TOML 1.0, not UTF-8 or
    unreadable.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return TomlFile(path, tomllib.loads(text), text)
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise _bad_toml(path, line, "it is not UTF-8") from error
    except OSError as error:
        raise _bad_toml(path, None, error.strerror or "it cannot be read") from error
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        number = re.match(r"line (\d+)", place)
        raise _bad_toml(path, int(number[1]) if number else len(text.splitlines()), reason) from error


def load_if_there(path: Path) -> TomlFile | None:
    """Return the parsed file at ``path``, or ``None`` where there is none; raises as ``load_toml``."""
    return load_toml(path) if is_file(path) else None


def is_file(path: Path) -> bool:
    """Return whether there is a file at ``path``; what may not be looked at is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


def table_at(data: Mapping[str, Any], *keys: str) -> Any:
    """Return what ``data`` has under ``keys``, or ``None`` where a table on the way is missing."""
    value: Any = data
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _bad_toml(path: Path, line: int | None, reason: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_TOML,
        f"{path.name} cannot be read as TOML: {reason}",
        where=located(str(path), line),
        next_step=f"mend {path.name} and run again",
    )


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple("".join(part.groups("")) for part in _PART.finditer(dotted))
