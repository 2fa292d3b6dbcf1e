"""Changing the state on disk so that every key is always the old one or the new one.

A key is written into ``.staging/<id>/<name>`` on the same file system, made durable, and swapped into place.
Sources: renameat2(2) for the exchange, fsync(2) for the order (file, directory, rename, parent directory).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shlex
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.model.keys import IGNORE_NAME, LAST_NAME, LOCK_NAME, STAGING_NAME
from statebake.model.tree import go_on

_OLD_DIR = "~old"  # no key directory has a name with a `~`, see `keys.sanitize_key`
_JOURNAL_NAME = "~journal.json"


@contextlib.contextmanager
def open_staging(state_dir: Path) -> Iterator[Path]:
    """Give a fresh staging directory of ``state_dir`` to the one process that may change the state.

    Creates ``state_dir`` with its ignore file where needed, finishes what a killed process left, and removes the
    staging directory at the end, whatever happened. Raises ``StatebakeError``: ``LOCKED`` when another process is at
    it, ``READ_ONLY`` when the directory cannot be written, ``COMMIT_FAILED`` for any other failure of the system.
    """
    staging_root = state_dir / STAGING_NAME
    if staging_root.is_symlink():
        raise StatebakeError(
            Code.COMMIT_FAILED,
            "The staging directory is a symbolic link: cleaning it up would delete what it points to.",
            where=str(staging_root),
            next_step=f"rm {shlex.quote(str(staging_root))}",
        )
    try:
        staging_root.mkdir(parents=True, exist_ok=True)
        lock = os.open(staging_root / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise storage_error(error, state_dir) from error
    try:
        staging = staging_root / uuid.uuid4().hex[:12]
        try:
            _lock(lock, state_dir)
            recover(state_dir)
            _write_ignore_file(state_dir)
            staging.mkdir()
        except OSError as error:
            raise storage_error(error, state_dir) from error
        try:
            yield staging
        finally:
            remove_tree(staging)
    finally:
        os.close(lock)


def is_unfinished(state_dir: Path) -> bool:
    """Return whether there is work in staging, of a process that runs or was killed."""
    with contextlib.suppress(FileNotFoundError):
        return any(entry.name not in {LOCK_NAME, LAST_NAME} for entry in (state_dir / STAGING_NAME).iterdir())
    return False


def recover(state_dir: Path) -> None:
    """Finish or undo what a killed process left in staging; the caller holds the lock."""
    staging_root = state_dir / STAGING_NAME
    for leftover in staging_root.iterdir():
        if leftover.name in {LOCK_NAME, LAST_NAME}:
            continue
        if not leftover.is_dir():
            leftover.unlink(missing_ok=True)
            continue
        for name, inode in _read_journal(leftover).items():
            if _inode(leftover / name) == inode:  # not in place yet
                if (leftover / _OLD_DIR / name).exists():  # the old one, whole; in its place is what is left of it
                    remove_tree(state_dir / name)
                _swap(state_dir / name, leftover / name)
                fsync_dir(state_dir)
        for old in (leftover / _OLD_DIR).glob("*"):
            if (leftover / old.name).exists():  # killed before the new state was in place
                place = state_dir / old.name
                remove_tree(place)  # what a removal left of the old one, if anything
                old.rename(place)
                fsync_dir(state_dir)
        remove_tree(leftover)


def remove_tree(root: Path) -> None:
    """Remove ``root`` and all that is in it, however deep it is and whatever its modes are, as far as that can be done.

    Directories are moved up before they are emptied, so that neither the stack nor a path's length sets a limit. Those
    that cannot be moved (in the lower layer of an overlay) are emptied where they are.
    """
    waiting: list[Path] = [root]
    emptied: set[Path] = set()
    while waiting:
        directory = waiting.pop()
        with contextlib.suppress(OSError):
            if directory not in emptied:
                waiting += _empty(directory, root)
                emptied.add(directory)
            directory.rmdir()


def discard(staged: Path) -> None:
    """Remove a staged key directory, or what its commit has put in its place: the old state."""
    remove_tree(staged.parent / _OLD_DIR / staged.name)
    remove_tree(staged)


def _empty(directory: Path, root: Path) -> list[Path]:
    """Remove the files of ``directory`` and move its directories beside ``root``; return what to remove, last first."""
    directory.chmod(0o700)
    left = []
    for entry in list(os.scandir(directory)):
        path = Path(entry.path)
        if not entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError):
                path.unlink()
            continue
        moved = root.with_name(f"{root.name}~{uuid.uuid4().hex}")
        try:
            path.chmod(0o700)
            path.rename(moved)
            left.append(moved)
        except OSError:
            left.append(path)
    return [directory, *left] if any(path.parent == directory for path in left) else left


def commit_keys(state_dir: Path, staged: Sequence[Path], pulse: Callable[[], None] = go_on) -> None:
    """Make the staged key directories the state of their keys, durably; their names are the sanitized keys.

    Opened by its path, a key is the old one or the new one at every instant (where the file system cannot exchange
    two directories, it is missing for an instant, and ``recover`` brings the old one back). Of several keys all are
    committed or none: what a killed process left half done, the next start finishes; readers in between see some of
    them. ``pulse`` is called until the first one is put in place, and ends this by raising. Raises ``StatebakeError``
    (``COMMIT_FAILED``, ``READ_ONLY``); every old state is then unchanged.
    """
    if not staged:
        return
    try:
        entries = {directory.name: fsync_tree(directory, pulse) for directory in staged}
        done: list[Path] = []
        try:
            if len(staged) > 1:
                _write_journal(staged)
            for directory in staged:
                _swap(state_dir / directory.name, directory)
                done.append(directory)
            fsync_dir(state_dir)
            for name, count in entries.items():
                if _count(state_dir / name) != count:  # somebody who deletes staging follows a directory out of it
                    raise FileNotFoundError(errno.ENOENT, "it was changed while it was put in place")
        except (OSError, StatebakeError):
            for directory in reversed(done):
                _swap_back(state_dir / directory.name, directory)
            _remove_journal(staged[0].parent, state_dir)
            raise
    except OSError as error:
        raise storage_error(error, state_dir / staged[0].name) from error


def _swap(place: Path, staged: Path) -> None:
    """Put the staged directory in place; the old one is in staging afterwards."""
    if not os.path.lexists(place):
        staged.rename(place)
    elif not _exchange(staged, place):
        old = _move_aside(place, staged)
        try:
            staged.rename(place)
        except OSError:
            old.rename(place)
            raise


def _swap_back(place: Path, staged: Path) -> None:
    """Undo ``_swap``; that two directories could be exchanged a moment ago does not say that they can be now."""
    old = staged.parent / _OLD_DIR / staged.name
    if staged.exists():  # they were exchanged
        if _exchange(staged, place):
            return
        old.parent.mkdir(exist_ok=True)
        staged.rename(old)
    place.rename(staged)
    if old.exists():
        old.rename(place)


def _write_journal(staged: Sequence[Path]) -> None:
    """Write down which directories belong together, so that ``recover`` can finish: their names and their inodes."""
    staging = staged[0].parent
    replace_file(staging / _JOURNAL_NAME, json.dumps({path.name: _inode(path) for path in staged}), staging)


def _remove_journal(staging: Path, state_dir: Path) -> None:
    """Forget what belonged together, for all of it is old again; else who is killed in clearing up leaves half of it.

    A file system that does not sync is no reason to keep it.
    """
    with contextlib.suppress(OSError):
        fsync_dir(state_dir)
    with contextlib.suppress(OSError):
        (staging / _JOURNAL_NAME).unlink(missing_ok=True)
        fsync_dir(staging)


def _read_journal(staging: Path) -> dict[str, int]:
    try:
        journal: dict[str, int] = json.loads((staging / _JOURNAL_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return journal


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


def _move_aside(place: Path, staged: Path) -> Path:
    """Move the old state into staging and return where it is; as long as it is there, ``recover`` can bring it back."""
    old_dir = staged.parent / _OLD_DIR
    old_dir.mkdir(exist_ok=True)
    old = old_dir / staged.name
    try:
        place.rename(old)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # A directory of a lower layer of an overlay cannot be renamed: a copy of it takes its place.
        copy = staged.parent / f"~{staged.name}"
        shutil.copytree(place, copy, symlinks=True)
        fsync_tree(copy)
        copy.rename(old)
        fsync_dir(old_dir)
        shutil.rmtree(place)
    return old


def replace_file(path: Path, text: str, staging: Path) -> None:
    """Write ``text`` into ``staging``, make it durable, and rename it to ``path``; raises ``StatebakeError``.

    It is not written beside ``path``, where a kill would leave a file that belongs to no state.
    """
    scratch = staging / f"{uuid.uuid4().hex}.tmp"
    try:
        with scratch.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
        fsync_dir(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error


def _write_ignore_file(state_dir: Path) -> None:
    path = state_dir / IGNORE_NAME
    if not path.exists():
        replace_file(path, "*\n", state_dir / STAGING_NAME)


def fsync_tree(root: Path, pulse: Callable[[], None] = go_on) -> int:
    """Make every file and directory under ``root``, and ``root`` itself, durable; raises ``OSError``, and as ``pulse``.

    Returns how many entries there are.
    """
    count = 0
    for directory, inside, names in os.walk(root, topdown=False):
        count += len(inside) + len(names)
        for name in names:
            if Path(directory, name).is_symlink():
                continue
            pulse()
            descriptor = os.open(Path(directory, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_dir(Path(directory))
    return count


def _count(root: Path) -> int:
    return sum(len(inside) + len(names) for _, inside, names in os.walk(root))


def storage_error(error: OSError, path: Path) -> StatebakeError:
    """Return what a failed system call on ``path`` means to the user."""
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return StatebakeError(
            Code.READ_ONLY,
            f"The state directory cannot be written: {os.strerror(error.errno)}.",
            where=str(path),
            next_step="make the directory writable; what only reads the state that is there: statebake check, and bake "
            "with --no-refresh",
        )
    return StatebakeError(
        Code.COMMIT_FAILED,
        f"Writing state failed: {os.strerror(error.errno) if error.errno else error}. The old state is unchanged.",
        where=str(error.filename or path),
        next_step="free some space and refresh again"
        if error.errno in {errno.ENOSPC, errno.EDQUOT}
        else "look at the file system's state, then refresh again",
    )


def _lock(descriptor: int, state_dir: Path) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
        raise StatebakeError(
            Code.LOCKED,
            f"Another process refreshes this project's state (process {holder}).",
            where=str(state_dir),
            next_step="wait until it has finished, then try again",
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable; raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_NO_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP, errno.EPERM}


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two directories in one step; return ``False`` where the system or file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    result = libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if result == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))
