"""The options that commands share, made from the table of settings."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from statebake.config import SETTINGS, Kind, Setting, show
from statebake.errors import Code, StatebakeError

F = TypeVar("F", bound=Callable[..., Any])

_POLICY = tuple(setting.name for setting in SETTINGS if setting.name.startswith("policy."))
REFRESH_SETTINGS = (
    *("jobs", "deadline", "secrets.names"),
    *(setting.name for setting in SETTINGS if setting.per_key and setting.name not in _POLICY),
)
CHECK_SETTINGS = ("allow_runtime_fetch", "allow_differences", *_POLICY)
"""What a check goes by, but for ``schema``, which a refresh knows as well."""
SECRET_SETTINGS = ("secrets.mode", "secrets.names", "secrets.allow")
SEALED_SETTINGS = ("sealed.timeout", "sealed.env", "sealed.allow_empty")
_BAKE_SETTINGS = (
    *("host", "python", "module", "defs_module", "packages"),
    *REFRESH_SETTINGS,
    *CHECK_SETTINGS,
    *("lock", "bake.verify", *SEALED_SETTINGS),
)
SHORT = {"--output": "-o", "--jobs": "-j", "--tag": "-t", "--file": "-f"}


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


def selection_options(function: F) -> F:
    """Add the options that say which keys a refresh is about; the command gets ``selection`` and ``only_failed``."""
    from statebake.model.state_config import DefsStateManagementType

    @functools.wraps(function)
    def command(
        *args: Any, keys: tuple[str, ...], patterns: tuple[str, ...], management_type: str | None, **kwargs: Any
    ) -> Any:
        from statebake.refresh import Selection, split_patterns

        strategy = DefsStateManagementType(management_type) if management_type else None
        return function(*args, selection=Selection(keys, split_patterns(patterns), strategy), **kwargs)

    for option in (
        click.option("--failed", "only_failed", is_flag=True, help="Only the keys that failed last time."),
        click.option(
            "--management-type",
            type=click.Choice([one.value for one in DefsStateManagementType]),
            help="Only the keys with this strategy.",
        ),
        click.option(
            "--select",
            "-s",
            "patterns",
            multiple=True,
            metavar="PATTERN",
            help="Only keys that match: a pattern (*, ?) of the key or of its component's class, type:CLASS, "
            "path:FILE or key:KEY. Several, with spaces or by repeating the option: any of them. A space in one is "
            "written as in a shell: in quotation marks, or after a backslash.",
        ),
        click.option("--key", "-k", "keys", multiple=True, help="Only this key; can be given several times."),
    ):
        command = option(command)
    return command  # type: ignore[return-value]


def run_options(function: F) -> F:
    """Add the options that say how a refresh goes."""
    for option in (
        click.option("--verbose", "-v", is_flag=True, help="Show all that every attempt to fetch printed."),
        click.option("--allow-shrink", is_flag=True, help="Accept state that lost more than max_shrink."),
        click.option("--all-or-nothing", is_flag=True, help="Commit all keys, or none when one fails."),
    ):
        function = option(function)
    return function


def bake_options(*names: str) -> Callable[[F], F]:
    """Add what every bake can be told, and the flags of the settings called ``names``, which are an artifact's own."""

    def decorate(function: F) -> F:
        for option in (
            format_option,
            run_options,
            setting_options(*_BAKE_SETTINGS, *names),
            click.option("--dry-run", is_flag=True, help="Print what would be baked; fetch nothing, write nothing."),
            click.option("--no-refresh", is_flag=True, help="Bake the state that is there."),
            project_option,
        ):
            function = option(function)
        return function

    return decorate


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
    if setting.type is Kind.SWITCH:
        return click.option(*names, is_flag=True, flag_value=True, default=None, help=text)
    if setting.default not in (None, ()):
        text += f" Default: {show(setting.type, setting.default)}."
    return click.option(
        *names,
        type=_TYPES.get(setting.type),
        multiple=setting.type.is_list,
        metavar=_metavar(setting),
        default=None,
        help=text,
    )


def _parameter(setting: Setting) -> str:
    return "setting_" + setting.name.replace(".", "_")


def _metavar(setting: Setting) -> str:
    return _METAVARS.get(setting.type, "TEXT")


_TYPES: dict[Kind, Any] = {
    Kind.COUNT: click.IntRange(min=1),
    Kind.NATURAL: click.IntRange(min=0),
    Kind.FAILURE_POLICY: click.Choice(["fail", "stale"]),
    Kind.ISOLATION: click.Choice(["fork", "spawn"]),
    Kind.SECRETS_MODE: click.Choice(["error", "warn", "off"]),
    Kind.CODE: click.Choice(["auto", "wheel", "files"]),
    Kind.VERIFICATION: click.Choice(["truth", "sealed"]),
    Kind.BUILDER_COMPAT: click.Choice(["buildkit", "docker-20.10", "buildah", "classic"]),
    Kind.PORT: click.IntRange(1, 65535),
}
_METAVARS = {
    Kind.COUNT: "N",
    Kind.NATURAL: "N",
    Kind.DURATION: "TIME",
    Kind.AGE: "TIME",
    Kind.SIZE: "SIZE",
    Kind.SHARE: "PERCENT",
    Kind.PATH: "FILE",
    Kind.PROGRAM: "PYTHON",
    Kind.HOST: "HOST",
    Kind.FAILURE_POLICY: "fail|stale",
    Kind.ISOLATION: "fork|spawn",
    Kind.SECRETS_MODE: "error|warn|off",
    Kind.CODE: "auto|wheel|files",
    Kind.VERIFICATION: "truth|sealed",
    Kind.BUILDER_COMPAT: "buildkit|docker-20.10|buildah|classic",
    Kind.PORT: "PORT",
}
