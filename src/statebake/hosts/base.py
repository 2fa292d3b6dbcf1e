"""What the tool has to know of a framework; everything else is the same for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from statebake.config import Project, Settings, source_roots


class Host(Protocol):
    """A framework whose projects have state-backed components.

    Attributes:
        name: as in the ``host`` setting.
        pex_flags: what the ``pex`` command needs for the framework to work inside.
        brings_runtime: whether artifacts carry statebake's own runtime part.
    """

    @property
    def name(self) -> str: ...

    @property
    def pex_flags(self) -> tuple[str, ...]: ...

    @property
    def brings_runtime(self) -> bool: ...

    def entry_point(self, settings: Settings) -> str:
        """Return the module that an artifact runs unless the project says otherwise."""

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
    """Return the message that has a worker discover ``project`` (see ``worker/server.py``)."""
    return {
        "host": settings.host or project.host,
        "project": str(project.directory),
        "paths": [str(path) for path in source_roots(project.directory)],
        "defs_module": settings.defs_module,
    }
