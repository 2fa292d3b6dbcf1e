"""Taking credentials out of git's own files in fetched state: a checkout keeps the URL that it was cloned with.

What git writes of remotes is in ``config`` and ``FETCH_HEAD`` of the git directory, in ``logs``, and in ``.gitmodules``
(git-config(1), gitrepository-layout(5)); hosted CI also leaves a header with a token in ``config``.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from statebake.model.transaction import storage_error
from statebake.model.tree import MAX_DEPTH

# The user of an SSH address without a password is no credential: without it git logs in as somebody else.
_SSH_USER = rb"(?<=ssh://)[^/\s\"'@:]+@[^/\s\"'@]*(?![^/\s\"'])"
_CREDENTIALS = re.compile(rb"(?<=://)(?!" + _SSH_USER + rb")[^/\s\"'@]+(?:@[^/\s\"'@]+)*@")
# With the lines that it is continued on; it may follow its section on one line.
_HEADER = re.compile(
    rb"(?:^|(?<=\]))[ \t]*extraheader[ \t]*=(?:[^\\\n]|\\\r?\n|\\.)*\\?(?:\n|\Z)", re.IGNORECASE | re.MULTILINE
)
_LARGEST = 1 << 24
_IN_GIT_DIR = frozenset({"config", "FETCH_HEAD", "packed-refs"})


def scrub(staged: Path) -> tuple[str, ...]:
    """Take the credentials out of the git remotes in ``staged``, a key directory, and return the files that had some.

    Paths are relative to it. No link is followed, and nothing but regular files is opened; a hard link to a file
    elsewhere becomes a file of its own, so that the other one stays as it is. Raises ``StatebakeError``
    (``COMMIT_FAILED``, ``READ_ONLY``) where a file cannot be written.
    """
    if staged.is_symlink() or not staged.is_dir():
        return ()
    changed = []
    try:
        for path in _git_files(staged):
            before = path.read_bytes()
            after = _CREDENTIALS.sub(b"", _HEADER.sub(b"", before))
            if after != before:
                _replace(path, after)
                changed.append(path.relative_to(staged).as_posix())
    except OSError as error:
        raise storage_error(error, staged) from error
    return tuple(sorted(changed))


def _git_files(root: Path) -> Iterator[Path]:
    """Yield the files of git directories that name remotes, wherever in ``root`` these are."""
    waiting = [(root, 0)]
    while waiting:
        directory, depth = waiting.pop()
        with os.scandir(directory) as found:
            entries = {entry.name: entry for entry in found}
        is_git = {"HEAD", "config", "objects"} <= entries.keys()
        for name, entry in entries.items():
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and depth < MAX_DEPTH:
                if is_git and name == "logs":
                    yield from _regular_files(Path(entry.path))
                elif not (is_git and name == "objects"):
                    waiting.append((Path(entry.path), depth + 1))
            elif (name == ".gitmodules" or (is_git and name in _IN_GIT_DIR)) and _is_readable(status):
                yield Path(entry.path)


def _regular_files(root: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(root):
        for path in (Path(directory, name) for name in names):
            if _is_readable(path.lstat()):
                yield path


def _is_readable(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f"~{uuid.uuid4().hex}")
    beside.write_bytes(content)
    beside.chmod(stat.S_IMODE(path.lstat().st_mode) | stat.S_IRUSR | stat.S_IWUSR)
    beside.replace(path)
