"""Having the wrapped backend build, putting in what it left out, and proving that it is in there."""

from __future__ import annotations

import gzip
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from statebake.bake.wheel.contents import Contents
from statebake.bake.wheel.rewrite import complete_wheel, no_wheel, wheel_name
from statebake.bake.wheel.sdist import complete_sdist, sdist_name
from statebake.bake.wheel.version import LocalVersion
from statebake.errors import Code, StatebakeError
from statebake.inner_backend import Inner
from statebake.verify import compare, read_files, read_tar


def build_wheel(
    inner: Inner,
    contents: Contents,
    directory: Path,
    config_settings: Mapping[str, Any] | None,
    metadata_directory: str | None,
    *,
    own_version: bool = False,
) -> str:
    """Have ``inner`` build a wheel, and return its name in ``directory`` when ``contents`` were proved to be in it.

    It appears only then. ``own_version``: its version tells which state it has. Raises ``StatebakeError``:
    ``BACKEND_FAILED``, ``LEFT_OUT_BY_BACKEND``, ``ARTIFACT_MISMATCH``, ``OUTPUT_FAILED``; and whatever the backend
    raises.
    """
    local = _local(contents, own_version=own_version)
    with _beside(directory) as scratch:
        # Metadata that was prepared has the other version already, which the backend knows nothing of.
        prepared = None if local else metadata_directory
        built = inner.make("build_wheel", "wheel", scratch, config_settings, prepared)
        return finish_wheel(built, contents, inner.name, directory, local)


def prepare_metadata(
    inner: Inner, contents: Contents, directory: Path, config_settings: Mapping[str, Any] | None
) -> str:
    """Put the metadata into ``directory`` of the wheel whose version tells the state; return their directory's name.

    Only the wheel itself has them, so it is built, as a frontend does for a backend that cannot prepare them (PEP 517,
    "prepare_metadata_for_build_wheel"). Raises as ``build_wheel`` does.
    """
    with _beside(directory) as scratch:
        name = build_wheel(inner, contents, scratch, config_settings, None, own_version=True)
        with zipfile.ZipFile(scratch / name) as archive:
            inside = [entry for entry in archive.namelist() if entry.partition("/")[0].endswith(".dist-info")]
            archive.extractall(directory, inside)
    return inside[0].partition("/")[0]


def build_sdist(
    inner: Inner,
    contents: Contents,
    directory: Path,
    config_settings: Mapping[str, Any] | None,
    *,
    own_version: bool = False,
    latest: int | None = None,
) -> str:
    """Have ``inner`` build a source distribution, as ``build_wheel`` does; see ``finish_sdist`` for ``latest``."""
    local = _local(contents, own_version=own_version)
    with _beside(directory) as scratch:
        built = inner.make("build_sdist", "source distribution", scratch, config_settings)
        return finish_sdist(built, contents, inner.name, directory, local, latest=latest)


def _local(contents: Contents, *, own_version: bool) -> LocalVersion | None:
    return LocalVersion.of_state(contents.manifest.state_sha256()) if own_version else None


def finish_wheel(
    built: Path, contents: Contents, backend: str, directory: Path, local: LocalVersion | None = None
) -> str:
    """Put ``contents`` into a wheel that ``backend`` made, prove it, have it in ``directory``, and return its name."""
    name = wheel_name(built.name, local, backend)
    with _finished(name, directory) as path:
        complete_wheel(built, path, contents, backend, local)
        _prove_wheel(path, contents, name, backend)
    return name


def finish_sdist(
    built: Path,
    contents: Contents,
    backend: str,
    directory: Path,
    local: LocalVersion | None = None,
    *,
    latest: int | None = None,
) -> str:
    """Put ``contents`` into a source distribution that ``backend`` made, as ``finish_wheel`` does.

    Nothing of the backend's is dated after ``latest``, in seconds since 1970.
    """
    name = sdist_name(built.name, local, backend)
    with _finished(name, directory) as path:
        complete_sdist(built, path, contents, backend, local=local, latest=latest)
        _prove_sdist(path, contents, name)
    return name


@contextmanager
def _finished(name: str, directory: Path) -> Iterator[Path]:
    """Give the path to write to; what is there afterwards appears in ``directory``."""
    with _beside(directory) as scratch:
        try:
            yield scratch / name
            (scratch / name).replace(directory / name)
        except OSError as error:
            in_the_way = isinstance(error, IsADirectoryError)
            raise StatebakeError(
                Code.OUTPUT_FAILED,
                f"{name} cannot be written with the state in it: {error.strerror or error}.",
                where=str(error.filename2 or error.filename or directory),
                next_step="move the directory away" if in_the_way else "free some space, or make the file readable",
            ) from error


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    """Give a directory on the same file system, so that the last step is a rename."""
    try:
        scratch = tempfile.TemporaryDirectory(prefix=".statebake-", dir=directory)
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"Nothing can be written there: {error.strerror}.",
            where=str(directory),
            next_step="name another directory for what is built",
        ) from error
    with scratch as name:
        yield Path(name)


def _prove_wheel(path: Path, contents: Contents, name: str, backend: str) -> None:
    try:
        read = read_files(path)
    except StatebakeError as error:
        if error.code is not Code.NOT_AN_ARTIFACT:
            raise
        raise no_wheel(backend, name, error.message.rstrip(".")) from error
    compare(read.states, contents.manifest, name)
    if unlisted := read.around.unlisted:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The RECORD of the wheel does not list {unlisted[0]}.",
            where=name,
            next_step="report this, with the backend that is wrapped",
        )


def _prove_sdist(path: Path, contents: Contents, name: str) -> None:
    with gzip.open(path) as stream:
        compare(read_tar(cast(BinaryIO, stream), str(path)), contents.manifest, name)
