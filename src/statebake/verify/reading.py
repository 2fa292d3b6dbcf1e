"""What every reader of a file or a directory does with the files that it found."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, cast

from statebake.errors import StatebakeError
from statebake.verify.artifact import ArtifactState, unreadable
from statebake.verify.files import Budget, FileTree
from statebake.verify.surroundings import INSTALLED_FROM, Surroundings, import_place, join, root_above
from statebake.verify.zips import Source, read_zip

_LARGEST_CONFIG = 1 << 20
_LARGEST_RECORD = 64 << 20
_DEEPEST_CONFIG = 6


@dataclass(frozen=True)
class ReadFiles:
    """A wheel, PEX or environment that was read: its size in bytes, its state directories, and what is beside them."""

    kind: Literal["wheel", "pex", "environment"]
    size: int
    states: tuple[ArtifactState, ...]
    around: Surroundings


def zip_at(path: Path, what: str) -> tuple[FileTree, int]:
    """Return the files of the zip file at ``path`` and its size; raises ``StatebakeError`` (``NOT_AN_ARTIFACT``)."""
    if not path.is_file():  # a FIFO would never open
        why = "it is a directory" if path.is_dir() else "it is no file" if path.exists() else "there is no such file"
        raise unreadable(what, why, str(path))
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(what, f"it cannot be read ({error})", str(path)) from error
    source = Source(cast("partial[BinaryIO]", partial(path.open, "rb")), what, str(path))
    return read_zip(source, Budget(what, str(path), size)), size


def read_tree(
    kind: Literal["wheel", "pex", "environment"],
    tree: FileTree,
    *,
    size: int,
    roots: Sequence[str],
    requirements: Sequence[str] = (),
    one_directory: bool = False,
    merges: bool = False,
) -> ReadFiles:
    """Return what the files of an artifact are; see ``Surroundings`` for the rest.

    Raises ``StatebakeError`` as ``FileTree.states`` does.
    """
    states = tree.states()
    around = Surroundings(
        files=frozenset(tree.files),
        configs={path: tree.read(path, _LARGEST_CONFIG).decode("utf-8", "replace") for path in _configs(tree, roots)},
        origins=dict(_origins(tree)),
        requirements=tuple(requirements),
        roots=tuple(roots),
        one_directory=one_directory,
        merges=merges,
        merged=_merged(tree, states, roots) if merges else {},
        unlisted=() if kind == "environment" else tuple(_unlisted(tree, states, roots)),
    )
    return ReadFiles(kind, size, states, around)


def _configs(tree: FileTree, roots: Sequence[str]) -> list[str]:
    """Return the configuration files that may be above a package: not those of some package's own templates."""
    found, known = [], frozenset(roots)
    for path in tree.configs():
        root = root_above(path, known)
        depth = root.count("/") + bool(root) if root is not None else 0
        if root is not None and path.count("/") - depth <= _DEEPEST_CONFIG and tree.files[path].content != "":
            found.append(path)
    return found


def _origins(tree: FileTree) -> Iterator[tuple[str, str]]:
    """Yield what says where packages came from; what cannot be such a file, or cannot be read, says nothing."""
    for path, file in tree.files.items():
        if path.endswith(f".dist-info/{INSTALLED_FROM}") and file.content != "":
            with contextlib.suppress(StatebakeError):
                yield path, tree.read(path, _LARGEST_CONFIG).decode("utf-8", "replace")


def _merged(tree: FileTree, states: Sequence[ArtifactState], roots: Sequence[str]) -> dict[str, ArtifactState]:
    places: dict[str, list[str]] = {}
    known = frozenset(roots)
    for state in states:
        places.setdefault(import_place(state.path, known), []).append(state.path)
    found = {}
    for place, paths in places.items():
        in_order = [path for root in roots if (path := join(root, place)) in paths] if len(paths) > 1 else []
        if len(in_order) > 1:
            merged = tree.moved(place, place).with_files(*(tree.moved(path, place) for path in reversed(in_order)))
            found[place] = merged.state(place)
    return found


def _unlisted(tree: FileTree, states: Sequence[ArtifactState], roots: Sequence[str]) -> list[str]:
    """Return the files of the state that the ``RECORD`` of their wheel does not list (PyPA, "Binary distribution").

    Installers differ in what they do with these.
    """
    records: dict[str, list[str]] = {}
    for path in tree.files:
        if path.endswith(".dist-info/RECORD"):
            records.setdefault(path.rpartition("/")[0].rpartition("/")[0], []).append(path)
    found, known = [], frozenset(roots)
    listed: dict[str, set[str]] = {}
    for state in states:
        root = root_above(state.path, known) or ""
        if len(records.get(root, ())) != 1:
            continue
        if root not in listed:
            listed[root] = _listed(tree, records[root][0])
        start = len(root) + 1 if root else 0
        inside = tree.moved(state.path, state.path).files
        found += [path for path in sorted(inside) if path[start:] not in listed[root]]
    return found


def _listed(tree: FileTree, record: str) -> set[str]:
    text = tree.read(record, _LARGEST_RECORD).decode("utf-8", "replace")
    try:
        return {row[0] for row in csv.reader(io.StringIO(text)) if row}
    except csv.Error as error:
        raise tree.refused(f"{record!r} cannot be read ({error})") from error
