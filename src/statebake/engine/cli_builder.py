"""Building with BuildKit through the docker program: by its plugin buildx, or by what the one of 20.10 has built in.

The engine's API has BuildKit only behind a gRPC session, which the docker program keeps.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.config import BuilderCompat
from statebake.engine.builder import Builder, OnEvent, failed_build
from statebake.engine.events import without_secrets
from statebake.engine.image import ATTESTATION, push_failed
from statebake.engine.progress import BuildKitProgress
from statebake.engine.request import BuildRequest, BuiltImage, cannot, secret_values
from statebake.errors import Code, StatebakeError
from statebake.process import run_tool, stream_tool
from statebake.redact import redact

if TYPE_CHECKING:
    from statebake.engine.client import Engine

_NEXT = "install Docker Engine"


class _CliBuilder(Builder):
    def __init__(self, engine: Engine, program: str, env: Mapping[str, str]) -> None:
        self._engine, self._program, self._env = engine, program, dict(env)

    def check(self, request: BuildRequest) -> None:
        request.text()
        if not request.platforms and "," in (default := self._env.get("DOCKER_DEFAULT_PLATFORM", "")):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"DOCKER_DEFAULT_PLATFORM names several platforms, {default}, and statebake would prove one of them.",
                where="DOCKER_DEFAULT_PLATFORM",
                next_step=f"name them to statebake: --platform {default}",
            )

    @abstractmethod
    def command(self, request: BuildRequest, directory: Path) -> list[str]:
        """Return the command line; reports go into ``directory``."""

    def build(self, request: BuildRequest, on_event: OnEvent) -> BuiltImage:
        self.check(request)
        progress = BuildKitProgress()
        secrets = {**self._env, **secret_values(request, self._env)}

        def on_line(line: str) -> None:
            for event in progress.feed(line):
                on_event(without_secrets(event, secrets))

        with tempfile.TemporaryDirectory(prefix="statebake-") as place:
            directory = Path(place)
            finished = stream_tool(
                self.command(request, directory),
                env=self._env,
                cwd=request.directory or request.context,
                next_step=_NEXT,
                on_line=on_line,
            )
            if finished.returncode:
                raise failed_build(progress.log, secrets, request)
            return self.result(request, _built(directory, progress))

    def result(self, request: BuildRequest, built: BuiltImage) -> BuiltImage:  # noqa: ARG002
        """Return what was built as the engine calls it."""
        return built

    def _common(self, request: BuildRequest, directory: Path) -> list[str]:
        return [
            "--progress=plain",
            f"--file={request.dockerfile.absolute()}",
            f"--iidfile={directory / 'iid'}",
            *(f"--tag={tag}" for tag in request.tags),
            *(f"--secret={secret}" for secret in request.secrets),
            *(f"--build-arg={argument}" for argument in request.build_args),
            *(f"--label={name}={value}" for name, value in request.labels.items()),
            *([f"--platform={','.join(request.platforms)}"] if request.platforms else []),
            *request.args,
            str(request.context.absolute()),
        ]


class BuildxBuilder(_CliBuilder):
    """``docker buildx build``."""

    def __init__(
        self, engine: Engine, program: str, env: Mapping[str, str], *, name: str | None, driver: str, title: str
    ) -> None:
        super().__init__(engine, program, env)
        self._name = name
        self.in_engine = driver == "docker"
        self.title = f"buildx with the builder {title} ({driver})"
        self.compat: BuilderCompat = engine.facts.compat if self.in_engine else "buildkit"

    def check(self, request: BuildRequest) -> None:
        super().check(request)
        if len(request.platforms) > 1 and self.in_engine and not self._engine.facts.containerd_store:
            raise cannot(
                "several platforms",
                "The engine's own builder",
                "docker buildx create --driver docker-container --name several; then give --builder several",
            )
        if request.output == "engine" and len(request.platforms) > 1 and not self._engine.facts.containerd_store:
            raise cannot("several platforms for an engine that stores one", self.title, "give --push")

    def command(self, request: BuildRequest, directory: Path) -> list[str]:
        output = {
            "engine": [] if self.in_engine else ["--load"],
            "layout": [f"--output=type=oci,dest={request.layout}"],
            "registry": ["--push"],
        }[request.output]
        name = [f"--builder={self._name}"] if self._name else []
        report = f"--metadata-file={directory / 'metadata.json'}"
        return [self._program, "buildx", "build", *name, *output, report, *self._common(request, directory)]

    def result(self, request: BuildRequest, built: BuiltImage) -> BuiltImage:
        loaded = request.output == "engine" and not self.in_engine
        if loaded and built.digest and self._engine.facts.containerd_store:
            return replace(built, id=built.digest)  # such a store does not know the configuration's digest
        return built

    def pushed(self, reference: str) -> frozenset[str]:
        name = [f"--builder={self._name}"] if self._name else []
        argv = [self._program, "buildx", "imagetools", "inspect", *name, "--raw", reference]
        finished = run_tool(argv, env=self._env, cwd=Path("/"), next_step=_NEXT)
        if finished.returncode:
            raise push_failed(reference, redact(finished.stderr.strip(), self._env))
        data = json.loads(finished.stdout)
        if "manifests" not in data:
            return frozenset({f"sha256:{hashlib.sha256(finished.stdout.encode()).hexdigest()}"})
        return frozenset(
            item["digest"] for item in data["manifests"] if ATTESTATION not in (item.get("annotations") or {})
        )


class DockerBuilder(_CliBuilder):
    """``docker build`` of a docker program that has BuildKit's client built in: 18.09 to 20.10."""

    in_engine = True
    title = "docker build (BuildKit)"
    loses = ("several platforms",)

    def __init__(self, engine: Engine, program: str, env: Mapping[str, str]) -> None:
        super().__init__(engine, program, {**env, "DOCKER_BUILDKIT": "1"})
        self.compat: BuilderCompat = engine.facts.compat

    def check(self, request: BuildRequest) -> None:
        super().check(request)
        if len(request.platforms) > 1:
            raise cannot("several platforms", "This docker program", "install the docker-buildx plugin")

    def command(self, request: BuildRequest, directory: Path) -> list[str]:
        return [self._program, "build", *self._common(request, directory)]


def _built(directory: Path, progress: BuildKitProgress) -> BuiltImage:
    iid, metadata = directory / "iid", directory / "metadata.json"
    image = iid.read_text(encoding="ascii").strip() if iid.exists() else progress.log.image or ""
    data = json.loads(metadata.read_bytes()) if metadata.exists() else {}
    digest, descriptor = data.get("containerimage.digest"), data.get("containerimage.descriptor") or {}
    # Without a store of manifests an engine calls the configuration's digest by that name, and describes nothing.
    known = digest if digest == descriptor.get("digest") or digest != data.get("containerimage.config.digest") else None
    sent = sum(progress.log.sent.values()) if progress.log.sent else None
    return BuiltImage(image, known, data, progress.log.cached, progress.log.ran, sent)
