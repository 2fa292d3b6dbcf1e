"""The container engine: what it is, and reading, naming and pushing its images. Nothing is ever started here."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from statebake.config import BuilderCompat
from statebake.engine.connection import connect, engine_errors
from statebake.engine.endpoint import Endpoint, find_endpoint
from statebake.engine.image import ImageFacts, image_facts, push_failed, split_reference
from statebake.engine.reading import READER_LABEL, is_left_over, reader_name
from statebake.errors import Code, StatebakeError
from statebake.redact import redact

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 20
# The mode in an answer is one of Go's io/fs: Engine API, "Get information about files in a container".
_GO_SYMLINK = 1 << 27
_PUSHED = re.compile(r"\bdigest: (sha256:[0-9a-f]{64})\b")


@dataclass(frozen=True)
class EngineFacts:
    """What kind of engine it is.

    Attributes:
        version: the server's version, ``26.1.5+dfsg1``.
        platform: where its images run by default, ``linux/amd64``.
        podman: it is Podman's service.
        containerd_store: images are kept by containerd, so an image's id is the digest of its manifest or index.
        compat: what its built-in builder understands.
    """

    version: str
    platform: str
    podman: bool
    containerd_store: bool
    compat: BuilderCompat


class Engine:
    """An engine that has answered. Every method raises ``StatebakeError`` when it no longer does."""

    def __init__(self, client: APIClient, endpoint: Endpoint, env: Mapping[str, str]) -> None:
        self._client, self._env = client, env
        self.endpoint = endpoint
        with self._errors():
            self.facts = engine_facts(client.version(api_version=False), client.info())

    def runs(self, platform: str) -> bool:
        """Return whether it runs images for ``platform`` by itself: ``linux/arm64`` whatever its variant."""
        return platform.split("/")[:2] == self.facts.platform.split("/")[:2]

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def image(self, reference: str) -> ImageFacts:
        """Return what the engine knows of an image; raises ``IMAGE_NOT_FOUND``."""
        with self._errors(reference):
            client: Any = self._client  # the stubs leave these two untyped
            return image_facts(reference, client.inspect_image(reference), client.history(reference))

    @contextlib.contextmanager
    def files(self, image: str, path: str, *, links: bool = True) -> Iterator[BinaryIO | None]:
        """Give the tar stream of what an image has at ``path``, named from its last part on; ``None``: nothing.

        Without ``links``, a symbolic link is nothing.
        """
        from docker.errors import NotFound

        with self._container(image) as container:
            try:
                with self._errors(image):
                    chunks, stat = self._client.get_archive(container, path, chunk_size=_CHUNK)
            except StatebakeError as error:
                if isinstance(error.__cause__, NotFound):
                    yield None
                    return
                raise
            with _Stream(chunks, self._errors) as stream:
                is_link = bool(stat and stat["mode"] & _GO_SYMLINK)
                yield None if is_link and not links else cast(BinaryIO, stream)

    @contextlib.contextmanager
    def whole(self, image: str) -> Iterator[BinaryIO]:
        """Give the tar stream of an image's whole file system."""
        with self._container(image) as container:
            with self._errors(image):
                chunks = self._client.export(container, chunk_size=_CHUNK)
            with _Stream(chunks, self._errors) as stream:
                yield cast(BinaryIO, stream)

    @contextlib.contextmanager
    def saved(self, image: str) -> Iterator[BinaryIO]:
        """Give the tar stream with the layers of an image, as ``docker save`` writes it."""
        with self._errors(image):
            chunks = self._client.get_image(image, chunk_size=_CHUNK)
        with _Stream(chunks, self._errors) as stream:
            yield cast(BinaryIO, stream)

    def tag(self, image: str, reference: str) -> None:
        """Give an image a name, which another one may have had; without a tag in it, ``latest``."""
        repository, tag = split_reference(reference)
        with self._errors(image):
            self._client.tag(image, repository, tag=tag or "latest", force=True)

    def push(self, reference: str, on_line: Callable[[str], None]) -> str | None:
        """Push an image by the engine, with the credentials of ``config.json``; return the digest of its manifest.

        Raises ``PUSH_FAILED`` with the registry's words.
        """
        repository, tag = split_reference(reference)
        digest = None
        with self._errors(reference):
            for event in self._client.push(repository, tag=tag or "latest", stream=True, decode=True):
                if words := event.get("error"):
                    raise push_failed(reference, redact(str(words), self._env))
                status = str(event.get("status") or "")
                if found := _PUSHED.search(status):  # engines with the containerd store say it only so
                    digest = found[1]
                if status and not event.get("progressDetail"):
                    on_line(f"{event['id']}: {status}" if event.get("id") else status)
        return digest

    def build(self, context: BinaryIO, options: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the events of the engine's classic builder, which ``context``, a tar archive, is sent to."""
        from docker.errors import APIError

        with self._errors():
            try:
                yield from self._client.build(
                    fileobj=context, custom_context=True, decode=True, rm=True, forcerm=True, timeout=None, **options
                )
            except APIError as error:  # a Dockerfile that it cannot read, for example
                yield {"error": str(error.explanation)}

    @contextlib.contextmanager
    def sealed(
        self, image: str, command: Sequence[str], *, user: str, variables: Mapping[str, str]
    ) -> Iterator[Iterator[bytes]]:
        """Run a command in an image without a network, on a read-only file system; give what it prints, piece by piece.

        It has no privileges, and a temporary directory in memory. The container is removed when this is left, however
        far the command is. Raises ``StatebakeError``: ``IMAGE_NOT_FOUND``, ``NOT_SEALED`` where it cannot be started.
        """
        from docker.errors import APIError
        from docker.types import LogConfig

        options = self._client.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - in the container
            log_config=LogConfig(type="none"),  # it may print megabytes
        )
        environment = {"HOME": "/tmp", "TMPDIR": "/tmp", **variables}  # noqa: S108
        with self._container(image, command, user=user, environment=environment, host_config=options) as container:
            with self._errors(image):
                chunks = self._client.attach(container, stdout=True, stderr=True, stream=True)
                try:
                    self._client.start(container)
                except APIError as error:
                    raise StatebakeError(
                        Code.NOT_SEALED,
                        f"The image cannot be started: {redact(str(error.explanation), self._env)}",
                        where=image,
                        next_step=f"see whether it runs at all: docker run --rm --entrypoint {command[0]} {image} -V",
                    ) from error
            yield _guarded(chunks, self._errors)

    def sweep(self) -> None:
        """Remove the containers that killed runs of statebake have left behind."""
        with self._errors():
            for found in self._client.containers(all=True, filters={"label": READER_LABEL}):
                if is_left_over(found["Labels"].get(READER_LABEL, ""), found.get("Created", 0)):
                    self._discard(found["Id"])

    @contextlib.contextmanager
    def _container(self, image: str, command: Sequence[str] = ("/never-started",), **options: Any) -> Iterator[str]:
        """Give a container that is not started; it is always removed, or by the next run where this one is killed."""
        self.sweep()
        container = None
        try:
            with self._errors(image):
                container = self._client.create_container(
                    image,
                    entrypoint=list(command[:1]),
                    command=list(command[1:]),
                    labels={READER_LABEL: reader_name()},
                    **{"host_config": self._client.create_host_config(network_mode="none"), **options},
                )["Id"]
            yield container
        finally:
            if container is not None:
                self._discard(container)

    def _discard(self, container: str) -> None:
        with contextlib.suppress(StatebakeError), self._errors():
            self._client.remove_container(container, v=True, force=True)

    @contextlib.contextmanager
    def _errors(self, image: str | None = None) -> Iterator[None]:
        from docker.errors import NotFound

        with engine_errors(self.endpoint, self._env):
            try:
                yield
            except NotFound as error:
                if image is None:
                    raise
                raise StatebakeError(
                    Code.IMAGE_NOT_FOUND,
                    f"The engine has no image {image}.",
                    where=self.endpoint.host,
                    next_step=f"docker pull {image}",
                ) from error


