"""Building through the engine's API, where there is no docker program: the classic builder (Podman: its own).

``POST /build`` of the Docker Engine API. The context is a tar archive that is made here.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from statebake.config import BuilderCompat
from statebake.engine.builder import Builder, OnEvent, failed_build
from statebake.engine.events import BuildEvent, EventKind, without_secrets
from statebake.engine.progress import ClassicProgress
from statebake.engine.request import BuildRequest, BuiltImage, cannot

if TYPE_CHECKING:
    from statebake.engine.client import Engine

_NEXT = "install the docker program with its buildx plugin"
# Arguments of `docker build`, and what they are called by docker-py's ``APIClient.build``.
_WITH_VALUE = {"--network": "network_mode", "--target": "target"}
_SWITCHES = {"--no-cache": "nocache", "--pull": "pull"}


class ApiBuilder(Builder):
    """The builder that every engine has."""

    title = "the engine's API"
    in_engine = True
    loses: tuple[str, ...] = ("secrets", "cache mounts", "several platforms")

    def __init__(self, engine: Engine, env: Mapping[str, str]) -> None:
        self._engine, self._env = engine, env
        self.compat: BuilderCompat = "buildah" if engine.facts.podman else "classic"
        if engine.facts.podman:
            self.loses = ("secrets", "several platforms")

    def check(self, request: BuildRequest) -> None:
        request.text()
        _, unknown = read_arguments(request.args)
        asked = {
            "secrets": request.secrets,
            "several platforms": request.platforms[1:],
            "an OCI layout": request.output == "layout",
            f"the arguments {' '.join(unknown)}": unknown,
        }
        for what, found in asked.items():
            if found:
                raise cannot(what, "The engine's API", _NEXT)

    def build(self, request: BuildRequest, on_event: OnEvent) -> BuiltImage:
        self.check(request)
        progress = ClassicProgress()
        began = time.monotonic()  # the stream has no times

        def tell(events: Iterator[BuildEvent]) -> None:
            nonlocal began
            for event in events:
                took = time.monotonic() - began if event.kind is EventKind.DONE else event.seconds
                began = time.monotonic() if event.kind is EventKind.BEGAN else began
                on_event(without_secrets(replace(event, seconds=took), self._env))

        with tempfile.TemporaryFile() as context:
            dockerfile = write_context(context, request)
            context.seek(0)
            for data in self._engine.build(cast(BinaryIO, context), self._options(request, dockerfile)):
                tell(progress.feed(data))
        tell(progress.finish())
        if progress.log.errors or progress.log.image is None:
            raise failed_build(progress.log, self._env, request)
        image = progress.log.image
        for tag in request.tags:
            self._engine.tag(image, tag)
        return BuiltImage(image, None, {}, progress.log.cached, progress.log.ran)

    def _options(self, request: BuildRequest, dockerfile: str) -> dict[str, object]:
        arguments = dict(argument.partition("=")[::2] for argument in request.build_args if "=" in argument)
        arguments |= {name: self._env[name] for name in request.build_args if "=" not in name and name in self._env}
        further, _ = read_arguments(request.args)
        return {
            "dockerfile": dockerfile,
            "buildargs": arguments,
            "labels": dict(request.labels),
            "platform": request.platforms[0] if request.platforms else None,
            **further,
        }


def read_arguments(arguments: Sequence[str]) -> tuple[dict[str, object], list[str]]:
    """Return what arguments of ``docker build`` mean to the engine's API, and those that mean nothing to it."""
    options: dict[str, object] = {}
    unknown: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        name, equals, value = argument.partition("=")
        if argument in _SWITCHES:
            options[_SWITCHES[argument]] = True
        elif name in _WITH_VALUE and (equals or left):
            options[_WITH_VALUE[name]] = value if equals else left.pop(0)
        else:
            unknown.append(argument)
    return options, unknown


def write_context(stream: IO[bytes], request: BuildRequest) -> str:
    """Write the context as a tar archive, and return the Dockerfile's name in it.

    Every entry belongs to root, as the docker program has it. A Dockerfile that lies outside, or that is excluded,
    is added under a name of its own.
    """
    context = request.context
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _paths(context):
            if not request.excluded(path):
                archive.add(context / path, path, recursive=False, filter=_roots)
        dockerfile = os.path.relpath(request.dockerfile.resolve(), context.resolve())
        if dockerfile.startswith("..") or request.excluded(dockerfile):
            dockerfile = ".statebake.Dockerfile"
            archive.add(request.dockerfile, dockerfile, filter=_roots)
    return dockerfile


def _paths(context: Path) -> Iterator[str]:
    """Yield everything below a directory, sorted, ``/``-separated and relative; links are not followed."""
    for directory, directories, files in os.walk(context):
        directories.sort()
        relative = Path(directory).relative_to(context)
        for name in sorted([*directories, *files]):
            yield (relative / name).as_posix()


def _roots(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
