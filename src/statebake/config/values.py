"""From a value as somebody wrote it to a value of a setting's type, and back to a text that can be shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.config.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_ENTRY_POINT = re.compile(rf"{_MODULE}(?::{_MODULE})?|-m\s+{_MODULE}")
_CREDENTIALS = re.compile(r"://[^/@\s]+@")


def from_variable(kind: Kind, text: str) -> object:
    """Return the value that an environment variable's text stands for, to be given to ``parse``.

    Lists are comma separated, arguments are split as a shell would. Raises ``ValueError`` where that fails.
    """
    if kind is Kind.COUNT and re.fullmatch(r"\s*[0-9]+\s*", text):
        return int(text)
    if kind is Kind.ARGUMENTS:
        return shlex.split(text)
    if kind is Kind.TEXTS:
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def parse(kind: Kind, value: object, base: Path) -> object:
    """Return ``value`` (from TOML, a flag or ``from_variable``) as ``Settings`` holds it.

    Relative paths are taken from ``base``. Raises ``ValueError`` where the value is not of this kind.
    """
    return _PARSERS[kind](value, base)


def show(value: object) -> str:
    """Return ``value`` for a person to read, ``-`` for none, with the credentials in URLs masked."""
    if value is None or value == ():
        return "-"
    text = shlex.join(value) if isinstance(value, tuple) else str(value)
    return mask(text)


def mask(text: str) -> str:
    """Return ``text`` without the credentials of the URLs in it."""
    return _CREDENTIALS.sub("://***@", text)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError
    return value


def _texts(value: object, _base: Path) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError  # noqa: TRY004 - every parser has one error
    return tuple(_text(item) for item in value)


def _path(value: object, base: Path) -> Path:
    return base / (value if isinstance(value, Path) else _text(value))


def _program(value: object, base: Path) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    return base / text if "/" in text else Path(text)


def _host(value: object, _base: Path) -> str:
    if value not in ("dagster", "native"):
        raise ValueError
    return str(value)


def _count(value: object, _base: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[object, Path], str]:
    def check(value: object, _base: Path) -> str:
        text = _text(value).strip()
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return check


_PARSERS: dict[Kind, Callable[[object, Path], object]] = {
    Kind.HOST: _host,
    Kind.MODULE: _matching(re.compile(_MODULE)),
    Kind.ENTRY_POINT: _matching(_ENTRY_POINT),
    Kind.PROGRAM: _program,
    Kind.PATH: _path,
    Kind.COUNT: _count,
    Kind.TEXTS: _texts,
    Kind.ARGUMENTS: _texts,
}
