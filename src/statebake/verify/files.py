"""The files of an artifact that is a file or a directory, found but not yet read."""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, cast

from statebake.errors import StatebakeError
from statebake.model.keys import MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME
from statebake.model.tree import SPARSE_BYTES
from statebake.verify.artifact import ArtifactState, FoundFile, artifact_state, odd_state, unreadable

CONFIG_NAMES = ("dg.toml", "pyproject.toml")
"""What Dagster is configured by: the first that is in a directory counts there."""
_LARGEST_TEXT = 64 << 20
_MOST_FILES = 1_000_000
_DEEPEST = 4  # state directories in state directories
FREE_BYTES = 1 << 28
LARGEST_RATIO = 100
"""What is packed may unpack to so many times its size, or to ``FREE_BYTES``: text does, and zeros do not."""


class Budget:
    """How much an artifact may unpack to: more than any state does, and little enough to end soon.

    ``size`` is the artifact's own, in bytes.
    """

    def __init__(self, what: str, where: str, size: int) -> None:
        self.most = max(FREE_BYTES, LARGEST_RATIO * size)
        self._left = self.most
        self._error = unreadable(
            what, f"what was read of it unpacks to more than {self.most} bytes, {LARGEST_RATIO} times its size", where
        )

    def take(self, count: int) -> None:
        """Say that so many bytes were unpacked; raises ``StatebakeError`` where that is too much."""
        self._left -= count
        if self._left < 0:
            raise self._error


@dataclass(frozen=True)
class FileTree:
    """Files by ``/``-separated path.

    Attributes:
        what: the kind of artifact, ``a PEX``, for errors.
        where: its place, for errors.
        files: every regular file.
        directories: directories, as far as they were told of.
        odd: what is neither, in words: ``a symbolic link``.
    """

    what: str
    where: str
    files: Mapping[str, FoundFile]
    directories: Collection[str]
    odd: Mapping[str, str] = field(default_factory=dict)

    def read(self, path: str, most: int = _LARGEST_TEXT) -> bytes:
        """Return a file's content; raises ``StatebakeError`` where it has more than ``most`` bytes, or is not read."""
        file = self.files[path]
        if file.size > most:
            raise self.refused(f"{path!r} has {file.size} bytes, too many for what it should be")
        assert not isinstance(file.content, str)
        content = bytearray()
        try:
            with file.content() as stream:
                while chunk := stream.read(1 << 16):
                    content += chunk
        except OSError as error:
            raise self.refused(f"{path!r} cannot be read ({error.strerror or error})") from error
        return bytes(content)

    def refused(self, why: str) -> StatebakeError:
        """Return the error that the artifact cannot be read."""
        return unreadable(self.what, why, self.where)

    def at(self, prefix: str) -> FileTree:
        """Return the same files below ``prefix``, a directory."""
        return replace(
            self,
            files={f"{prefix}/{path}": file for path, file in self.files.items()},
            directories={prefix, *(f"{prefix}/{path}" for path in self.directories)},
            odd={f"{prefix}/{path}": what for path, what in self.odd.items()},
        )

    def moved(self, old: str, new: str) -> FileTree:
        """Return only what is below ``old``, as if it was below ``new``."""
        cut = len(old) + 1
        files, directories, odd = (_below(paths, f"{old}/") for paths in self._sorted)
        return replace(
            self,
            files={path[cut:]: self.files[path] for path in files},
            directories={path[cut:] for path in directories},
            odd={path[cut:]: self.odd[path] for path in odd},
        ).at(new)

    @cached_property
    def _sorted(self) -> tuple[list[str], list[str], list[str]]:
        return sorted(self.files), sorted(self.directories), sorted(self.odd)

    def with_files(self, *others: FileTree) -> FileTree:
        """Return all files; where several have one, it is the last one's."""
        trees = (self, *others)
        return replace(
            self,
            files={path: file for tree in trees for path, file in tree.files.items()},
            directories={path for tree in trees for path in tree.directories},
            odd={path: what for tree in trees for path, what in tree.odd.items()},
        )

    def names_only(self) -> FileTree:
        """Return the same files, whose content is not at hand any more."""
        return replace(self, files={path: FoundFile(file.size, "") for path, file in self.files.items()})

    def configs(self) -> list[str]:
        """Return the paths of the configuration files."""
        return [path for path in self.files if path.rpartition("/")[2] in CONFIG_NAMES]

    def state_dirs(self) -> list[str]:
        """Return the paths of the state directories; one inside of another counts if it has a manifest."""
        found = set()
        for path in (*self.files, *self.odd, *self.directories):
            for number, (place, _) in enumerate(_split(path)):
                if number == 0 or f"{place}/{MANIFEST_NAME}" in self.files:
                    found.add(place)
        return sorted(found)

    def states(self) -> tuple[ArtifactState, ...]:
        """Return every state directory; raises as ``artifact_state`` does, and for what cannot be baked."""
        return tuple(self._states(self.state_dirs()))

    def state(self, place: str) -> ArtifactState:
        """Return the state directory at ``place``."""
        [found] = self._states([place])
        return found

    def _states(self, places: list[str]) -> Iterator[ArtifactState]:
        files: dict[str, dict[str, FoundFile]] = {place: {} for place in places}
        directories: dict[str, set[str]] = {place: set() for place in places}
        for path, what in self.odd.items():
            if STATE_DIR_NAME in path.split("/"):
                raise odd_state(self.what, what, path, self.where)
        for path, file in self.files.items():
            for place, inside in _split(path):
                if inside and place in files:
                    files[place][inside] = file
        for path in self.directories:
            for place, inside in _split(path):
                if inside and place in files:
                    directories[place].add(inside)
        for place in places:
            read = partial(self._text, place)
            yield artifact_state(place, files[place], directories[place], read, self.where)

    def _text(self, place: str, name: str) -> bytes:
        assert name.rpartition("/")[2] in {MANIFEST_NAME, RECORD_NAME}
        return self.read(f"{place}/{name}")


