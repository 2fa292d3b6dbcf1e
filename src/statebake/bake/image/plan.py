"""What an image is made of, as values; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from statebake.config import BuilderCompat

INPUTS_DIR = ".statebake"
"""The directory of the project in which everything lies that a build reads and that is no source of the project's."""
APP_DIR = "/app"


@dataclass(frozen=True)
class Source:
    """A file or directory of the project that goes into the image: ``/``-separated, relative to the project.

    It lies under ``APP_DIR`` at the same relative path.
    """

    path: str
    is_dir: bool


@dataclass(frozen=True)
class ImagePlan:
    """What a Dockerfile says.

    Attributes:
        context: the build context, the directory that the engine is sent.
        prefix: the project's path in the context, with a slash at its end; empty where they are one.
        project: the project's name; ``version`` and ``description`` as far as its files say.
        builder: what the text may use.
        base_image: what its stages start from, with a digest or without.
        sources: the project's own code.
        import_root: the directory of the project that is on the import path, ``.`` or ``src``.
        state: the state directory, relative to the project.
        config: whether there is a ``pyproject.toml`` among the inputs, by which the framework finds the project.
        local_dependencies: directories of the context that the requirements name.
        command: what the image runs; the arguments, not a line for a shell.
        health: the command that tells whether what runs is well, or none.
        port: the port that it listens on, or none.
        user: the user, or user and group, that it runs as.
        environment: variables of the running image.
        labels: further labels of the image.
        refresh: the variables that a refresh inside the build gets as secrets; ``None``: the state comes from the
            build context.
    """

    context: Path
    prefix: str
    project: str
    version: str | None
    description: str | None
    builder: BuilderCompat
    base_image: str
    sources: tuple[Source, ...]
    import_root: str
    state: str
    config: bool
    local_dependencies: tuple[str, ...]
    command: tuple[str, ...]
    health: tuple[str, ...]
    port: int | None
    user: str
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    refresh: tuple[str, ...] | None = None

    @property
    def inputs(self) -> str:
        """The path in the context of the directory with the inputs."""
        return f"{self.prefix}{INPUTS_DIR}"

    @property
    def state_in_context(self) -> str:
        """The state directory's path in the context."""
        return f"{self.prefix}{self.state}"

    @property
    def state_in_image(self) -> str:
        """The state directory's path in the image."""
        return f"{APP_DIR}/{self.state}"
