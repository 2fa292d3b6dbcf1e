"""statebake's own framework, for projects without Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statebake.config import Project, Settings
from statebake.errors import Code, StatebakeError
from statebake.hosts.base import ImageRun


class NativeHost:
    """See ``Host``."""

    name = "native"
    pex_flags = ()
    declaration_names = ("defs.yaml",)
    brings_runtime = True
    distribution = "statebake"

    def entry_point(self, settings: Settings) -> str:
        """Return the project's root package, which runs by its ``__main__.py``."""
        if settings.module is None:
            raise StatebakeError(
                Code.BAD_SETTING,
                "It is not known what the PEX should run.",
                next_step="name it: statebake bake pex --entry-point MODULE",
            )
        return settings.module

    def image_run(self, project: Project, settings: Settings) -> ImageRun:
        """Return the project's root package, which runs by its ``__main__.py``."""
        if settings.docker.command:
            return ImageRun(settings.docker.command)
        if settings.module is None:
            raise StatebakeError(
                Code.BAD_SETTING,
                "It is not known what the image should run.",
                where=str(project.config_file),
                next_step='say it: [tool.statebake] docker.command = ["python", "-m", "…"]',
            )
        return ImageRun(("python", "-m", settings.module))

    def artifact_config(self, project: Project) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return nothing: the runtime part needs no configuration."""
        return None

    def own_modules(self, project: Project, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """Return the root package and the definitions' module."""
        return tuple(dict.fromkeys(name for name in (settings.module, settings.defs_module) if name))
