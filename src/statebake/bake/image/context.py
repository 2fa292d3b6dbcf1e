"""The build context: which ignore file counts, what is sent, and what makes it large; contents are not read.

Source: https://docs.docker.com/build/concepts/context/ and ``frontend/dockerui`` of https://github.com/moby/buildkit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from statebake.bake.image.ignore_rules import Rules, Visit, parse_rules

IGNORE_FILE = ".dockerignore"
_MOST_TELLING = 3
_MOST_LINKS = 40
_ONE_CHILD_IS_IT = 0.8
# Directories that say more than what is in them; hidden ones do too.
_KNOWN = frozenset({"env", "node_modules", "target", "venv"})


@dataclass(frozen=True)
class ContextFile:
    """A file or link that is sent: its path in the context, and the bytes of it that are (a link has none)."""

    path: str
    bytes: int


@dataclass(frozen=True)
class ContextListing:
    """What is sent in all, and the paths that most of it comes from with their bytes, the largest first."""

    files: int
    bytes: int
    largest: tuple[ContextFile, ...]


def find_ignore_file(context: Path, dockerfile: Path) -> Path | None:
    """Return the file whose rules BuildKit takes, or ``None``: ``<Dockerfile>.dockerignore`` before the context's own.

    Where that is a link, the answer is the file that BuildKit reads: for links, the directory that is sent is the whole
    machine. An engine without BuildKit knows the context's own file alone.
    """
    for path in (dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}"), context / IGNORE_FILE):
        found = _as_sent(path)
        if found is not None and found.is_file():
            return found
    return None


def read_rules(ignore_file: Path | None, name: str = IGNORE_FILE) -> Rules:
    """Return the rules of ``ignore_file``, none for ``None``.

    Raises ``StatebakeError`` (``BAD_SETTING``) for a line that an engine refuses, and ``OSError``.
    """
    if ignore_file is None:
        return Rules(())
    return parse_rules(ignore_file.read_bytes().decode(errors="surrogateescape"), name)


def walk_context(context: Path, rules: Rules, only: Sequence[str] | None = None) -> Iterator[ContextFile]:
    """Yield every file and link that is sent, in no particular order.

    ``only`` are the paths that the Dockerfile copies: BuildKit sends nothing else. A link is sent as a link; a file
    that has several names is sent once. What cannot be read, or is gone meanwhile, is left out: the engine says so.
    """
    seen: set[tuple[int, int]] = set()
    wanted = None if only is None else [path.strip("/") for path in only if path.strip("/") not in {"", "."}]
    if wanted is not None and len(wanted) < len(only or ()):
        wanted = None  # one of them is the whole context
    waiting: list[tuple[str, Visit]] = [("", rules.top)]
    while waiting:
        directory, visit = waiting.pop()
        for entry in _entries(context / directory):
            path = f"{directory}/{entry.name}" if directory else entry.name
            try:
                is_dir = entry.is_dir(follow_symlinks=False)
                if not _is_wanted(path, wanted, is_dir=is_dir):
                    continue
                if is_dir:
                    below = rules.enter(visit, path)
                    if not below.skipped:
                        waiting.append((path, below))
                elif not rules.decide_in(visit, path).excluded:
                    yield ContextFile(path, _size(entry, seen))
            except OSError:
                continue


def read_context(context: Path, rules: Rules, only: Sequence[str] | None = None) -> ContextListing:
    """Return how much of ``context`` is sent, and where it is; see ``walk_context``."""
    top = _Directory("")
    known = {"": top}
    files = 0
    for file in walk_context(context, rules, only):
        files += 1
        parent = file.path.rpartition("/")[0]
        directory = _directory(known, parent)
        directory.own += file.bytes
        if file.bytes > directory.largest_file.bytes:
            directory.largest_file = file
    for directory in reversed(known.values()):  # those below come after their parents
        directory.total = directory.own + sum(child.total for child in directory.children)
    return ContextListing(files, top.total, _most_telling(top))


@dataclass
class _Directory:
    path: str
    own: int = 0
    total: int = 0
    children: list[_Directory] = field(default_factory=list)
    largest_file: ContextFile = ContextFile("", 0)

    def parts(self) -> list[tuple[int, str, _Directory | None]]:
        """Return what is in it: its bytes, its path, and itself if it is a directory; of its files only the largest."""
        found: list[tuple[int, str, _Directory | None]] = [(child.total, child.path, child) for child in self.children]
        return [*found, (self.largest_file.bytes, self.largest_file.path, None)]


def _directory(known: dict[str, _Directory], path: str) -> _Directory:
    found = known.get(path)
    if found is None:
        above = _directory(known, path.rpartition("/")[0])
        found = known[path] = _Directory(path)
        above.children.append(found)
    return found


def _most_telling(top: _Directory) -> tuple[ContextFile, ...]:
    """Return the largest parts: a directory stands for what is in it, unless one part of it is nearly all of it."""
    candidates = top.parts()
    found: list[ContextFile] = []
    while candidates and len(found) < _MOST_TELLING:
        candidates.sort(key=lambda item: (-item[0], item[1]))
        size, path, directory = candidates.pop(0)
        if not size:
            break
        name = path.rpartition("/")[2]
        if directory and not name.startswith(".") and name not in _KNOWN:
            parts = directory.parts()
            if max(part[0] for part in parts) >= _ONE_CHILD_IS_IT * size:
                candidates += parts
                continue
        found.append(ContextFile(path, size))
    return tuple(found)


def _as_sent(path: Path) -> Path | None:
    """Return what the link at ``path`` leads to if its directory is the root of everything; ``None``: it goes round."""
    root = path.parent
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return path
        link = os.path.join("/", path.parent.relative_to(root), path.readlink())  # noqa: PTH118 - not on this machine
        path = root / os.path.normpath(link).lstrip("/")
    return None


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _is_wanted(path: str, wanted: Sequence[str] | None, *, is_dir: bool) -> bool:
    if wanted is None:
        return True
    return any(
        path == prefix or path.startswith(f"{prefix}/") or (is_dir and prefix.startswith(f"{path}/"))
        for prefix in wanted
    )


def _size(entry: os.DirEntry[str], seen: set[tuple[int, int]]) -> int:
    """Return the bytes that are sent of a file, none for its second name."""
    if not entry.is_file(follow_symlinks=False):
        return 0
    status = entry.stat(follow_symlinks=False)
    if status.st_nlink > 1:
        if (status.st_dev, status.st_ino) in seen:
            return 0
        seen.add((status.st_dev, status.st_ino))
    return status.st_size
