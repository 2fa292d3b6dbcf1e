"""From a value as somebody wrote it to a value of a setting's type, and back to a text that can be shown."""

from __future__ import annotations

import re
import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.config.pex_options import no_option, output_option
from statebake.config.schema import Kind
from statebake.model.state_config import DefsStateManagementType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MODULE = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_ENTRY_POINT = re.compile(rf"{_MODULE}(?::{_MODULE})?|-m\s+{_MODULE}")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_LONGEST = 3650 * 86400.0
_CREDENTIALS = re.compile(r"://[^/@\s]+@")


class MisplacedError(ValueError):
    """A value that belongs somewhere else: what is wrong with it, and what to do instead."""

    def __init__(self, why: str, next_step: str) -> None:
        super().__init__(why)
        self.next_step = next_step


def from_variable(kind: Kind, text: str) -> object:
    """Return the value that an environment variable's text stands for, to be given to ``parse``.

    Lists are comma separated, arguments are split as a shell would. Raises ``ValueError`` where that fails.
    """
    if kind in {Kind.COUNT, Kind.NATURAL, Kind.PORT} and re.fullmatch(r"\s*[0-9]+\s*", text):
        return int(text)
    if kind is Kind.SWITCH and text.lower() in _SWITCHES:
        return _SWITCHES[text.lower()]
    if kind in {Kind.ARGUMENTS, Kind.PEX_OPTIONS}:
        return shlex.split(text)
    if kind in {Kind.TEXTS, Kind.STRATEGIES, Kind.PLATFORMS}:
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def parse(kind: Kind, value: object, base: Path) -> object:
    """Return ``value`` (from TOML, a flag or ``from_variable``) as ``Settings`` holds it.

    Relative paths are taken from ``base``. Raises ``ValueError`` where the value is not of this kind,
    ``MisplacedError`` where it is one of something else.
    """
    return _PARSERS[kind](value, base)


def show(kind: Kind, value: object) -> str:
    """Return ``value`` for a person to read, ``-`` for none, with the credentials in URLs masked."""
    if value is None or value == ():
        return "-"
    if isinstance(value, tuple):
        return mask(shlex.join(item.value if isinstance(item, Enum) else item for item in value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and kind in {Kind.DURATION, Kind.AGE}:
        return _largest(value, _SECONDS) if value % 1 == 0 else f"{value:g}s"
    if isinstance(value, int) and kind is Kind.SIZE:
        return _largest(value, _BYTES)
    if isinstance(value, float) and kind is Kind.SHARE:
        return f"{value * 100:g}%"
    return mask(str(value))


def _largest(value: float, units: Mapping[str, int]) -> str:
    """Return ``value`` in the largest of the units that it is a whole number of, zero in the smallest."""
    unit, factor = max(
        ((unit, factor) for unit, factor in units.items() if value % factor == 0),
        key=lambda one: one[1] if value else -one[1],
    )
    return f"{value / factor:.0f}{unit}"


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


def _pex_options(value: object, base: Path) -> tuple[str, ...]:
    options = _texts(value, base)
    if (found := no_option(options)) is not None:
        raise MisplacedError(
            f"{mask(found)} is no option",
            "name what is to be installed in [project] dependencies of pyproject.toml, or in the file that the setting "
            "lock names, or in a file of its own: -r FILE",
        )
    if (found := output_option(options)) is not None:
        raise MisplacedError(
            f"{found.partition('=')[0]} is not for these options", "the file to write is the setting pex.output"
        )
    return options


def _strategies(value: object, base: Path) -> tuple[DefsStateManagementType, ...]:
    return tuple(DefsStateManagementType(item) for item in _texts(value, base))


def _platforms(value: object, base: Path) -> tuple[str, ...]:
    """Return platforms one by one, also of ``linux/amd64,linux/arm64``, as docker's own flag takes them."""
    return tuple(_text(part).strip() for item in _texts(value, base) for part in item.split(","))


def _path(value: object, base: Path) -> Path:
    return base / (value if isinstance(value, Path) else _text(value))


def _program(value: object, base: Path) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    return base / text if "/" in text else Path(text)


def _count(value: object, _base: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError
    return value


def _natural(value: object, _base: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _port(value: object, _base: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 65535:
        raise ValueError
    return value


def _quantity(value: object, units: Mapping[str, int], bare: str) -> float:
    """Return a number with a unit in the smallest one; a bare number has the unit ``bare``."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError  # noqa: TRY004 - every parser has one error
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", str(value))
    by_name = {unit.lower(): factor for unit, factor in units.items()}
    if found is None or (found[2] or bare).lower() not in by_name:
        raise ValueError
    return float(found[1]) * by_name[(found[2] or bare).lower()]


def _switch(value: object, _base: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - every parser has one error
    return value


def _duration(value: object, _base: Path) -> float:
    seconds = _quantity(value, _SECONDS, "s")
    if not 0 < seconds <= _LONGEST:
        raise ValueError
    return seconds


def _age(value: object, base: Path) -> float:
    return 0.0 if _quantity(value, _SECONDS, "s") == 0 else _duration(value, base)


def _size(value: object, _base: Path) -> int:
    return round(_quantity(value, _BYTES, "B"))


def _share(value: object, _base: Path) -> float:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*", value) if isinstance(value, str) else None
    if found is None or float(found[1]) > 100:
        raise ValueError
    return float(found[1]) / 100


def _one_of(*choices: str) -> Callable[[object, Path], str]:
    def check(value: object, _base: Path) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return check


def _matching(pattern: re.Pattern[str]) -> Callable[[object, Path], str]:
    def check(value: object, _base: Path) -> str:
        text = _text(value).strip()
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return check


_PARSERS: dict[Kind, Callable[[object, Path], object]] = {
    Kind.HOST: _one_of("dagster", "native"),
    Kind.FAILURE_POLICY: _one_of("fail", "stale"),
    Kind.ISOLATION: _one_of("fork", "spawn"),
    Kind.SECRETS_MODE: _one_of("error", "warn", "off"),
    Kind.CODE: _one_of("auto", "wheel", "files"),
    Kind.SWITCH: _switch,
    Kind.VERIFICATION: _one_of("truth", "sealed"),
    Kind.MODULE: _matching(re.compile(_MODULE)),
    Kind.ENTRY_POINT: _matching(_ENTRY_POINT),
    Kind.PROGRAM: _program,
    Kind.PATH: _path,
    Kind.COUNT: _count,
    Kind.NATURAL: _natural,
    Kind.DURATION: _duration,
    Kind.AGE: _age,
    Kind.SIZE: _size,
    Kind.SHARE: _share,
    Kind.BUILDER_COMPAT: _one_of("buildkit", "docker-20.10", "buildah", "classic"),
    Kind.ON_BUILD: _one_of("refresh", "check", "off"),
    Kind.BACKEND: _matching(re.compile(rf"{_MODULE}(?::{_MODULE})?")),
    Kind.TEXT: lambda value, _base: _text(value).strip(),
    Kind.PORT: _port,
    Kind.STRATEGIES: _strategies,
    Kind.TEXTS: _texts,
    Kind.PLATFORMS: _platforms,
    Kind.ARGUMENTS: _texts,
    Kind.PEX_OPTIONS: _pex_options,
}
