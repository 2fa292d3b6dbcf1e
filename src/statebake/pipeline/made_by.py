"""The flags that a project's Dockerfile was made with: those of the command, and those that the file tells of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statebake.config import BY_NAME, Kind, with_detected
from statebake.config.settings import DEFAULT_DOCKERFILE
from statebake.config.values import from_variable, parse
from statebake.errors import Code, StatebakeError
from statebake.pipeline import Target

if TYPE_CHECKING:
    # Elsewhere imported where it is used: without a Dockerfile, a bake is to begin with the project's import.
    from statebake.bake.image.made_by import MadeBy


def as_made(target: Target, path: Path | None = None) -> Target:
    """Return ``target`` with the flags that its Dockerfile at ``path`` was made with; the command's own win.

    Without a ``path`` it is the one that a bake builds. Raises ``StatebakeError``: ``OUTPUT_FAILED``; ``BAD_SETTING``
    for a flag in it that has become wrong.
    """
    path = path or dockerfile_of(target)
    found = _made_by_of(path)
    values: dict[str, Any] = {}
    origins = dict(target.config.origins)
    for name, texts in (found.flags if found else {}).items():
        if not target.config.by_flag(name):
            values[name] = _value(target, name, texts, path)
            origins[name] = f"flag {BY_NAME[name].flag} in {path.name}"
    if not values:
        return target
    again = {name: None for name, origin in origins.items() if origin == "detected"}
    config = replace(target.config, settings=target.settings.having({**again, **values}), origins=origins)
    return replace(target, config=with_detected(config, target.project))


def to_check(target: Target, path: Path | None, *, refresh: bool) -> tuple[Target, bool]:
    """Return what the Dockerfile at ``path`` is to be compared with: a target, and whether its build fetches.

    Raises ``StatebakeError`` as ``as_made`` does.
    """
    path = path or target.project.directory / DEFAULT_DOCKERFILE
    found = _made_by_of(path)
    return as_made(target, path), refresh or (found is not None and found.refresh)


def dockerfile_of(target: Target) -> Path:
    """Return where the Dockerfile is that a bake builds."""
    return target.settings.docker.file or target.project.directory / DEFAULT_DOCKERFILE


def call_for(target: Target, path: Path, *, refresh: bool) -> MadeBy:
    """Return the call that makes the Dockerfile of ``target`` at ``path``: with all flags, from wherever they are."""
    from statebake.bake.image.made_by import MAKING, MadeBy

    values = target.settings.flat()
    flags = {name: _texts(target, values[name]) for name in MAKING if target.config.by_flag(name)}
    return MadeBy(flags, _relative(target, path), refresh)


def given(target: Target, *names: str) -> list[str]:
    """Return the flags that this very command was given, of the settings called ``names``."""
    flags = {name: BY_NAME[name].flag for name in names}
    return [flag for name, flag in flags.items() if target.config.origins[name] == f"flag {flag}"]


def _made_by_of(path: Path) -> MadeBy | None:
    """Return the call that made the Dockerfile at ``path``; ``None`` where statebake did not, or there is none."""
    if not path.exists():
        return None
    from statebake.bake.image.generated_files import read_text
    from statebake.bake.image.made_by import read_made_by

    text = read_text(path)
    return None if text is None else read_made_by(text)


def _texts(target: Target, value: Any) -> list[str]:
    values = value if isinstance(value, tuple) else (value,)
    return [_relative(target, one) if isinstance(one, Path) else str(one) for one in values]


def _relative(target: Target, path: Path) -> str:
    return Path(os.path.relpath(path, target.project.directory)).as_posix()


def _value(target: Target, name: str, texts: Sequence[str], path: Path) -> object:
    kind = BY_NAME[name].type
    try:
        one = from_variable(kind, texts[-1]) if kind is Kind.PORT else texts[-1]
        return parse(kind, list(texts) if kind.is_list else one, target.project.directory)
    except ValueError as error:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"{path.name} says that it was made with {BY_NAME[name].flag} {texts[-1]!r}; expected: {kind.value}",
            where=str(path),
            next_step="make it anew: statebake dockerfile",
        ) from error
