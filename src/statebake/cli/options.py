"""The options that commands share, made from the table of settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from statebake.config import SETTINGS, Kind, Setting
from statebake.errors import Code, StatebakeError

F = TypeVar("F", bound=Callable[..., Any])

SHORT = {"--output": "-o", "--jobs": "-j"}


def setting_options(*names: str) -> Callable[[F], F]:
    """Add the flags of the settings called ``names``; ``flags_of`` finds their values again."""
    chosen = [setting for setting in SETTINGS if setting.name in names]

    def decorate(function: F) -> F:
        for setting in reversed(chosen):
            function = _option(setting)(function)
        return function

    return decorate


def flags_of(values: dict[str, Any]) -> dict[str, object]:
    """Take the values of setting flags out of a command's keyword arguments, by setting name."""
    return {setting.name: values.pop(_parameter(setting)) for setting in SETTINGS if _parameter(setting) in values}


def project_option(function: F) -> F:
    """Add ``--project``."""
    return click.option(
        "--project",
        "-p",
        "projects",
        multiple=True,
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The project to work on; can be given several times. Default: the one around the current directory.",
    )(function)


def format_option(function: F) -> F:
    """Add ``--format``."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How to print the result.",
    )(function)


def environment() -> dict[str, str]:
    """Return the process's environment: the one place of a command that reads it."""
    return dict(os.environ)


def cache_dir(env: dict[str, str]) -> Path:
    """Return where resolved dependencies are kept (XDG Base Directory Specification)."""
    if own := env.get("STATEBAKE_CACHE_DIR"):
        return Path(own).absolute()
    if base := env.get("XDG_CACHE_HOME"):
        return Path(base) / "statebake"
    try:
        return Path.home() / ".cache" / "statebake"
    except RuntimeError as error:
        raise StatebakeError(
            Code.BAD_SETTING,
            "There is no home directory to keep resolved dependencies in.",
            where="env HOME",
            next_step="export STATEBAKE_CACHE_DIR=/a/directory",
        ) from error


def _option(setting: Setting) -> Callable[[F], F]:
    names = [setting.flag, *([SHORT[setting.flag]] if setting.flag in SHORT else []), _parameter(setting)]
    text = setting.help.replace("`", "")
    if setting.default not in (None, ()):
        text += f" Default: {setting.default}."
    return click.option(
        *names,
        type=click.IntRange(min=1) if setting.type is Kind.COUNT else None,
        multiple=setting.type.is_list,
        metavar=_metavar(setting),
        default=None,
        help=text,
    )


def _parameter(setting: Setting) -> str:
    return "setting_" + setting.name.replace(".", "_")


def _metavar(setting: Setting) -> str:
    return {Kind.COUNT: "N", Kind.PATH: "FILE", Kind.PROGRAM: "PYTHON", Kind.HOST: "HOST"}.get(setting.type, "TEXT")
