"""The one table of all settings, and the typed value that the cascade makes of it.

The command line, ``statebake config`` and ``docs/configuration.md`` are made from, or compared with,
``SETTINGS``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HostName = Literal["dagster", "native"]
DEFAULT_JOBS = 16


class Kind(Enum):
    """What a setting's value may be. The text is what error messages and the documentation call it."""

    HOST = "`dagster` or `native`"
    MODULE = "module name"
    ENTRY_POINT = "`module`, `module:function` or `-m module`"
    PROGRAM = "path, or command on PATH"
    PATH = "path"
    COUNT = "whole number, 1 or more"
    TEXTS = "list of strings"
    ARGUMENTS = "list of arguments"

    @property
    def is_list(self) -> bool:
        """Whether a value has several items, so that its flag can be given several times."""
        return self in {Kind.TEXTS, Kind.ARGUMENTS}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: its key under ``[tool.statebake]``; a dot stands for a table (``pex.lock``).
        type: what its value may be.
        default: the value where nobody sets it; ``None`` where it is detected or decided later.
        help: what it means, one or two sentences of Markdown.
        flag: its option on the command line.
        default_help: what a ``None`` default comes to, in words.
    """

    name: str
    type: Kind
    default: object
    help: str
    flag: str
    default_help: str = ""

    @property
    def env(self) -> str:
        """Its environment variable."""
        return "STATEBAKE_" + self.name.replace(".", "_").replace("-", "_").upper()


@dataclass(frozen=True)
class PexSettings:
    """The settings under ``pex``. Paths are absolute."""

    entry_point: str | None = None
    lock: Path | None = None
    args: tuple[str, ...] = ()
    output: Path | None = None


@dataclass(frozen=True)
class Settings:
    """All settings of one project. Paths are absolute, but ``python`` may be a bare command name."""

    host: HostName | None = None
    python: Path | None = None
    module: str | None = None
    defs_module: str | None = None
    packages: tuple[str, ...] = ()
    jobs: int = DEFAULT_JOBS
    allow_runtime_fetch: tuple[str, ...] = ()
    pex: PexSettings = PexSettings()

    @classmethod
    def from_flat(cls, values: Mapping[str, Any]) -> Settings:
        """Return the settings with these values by name (``pex.lock``); other names get the default."""
        pex = {name.removeprefix("pex."): value for name, value in values.items() if name.startswith("pex.")}
        rest = {name: value for name, value in values.items() if "." not in name}
        return cls(**rest, pex=PexSettings(**pex))

    def flat(self) -> dict[str, Any]:
        """Return every value by its setting's name, in the table's order."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "pex"}
        return values | {f"pex.{field.name}": getattr(self.pex, field.name) for field in fields(self.pex)}


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "host",
        Kind.HOST,
        None,
        "The framework that the project is written for.",
        "--host",
        "`dagster` where there is a `dg` project configuration, else `native`",
    ),
    Setting(
        "python",
        Kind.PROGRAM,
        None,
        "The interpreter that imports the project's code.",
        "--python",
        "see [the interpreter](#the-interpreter)",
    ),
    Setting(
        "module",
        Kind.MODULE,
        None,
        "The project's root package.",
        "--module",
        "`root_module` of `dg`; else the project's name, or the only package with a `defs` directory",
    ),
    Setting(
        "defs_module",
        Kind.MODULE,
        None,
        "The module that holds the definitions.",
        "--defs-module",
        "`defs_module` of `dg`; else `<module>.defs` if that directory exists, else `<module>`",
    ),
    Setting(
        "packages",
        Kind.TEXTS,
        (),
        "Further packages or directories of the project's own code to ship, relative to the project.",
        "--package",
    ),
    Setting(
        "jobs",
        Kind.COUNT,
        DEFAULT_JOBS,
        "How many keys are fetched side by side.",
        "--jobs",
    ),
    Setting(
        "allow_runtime_fetch",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`, `[…]`) of the keys that may keep a strategy that fetches at run time.",
        "--allow-runtime-fetch",
    ),
    Setting(
        "pex.entry_point",
        Kind.ENTRY_POINT,
        None,
        "What the PEX runs.",
        "--entry-point",
        "decided by the host",
    ),
    Setting(
        "pex.lock",
        Kind.PATH,
        None,
        "The lock or requirements file that names the dependencies.",
        "--lock",
        "found in the project",
    ),
    Setting(
        "pex.args",
        Kind.ARGUMENTS,
        (),
        "Further arguments for the `pex` command.",
        "--pex-arg",
    ),
    Setting(
        "pex.output",
        Kind.PATH,
        None,
        "The file to write.",
        "--output",
        "`dist/<project name>.pex`",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
