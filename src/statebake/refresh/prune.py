"""Removing from a staged key directory what is no state: what the user excludes, and a dbt project's by-products.

A dbt project is copied into the state as it lies there, with what its checkout, its editor and earlier runs left. What
loading and running need stays: the sources, ``dbt_packages``, profiles, and of ``target`` the manifest and the partial
parse that dagster-dbt reads.
"""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from statebake.errors import StatebakeError
from statebake.model.keys import STATE_NAME
from statebake.model.normalize import make_usable
from statebake.model.transaction import remove_tree, storage_error
from statebake.model.tree import MAX_DEPTH
from statebake.refresh.documents import show_label
from statebake.refresh.ignore import is_ignored, parse_rules

_DBT_PROJECT = "dbt_project.yml"
_CHECKOUT_DIRS = frozenset({".venv", ".direnv", ".idea", ".vscode", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_CHECKOUT_FILES = frozenset({".env", ".envrc", ".user.yml", ".DS_Store"})
_GIT = ".git"  # a directory, or a file in a submodule or a work tree
_DBT_LOG = re.compile(r"target/[^/]*\.log")
_DBT_DIRS = frozenset({"logs", "target/compiled", "target/run"})
_EXAMPLES = 5


@dataclass(frozen=True)
class Pruned:
    """What was removed: how many files, their bytes, and the first few of the paths (a directory's ends with ``/``)."""

    files: int = 0
    bytes: int = 0
    examples: tuple[str, ...] = ()

    def blamed_for(self, error: StatebakeError) -> StatebakeError:
        """Return an error about state that is missing, saying that it may have been taken out."""
        shown = ", ".join(show_label(path) for path in self.examples) + (
            ", …" if self.files > len(self.examples) else ""
        )
        return StatebakeError(
            error.code,
            f"{error.message} Left out was what `exclude` and the defaults name: {shown}.",
            where=error.where,
            next_step="correct `exclude`, where !PATTERN keeps what a default leaves out; if that is not it: "
            f"{error.next_step}",
            detail=error.detail,
        )


@dataclass(frozen=True)
class _Entry:
    path: str
    name: str
    is_dir: bool
    is_link: bool
    size: int


_Tree = dict[str, list[_Entry]]
"""What is in each directory, by its relative path; the key directory is ``""``."""


def prune(staged: Path, patterns: Sequence[str]) -> Pruned:
    """Remove from ``staged`` what ``patterns`` (``.gitignore`` syntax, relative to it) match, and dbt's by-products.

    By default that is, of every directory with a ``dbt_project.yml``, ``logs``, ``target/*.log``, ``target/compiled``
    and ``target/run``, unless that file names them as a place of sources; of it and the directories around it,
    ``.git``, virtual environments, ``.env`` files, and the caches of editors and tools. A pattern with ``!`` keeps what
    a default would
    remove. The key's ``state`` is never removed itself, though what is in it can be. ``.gitignore`` files in the state
    mean nothing here, links are removed but not followed.

    Raises ``StatebakeError``: ``BAD_SETTING`` for a pattern that is none, ``COMMIT_FAILED`` and ``READ_ONLY`` where
    something cannot be removed.
    """
    rules = parse_rules(patterns)
    if staged.is_symlink() or not staged.is_dir():
        return Pruned()
    try:
        tree = _read(staged)
        defaults = _Defaults(staged, tree)
        doomed: list[_Entry] = []
        waiting = [""]
        while waiting:
            for entry in tree[waiting.pop()]:
                ignored = is_ignored(rules, entry.path, is_dir=entry.is_dir) if rules else None
                if entry.path != STATE_NAME and (defaults.match(entry) if ignored is None else ignored):
                    doomed.append(entry)
                elif entry.path in tree:
                    waiting.append(entry.path)
        for entry in doomed:
            _remove(staged, entry)
    except OSError as error:
        raise storage_error(error, staged) from error
    files = [file for entry in doomed for file in _files(tree, entry)]
    shown = sorted(entry.path + "/" * entry.is_dir for entry in doomed)
    return Pruned(len(files), sum(file.size for file in files), tuple(shown[:_EXAMPLES]))


def _read(staged: Path) -> _Tree:
    """Return all that is in ``staged``, but what is deeper than state may be: nothing of that is kept anyway."""
    tree: _Tree = {}
    waiting = [(staged, "", 0)]
    while waiting:
        directory, prefix, depth = waiting.pop()
        make_usable(directory)
        found = tree[prefix[:-1]] = []
        with os.scandir(directory) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                is_dir = stat.S_ISDIR(status.st_mode)
                size = status.st_size if stat.S_ISREG(status.st_mode) else 0
                path = prefix + entry.name
                found.append(_Entry(path, entry.name, is_dir, stat.S_ISLNK(status.st_mode), size))
                if is_dir and depth < MAX_DEPTH:
                    waiting.append((Path(entry.path), path + "/", depth + 1))
    return tree


def _files(tree: _Tree, entry: _Entry) -> Iterator[_Entry]:
    waiting = [entry]
    while waiting:
        entry = waiting.pop()
        if entry.is_dir:
            waiting.extend(tree.get(entry.path, ()))
        else:
            yield entry


def _remove(staged: Path, entry: _Entry) -> None:
    path = staged / entry.path
    if not entry.is_dir:
        path.unlink()
        return
    # First out of the key directory: what cannot be deleted then is at least not baked.
    make_usable(path)
    outside = staged.with_name(f"~{uuid.uuid4().hex}")
    path.rename(outside)
    remove_tree(outside)


class _Defaults:
    """What is removed without being asked for."""

    def __init__(self, staged: Path, tree: _Tree) -> None:
        self._staged = staged
        self._sources: dict[str, frozenset[PurePosixPath]] = {}
        self._around: set[str] = set()
        for directory, entries in tree.items():
            if any(entry.name == _DBT_PROJECT for entry in entries) and not self._is_installed(directory):
                self._sources[directory] = _source_paths(staged / directory / _DBT_PROJECT)
                self._around.update(("", *_parents(directory)))

    def match(self, entry: _Entry) -> bool:
        """Return whether ``entry`` is a by-product; a link counts as what it stands for."""
        above = entry.path[: -len(entry.name) - 1] if entry.path != entry.name else ""
        may_be_dir = entry.is_dir or entry.is_link
        if above in self._around:
            by_product = (
                entry.name == _GIT
                or (may_be_dir and (entry.name in _CHECKOUT_DIRS or self._is_venv(entry)))
                or (not entry.is_dir and (entry.name in _CHECKOUT_FILES or entry.name.startswith(".env.")))
            )
            if by_product and not self._has_sources(above, entry.name):
                return True
        two_up = _grandparent(above, entry.name)
        if not may_be_dir:
            return two_up[0] in self._sources and _DBT_LOG.fullmatch(two_up[1]) is not None
        for directory, name in ((above, entry.name), two_up):
            if name in _DBT_DIRS and directory in self._sources:
                return not self._has_sources(directory, name)
        return False

    def _is_venv(self, entry: _Entry) -> bool:
        return os.access(self._staged / entry.path / "pyvenv.cfg", os.F_OK)  # PEP 405; also behind a link

    def _is_installed(self, directory: str) -> bool:
        """Return whether ``directory`` is part of something installed: dbt's own packages have projects in them."""
        return not {".venv", "site-packages", _GIT}.isdisjoint(directory.split("/"))

    def _has_sources(self, directory: str, name: str) -> bool:
        path = PurePosixPath(name)
        return any(
            source.is_relative_to(path) or path.is_relative_to(source) for source in self._sources.get(directory, ())
        )


def _parents(directory: str) -> Iterator[str]:
    """Yield ``directory`` and those above it."""
    while directory:
        yield directory
        directory = directory.rpartition("/")[0]


def _grandparent(above: str, name: str) -> tuple[str, str]:
    directory, _, parent = above.rpartition("/")
    return directory, f"{parent}/{name}"


def _source_paths(project: Path) -> frozenset[PurePosixPath]:
    """Return the directories that a ``dbt_project.yml`` names as places of sources and of packages.

    Source: dbt's reference, "dbt_project.yml": ``model-paths``, ``seed-paths`` and the like, ``packages-install-path``.
    """
    import yaml

    try:
        if project.is_symlink():
            return frozenset()
        found = yaml.safe_load(project.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return frozenset()  # it is not for us to say what is wrong with it
    if not isinstance(found, dict):
        return frozenset()
    paths: list[object] = [found.get("packages-install-path")]
    for name, value in found.items():
        if isinstance(name, str) and name.endswith("-paths"):
            paths.extend(value if isinstance(value, list) else [value])
    return frozenset(
        PurePosixPath(path) for path in paths if isinstance(path, str) and PurePosixPath(path) != PurePosixPath()
    )
