"""Dagster 1.12 and 1.13, projects laid out for ``dg``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statebake.config import Project, Settings
from statebake.errors import Code, StatebakeError
from statebake.hosts.base import ImageRun


class DagsterHost:
    """See ``Host``."""

    name = "dagster"
    # Dagster starts `sys.executable -m dagster …` for its code servers; only a virtual environment serves those.
    pex_flags = ("--venv",)
    declaration_names = ("defs.yaml", "component.yaml")
    brings_runtime = False
    distribution = "dagster"

    def entry_point(self, settings: Settings) -> str:  # noqa: ARG002
        """Return Dagster's own command line."""
        return "dagster"

    def image_run(self, project: Project, settings: Settings) -> ImageRun:
        """Return a code server of the code location.

        ``dagster api grpc`` it is, and not ``dagster code-server start``: that one wants a directory for temporary
        files, which a read-only file system lacks, and says that it is well when the code cannot be loaded. What it can
        do besides, loading code anew, makes no sense in an image.
        """
        environment = {"DAGSTER_DISABLE_TELEMETRY": "yes", "DO_NOT_TRACK": "1"}
        if settings.docker.command:
            return ImageRun(settings.docker.command, environment=environment)
        if project.dg is None:
            raise StatebakeError(
                Code.BAD_SETTING,
                "This project has no dg configuration, by which Dagster finds components and their state.",
                where=str(project.config_file),
                next_step='add to pyproject.toml: [tool.dg.project] root_module = "…"',
            )
        port = str(settings.docker.port)
        module = project.dg.code_location_target_module
        return ImageRun(
            command=("dagster", "api", "grpc", "-h", "0.0.0.0", "-p", port, "-m", module),  # noqa: S104 - in a container
            health=("dagster", "api", "grpc-health-check", "-p", port),
            port=settings.docker.port,
            environment=environment,
        )

    def artifact_config(self, project: Project) -> Mapping[str, Any] | None:
        """Return ``[tool.dg.project]``: Dagster looks for it at run time, above the module that it loads.

        Without ``code_location_name`` the location would be named after the directory that holds it, which inside a
        PEX is a cache directory's hash.
        """
        if project.dg is None:
            return None
        return {**project.dg.raw, "code_location_name": project.dg.code_location_name}

    def own_modules(self, project: Project, settings: Settings) -> tuple[str, ...]:
        """Return the root module, the definitions' module, the code location's module."""
        names = [settings.module, settings.defs_module]
        if project.dg:
            names.append(project.dg.code_location_target_module)
        return tuple(dict.fromkeys(name for name in names if name))
