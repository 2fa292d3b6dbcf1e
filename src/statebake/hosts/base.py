"""What the tool has to know of a framework; everything else is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from statebake.config import Project, Settings, source_roots
from statebake.errors import Code, StatebakeError


@dataclass(frozen=True)
class ImageRun:
    """What an image of a project runs.

    Attributes:
        command: its program and the arguments.
        health: the command that tells whether it is well; empty where there is no such thing.
        port: the port that it listens on.
        environment: the variables that it needs.
    """

    command: tuple[str, ...]
    health: tuple[str, ...] = ()
    port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Host(Protocol):
    """A framework whose projects have state-backed components.

    Attributes:
        name: as in the ``host`` setting.
        pex_flags: what the ``pex`` command needs for the framework to work inside.
        declaration_names: what the files are called in which the framework finds declarations.
        brings_runtime: whether artifacts carry statebake's own runtime part.
        distribution: what must be installed in an artifact for anything in it to run.
    """

    @property
    def name(self) -> str: ...

    @property
    def pex_flags(self) -> tuple[str, ...]: ...

    @property
    def declaration_names(self) -> tuple[str, ...]: ...

    @property
    def brings_runtime(self) -> bool: ...

    @property
    def distribution(self) -> str: ...

    def entry_point(self, settings: Settings) -> str:
        """Return the module that an artifact runs unless the project says otherwise."""

    def image_run(self, project: Project, settings: Settings) -> ImageRun:
        """Return what an image of the project runs, ``docker.command`` where that is set.

        It runs as any user, without a home directory, on a file system that is read-only everywhere. Raises
        ``StatebakeError`` (``BAD_SETTING``) where nobody says what to run.
        """

    def artifact_config(self, project: Project) -> Mapping[str, Any] | None:
        """Return what the framework must find in a ``pyproject.toml`` inside an artifact, or ``None``."""

    def own_modules(self, project: Project, settings: Settings) -> tuple[str, ...]:
        """Return the importable names of the project's own code that the framework imports."""


def find_host(name: str) -> Host:
    """Return the adapter called ``name``, one of the ``host`` setting's values."""
    from statebake.hosts.dagster import DagsterHost
    from statebake.hosts.native import NativeHost

    hosts: dict[str, Host] = {host.name: host for host in (DagsterHost(), NativeHost())}
    return hosts[name]


def discover_request(project: Project, settings: Settings) -> dict[str, Any]:
    """Return the message that has a worker discover ``project`` (see ``worker/server.py``).

    Raises ``StatebakeError`` (``BAD_SETTING``) for a Dagster project without ``dg``'s configuration: Dagster itself
    finds components, and state, by that.
    """
    if (settings.host or project.host) == "dagster":
        _must_have_dg(project, settings)
    return {
        "host": settings.host or project.host,
        "project": str(project.directory),
        "paths": [str(path) for path in source_roots(project.directory)],
        "defs_module": settings.defs_module,
    }


def _must_have_dg(project: Project, settings: Settings) -> None:
    if project.dg is None:
        raise StatebakeError(
            Code.BAD_SETTING,
            "This project has no dg configuration, by which Dagster finds components and their state.",
            where=str(project.config_file),
            next_step='add to pyproject.toml: [tool.dg.project] root_module = "…"',
        )
    for name, value, own in (
        ("module", settings.module, project.dg.root_module),
        ("defs_module", settings.defs_module, project.dg.defs_module),
    ):
        if value not in {None, own}:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"{name} is {value!r}, but Dagster goes by its own configuration, which says {own!r}.",
                where=str(project.config_file),
                next_step=f"take {name} out of statebake's settings, or change [tool.dg.project]",
            )