def _below(paths: list[str], start: str) -> Iterator[str]:
    """Yield the paths that begin with ``start``, of sorted ones."""
    for at in range(bisect_left(paths, start), len(paths)):
        if not paths[at].startswith(start):
            return
        yield paths[at]


def _split(path: str) -> Iterator[tuple[str, str]]:
    """Yield every state directory that ``path`` is, or is in, the outermost first, and what comes after it."""
    if STATE_DIR_NAME in path:
        parts = path.split("/")
        depths = [depth for depth, part in enumerate(parts, 1) if part == STATE_DIR_NAME]
        for depth in depths[:_DEEPEST]:
            yield "/".join(parts[:depth]), "/".join(parts[depth:])


def walk_directory(root: Path, what: str) -> FileTree:
    """Return the files below ``root``; no link is followed. Raises ``StatebakeError`` (``NOT_AN_ARTIFACT``)."""
    files: dict[str, FoundFile] = {}
    directories: set[str] = set()
    odd: dict[str, str] = {}
    places = [""]
    try:
        while places:
            place = places.pop()
            with os.scandir(root / place) as entries:
                for entry in entries:
                    path = f"{place}/{entry.name}" if place else entry.name
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        directories.add(path)
                        places.append(path)
                    elif stat.S_ISREG(status.st_mode) and not _is_hollow(status):
                        files[path] = FoundFile(status.st_size, partial(_open, root / path))
                    elif stat.S_ISREG(status.st_mode):
                        odd[path] = "a large sparse file"
                    else:
                        odd[path] = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "what is no regular file"
            if len(files) + len(directories) + len(odd) > _MOST_FILES:
                raise unreadable(what, f"it has more than {_MOST_FILES} files", str(root))
    except OSError as error:
        raise unreadable(what, f"it cannot be read ({error})", str(root)) from error
    return FileTree(what, str(root), files, directories, odd)


def _is_hollow(status: os.stat_result) -> bool:
    return status.st_size > SPARSE_BYTES and status.st_blocks * 512 < status.st_size / 2


def _open(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    return cast(BinaryIO, os.fdopen(descriptor, "rb"))
