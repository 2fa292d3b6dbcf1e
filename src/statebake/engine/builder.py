"""Builders: what builds images, and choosing among those that there are."""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.config import BuilderCompat
from statebake.engine.endpoint import with_endpoint
from statebake.engine.events import BuildEvent, BuildLog
from statebake.engine.failures import build_error
from statebake.engine.request import BuildRequest, BuiltImage, cannot
from statebake.errors import Code, StatebakeError
from statebake.process import run_tool

if TYPE_CHECKING:
    from statebake.engine.client import Engine

OnEvent = Callable[[BuildEvent], None]
_NEXT = "install Docker Engine"


class Builder(ABC):
    """Something that builds images.

    Attributes:
        title: what it is, for people.
        compat: what its Dockerfiles may use.
        in_engine: what it builds with ``output="engine"`` is in the engine at once, without being sent there, and can
            be pushed from there after it was proved.
        loses: what BuildKit can do and it cannot, a phrase each.
    """

    title: str
    compat: BuilderCompat
    in_engine: bool
    loses: tuple[str, ...] = ()

    @abstractmethod
    def check(self, request: BuildRequest) -> None:
        """Raise ``StatebakeError`` (``BAD_SETTING``) for what it cannot do, before anything runs."""

    @abstractmethod
    def build(self, request: BuildRequest, on_event: OnEvent) -> BuiltImage:
        """Build, and tell ``on_event`` what happens, without secrets, from the caller's own thread.

        An exception, an interrupt above all, ends the build in the engine as well. Raises ``StatebakeError``:
        ``BUILD_FAILED``, ``BASE_IMAGE``, ``WRONG_PLATFORM``, ``ENGINE_FULL``, ``ENGINE_UNREACHABLE``, ``BAD_SETTING``.
        """

    def pushed(self, reference: str) -> frozenset[str]:
        """Return the digests of the manifests that a registry has under a name: one for each platform.

        For builders that push while they build, so that it can be seen whether it is what was proved. Raises
        ``StatebakeError`` (``PUSH_FAILED``) where the registry does not say.
        """
        raise cannot(f"a look at {reference} in its registry", self.title, "push from the engine")


def choose_builder(engine: Engine, env: Mapping[str, str], *, name: str | None = None) -> Builder:
    """Return the best builder that there is: buildx, the BuildKit inside an old docker program, or the engine's API.

    ``name`` is that of a buildx builder; without one it is the docker program's own choice. Raises ``StatebakeError``
    (``BAD_SETTING``) for a builder that there is not.
    """
    from statebake.engine.api_builder import ApiBuilder
    from statebake.engine.cli_builder import BuildxBuilder, DockerBuilder

    program = shutil.which("docker", path=env.get("PATH", ""))
    if program is not None and not engine.facts.podman:
        tool_env = with_endpoint(env, engine.endpoint)
        if found := _buildx(program, name, tool_env):
            return BuildxBuilder(engine, program, tool_env, name=name, driver=found[0], title=found[1])
        version = _says([program, "version", "--format", "{{.Client.Version}}"], tool_env) or ""
        if name is None and (major := re.match(r"(\d+)\.", version)) and 18 <= int(major[1]) < 23:
            return DockerBuilder(engine, program, tool_env)
    if name is not None:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"Builder {name} was asked for, and there is no buildx.",
            next_step="install the docker-buildx plugin",
        )
    return ApiBuilder(engine, env)


def failed_build(log: BuildLog, env: Mapping[str, str], request: BuildRequest) -> StatebakeError:
    """Return the error for a build that ended badly; ``env`` has the secrets that must not be in it."""
    return build_error(
        log,
        env,
        dockerfile=request.shown,
        text=request.text(),
        platforms=request.platforms,
        advice=request.advice,
    )


def _buildx(program: str, name: str | None, env: Mapping[str, str]) -> tuple[str, str] | None:
    """Return driver and name of the builder that buildx would use; ``None``: there is no buildx."""
    argv = [program, "buildx", "inspect", *([name] if name else [])]
    finished = run_tool(argv, env=env, cwd=Path("/"), next_step=_NEXT)
    driver = re.search(r"^Driver:\s+(\S+)", finished.stdout, re.MULTILINE)
    found = re.search(r"^Name:\s+(\S+)", finished.stdout, re.MULTILINE)
    if finished.returncode == 0 and driver and found:
        return driver[1], found[1]
    if _says([program, "buildx", "version"], env) is None:
        return None
    raise StatebakeError(
        Code.BAD_SETTING,
        f"buildx cannot use the builder {name or 'that is its current one'}.",
        detail=finished.stderr.strip(),
        next_step="docker buildx ls",
    )


def _says(argv: list[str], env: Mapping[str, str]) -> str | None:
    """Return what a command prints, or ``None`` where it fails."""
    finished = run_tool(argv, env=env, cwd=Path("/"), next_step=_NEXT)
    return finished.stdout.strip() if finished.returncode == 0 else None
