"""The project that a build frontend builds: no interpreter is chosen for it yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from statebake.config.detect import configure
from statebake.config.project import Project, find_projects
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from statebake.config.cascade import ResolvedConfig
    from statebake.config.settings import Settings


@dataclass(frozen=True)
class BuildProject:
    """A project and its settings."""

    project: Project
    config: ResolvedConfig

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self.config.settings

    @property
    def in_sdist(self) -> bool:
        """Whether this is an unpacked source distribution (PyPA, "Source distribution format"), which has its state."""
        return (self.project.directory / "PKG-INFO").is_file()


def find_build_project(directory: Path, flags: Mapping[str, object], env: Mapping[str, str]) -> BuildProject:
    """Return the project in ``directory``, which is being built; raises ``StatebakeError``."""
    projects = find_projects([directory], directory)
    if len(projects) != 1 or projects[0].directory != directory.resolve():
        raise StatebakeError(
            Code.NO_PROJECT,
            "What is built is a workspace, not a project.",
            where=str(directory),
            next_step="build one of its projects",
        )
    return BuildProject(projects[0], configure(projects[0], flags, env))
