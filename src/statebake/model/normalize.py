"""Making what a fetch left safe to keep: nothing in it is shared with, or open to, anybody else."""

from __future__ import annotations

import os
import stat
import uuid
from collections import Counter
from pathlib import Path

from statebake.model.tree import MAX_DEPTH, TreeEntry, TreeFile, sort_files, walk

_NOT_KEPT = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH
_BYTE_CODE = (".pyc", ".pyo")


def normalize(root: Path) -> list[TreeFile]:
    """Make the key directory ``root`` safe to keep, and return its files as ``list_files`` does.

    - A symbolic link becomes a copy of what it points to: archives carry no links, so a key must mean the same without.
    - A hard link to a file that has names elsewhere becomes a copy: a write to the other name would change the state.
    - Python's byte code is removed: PEXes do not carry it, and no state is made of it.
    - Files lose their set-user-id, set-group-id and sticky bits, and nobody but the owner may write them; the owner may
      read and write every file and list every directory.

    The rules come before any change but the modes of directories. Raises ``StatebakeError`` and ``OSError`` as
    ``list_files`` does.
    """
    try:
        found = list(walk(root))
    except PermissionError:  # also through a link that comes before what it leads to
        _make_all_usable(root)
        found = list(walk(root))
    for directory in (root, *(entry.source for entry in found if _is_dir(entry) and not entry.linked)):
        make_usable(directory)
    files = [entry for entry in found if stat.S_ISREG(entry.status.st_mode)]
    own = [entry for entry in files if not entry.linked]
    names = Counter(_inode(entry) for entry in own)
    for entry in own:
        if entry.status.st_nlink > names[_inode(entry)]:
            _copy(entry, root).replace(entry.source)
        elif (mode := _kept_mode(entry)) != stat.S_IMODE(entry.status.st_mode):
            entry.source.chmod(mode)
    # Copies first, while every link still leads somewhere; then the links go, and the copies take their places.
    copies = [(_copy(entry, root), entry.source) for entry in files if entry.linked]
    for link in (entry.source for entry in found if entry.is_link):
        if link.is_symlink():  # not behind another link that is gone by now
            link.unlink()
    for copy, place in copies:
        place.parent.mkdir(parents=True, exist_ok=True)
        copy.rename(place)
    for entry in files:
        if entry.path.endswith(_BYTE_CODE):
            entry.source.unlink()
    return sort_files(
        TreeFile(entry.path, entry.source, entry.status.st_size)
        for entry in files
        if not entry.path.endswith(_BYTE_CODE)
    )


def make_usable(directory: Path) -> None:
    """Let the owner of ``directory`` list and change it, and nobody who is a stranger to its group change it."""
    mode = stat.S_IMODE(directory.stat().st_mode)
    if (wanted := (mode | stat.S_IRWXU) & ~stat.S_IWOTH) != mode:
        directory.chmod(wanted)


def _make_all_usable(root: Path) -> None:
    waiting = [(root, 0)]
    while waiting:
        directory, depth = waiting.pop()
        make_usable(directory)
        if depth <= MAX_DEPTH:  # what is deeper is refused
            with os.scandir(directory) as entries:
                waiting += [(Path(entry.path), depth + 1) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _is_dir(entry: TreeEntry) -> bool:
    return stat.S_ISDIR(entry.status.st_mode)


def _inode(entry: TreeEntry) -> tuple[int, int]:
    return entry.status.st_dev, entry.status.st_ino


def _kept_mode(entry: TreeEntry) -> int:
    return stat.S_IMODE(entry.status.st_mode) & ~_NOT_KEPT | stat.S_IRUSR | stat.S_IWUSR


def _copy(entry: TreeEntry, root: Path) -> Path:
    """Copy a file to a name of ``root`` that no component uses, and return it."""
    import shutil

    copy = root / f"~{uuid.uuid4().hex}"
    shutil.copyfile(entry.source, copy)
    copy.chmod(_kept_mode(entry))
    return copy
