"""The generated directory of a project that a build reads, as a value, and writing it."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from statebake.bake.files import replace_file
from statebake.bake.image.plan import INPUTS_DIR
from statebake.errors import Code, StatebakeError

DEPENDENCIES_DIR = "dependencies"
CONFIG_NAME = "pyproject.toml"
MOVE_STATE = "move_state.py"
LOCK_NAME = ".lock"


@dataclass(frozen=True)
class Inputs:
    """The files of ``INPUTS_DIR``, by their ``/``-separated path in it.

    ``whole``: its directories that contain nothing else; what an earlier build left there is removed.
    """

    files: Mapping[str, bytes]
    whole: tuple[str, ...] = (DEPENDENCIES_DIR,)


@contextlib.contextmanager
def alone_with_inputs(project: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other bakes of ``project`` from what a build reads; ``waiting`` is called if one of them comes first.

    The lock dies with its process. Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    directory = project / INPUTS_DIR
    _must_be_ours(directory, [LOCK_NAME])
    try:
        directory.mkdir(exist_ok=True)
        stream = (directory / LOCK_NAME).open("ab")
    except OSError as error:
        raise _failed(directory, error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write_inputs(project: Path, inputs: Inputs) -> Path:
    """Write ``inputs`` into ``project`` and return the directory. A file is the old one or the new one, never half.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    directory = project / INPUTS_DIR
    _must_be_ours(directory, [*inputs.files, *inputs.whole])
    try:
        for name, content in {".gitignore": b"*\n", **inputs.files}.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not (path.is_file() and path.read_bytes() == content):
                replace_file(path, content)
        for place in inputs.whole:
            _remove_others(directory, place, inputs)
    except OSError as error:
        raise _failed(directory, error) from error
    return directory


def _must_be_ours(directory: Path, names: Iterable[str]) -> None:
    """Raise ``OUTPUT_FAILED`` where a link would lead out of ``directory`` what is written or removed in it."""
    inside = {place for name in names for place in (PurePosixPath(name), *PurePosixPath(name).parents)}
    places = {directory, *(directory / place for place in inside)}
    if link := next((place for place in sorted(places) if place.is_symlink()), None):
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"What a build reads would be written through a symbolic link, to {link.readlink()}.",
            where=str(link),
            next_step="remove the link: statebake makes the directory itself",
        )


def _failed(directory: Path, error: OSError) -> StatebakeError:
    return StatebakeError(
        Code.OUTPUT_FAILED,
        f"What a build reads cannot be written: {error.strerror or error}.",
        where=str(error.filename or directory),
        next_step=f"make {INPUTS_DIR} writable, or remove it",
    )


def _remove_others(directory: Path, place: str, inputs: Inputs) -> None:
    for path in sorted((directory / place).rglob("*"), reverse=True):
        relative = path.relative_to(directory).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(name.startswith(f"{relative}/") for name in inputs.files):
                path.rmdir()
        elif relative not in inputs.files:
            path.unlink()