def open_engine(env: Mapping[str, str]) -> Engine:
    """Return the engine that the environment leads to.

    Raises ``StatebakeError``: ``ENGINE_MISSING``, ``ENGINE_UNREACHABLE`` or ``ENGINE_DENIED``.
    """
    endpoint = find_endpoint(env)
    return Engine(connect(endpoint, env), endpoint, env)


def engine_facts(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """Return the facts in the answers of ``GET /version`` and ``GET /info`` (Docker Engine API)."""
    names = " ".join(str(item.get("Name")) for item in version.get("Components") or [])
    podman = "podman" in names.lower() or "libpod" in str(info.get("BuildahVersion", "")).lower()
    podman = podman or bool(info.get("BuildahVersion"))
    status = [list(item) for item in info.get("DriverStatus") or []]
    text = str(version.get("Version", ""))
    return EngineFacts(
        version=text,
        platform=f"{version.get('Os') or 'linux'}/{version.get('Arch') or 'amd64'}",
        podman=podman,
        containerd_store=["driver-type", "io.containerd.snapshotter.v1"] in status,
        compat="buildah" if podman else _compat(text),
    )


def _compat(version: str) -> BuilderCompat:
    """Return what the BuildKit inside a Docker Engine of that version understands (measured: 20.10, 26.1)."""
    found = re.match(r"(\d+)\.(\d+)", version)
    numbers = (int(found[1]), int(found[2])) if found else (23, 0)  # Moby's own builds are called "dev" or "master"
    if numbers >= (23, 0):
        return "buildkit"
    return "docker-20.10" if numbers >= (18, 9) else "classic"


def _guarded(chunks: Iterator[bytes], errors: Callable[[], contextlib.AbstractContextManager[None]]) -> Iterator[bytes]:
    """Yield the chunks; an error of the connection becomes a ``StatebakeError``."""
    while True:
        with errors():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


class _Stream(io.RawIOBase):
    """Reads what comes in chunks; an error of the connection becomes a ``StatebakeError``."""

    def __init__(self, chunks: Iterator[bytes], errors: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        super().__init__()
        self._chunks, self._errors, self._rest = iter(chunks), errors, b""

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            with self._errors():
                found, self._rest = self._rest + b"".join(self._chunks), b""
            return found
        while not self._rest:
            with self._errors():
                chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed and hasattr(self._chunks, "close"):
            self._chunks.close()
        super().close()
