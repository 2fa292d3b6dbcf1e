"""Which copy of the state a runtime reads, where an artifact has several; no I/O.

A PEX puts its own files first on the import path, then its dependencies. With ``--venv`` it keeps them apart as well,
but with ``venv_site_packages_copies`` they become one directory (pex 2.105, ``pex/venv/installer.py``). A loose PEX
with ``--venv`` makes one directory too, unless a zipapp with the same hash has been run before: it counts as apart. In
an image only a run can tell: every copy counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from statebake.verify.artifact import ArtifactState
from statebake.verify.surroundings import Surroundings, import_place, state_dir_in

_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Copy:
    """A directory that the package is in, and the state in it; ``None``: there is none.

    ``installed``: a build backend made what is there, or an installer.
    """

    directory: str
    state: ArtifactState | None
    installed: bool = False

    @property
    def path(self) -> str:
        """Where its state is, or would be."""
        return state_dir_in(self.directory)


@dataclass(frozen=True)
class Copies:
    """The copies of one package.

    Attributes:
        place: the path of the state directory as the package is imported, ``shop/defs/.local_defs_state``.
        read: the copies that are read: one, none where the package cannot be imported, or every one of an image.
        unread: those that another root of the import path has.
        astray: state directories from which nothing is imported.
    """

    place: str
    read: tuple[Copy, ...]
    unread: tuple[Copy, ...] = ()
    astray: tuple[ArtifactState, ...] = ()


def find_places(states: Sequence[ArtifactState], around: Surroundings) -> tuple[str, ...]:
    """Return the places of the state that an artifact is about: those with a manifest, or all where none has one."""
    telling = [state for state in states if state.manifest is not None] or list(states)
    if around.roots:
        places = [_imported(import_place(state.path, around.roots), state.path, around) for state in telling]
    else:
        ends = sorted(("/".join(_below_root(state.path.strip("/").split("/"))) for state in telling), key=len)
        places = [end for number, end in enumerate(ends) if not any(_ends_with(end, other) for other in ends[:number])]
    return tuple(dict.fromkeys(places))


def find_copies(place: str, states: Sequence[ArtifactState], around: Surroundings, kind: str) -> Copies:
    """Return the copies of the package with the state directory ``place``."""
    by_path = {state.path: state for state in states}

    def copy(directory: str) -> Copy:
        return Copy(directory, by_path.get(state_dir_in(directory)), _is_installed(directory, around, kind))

    named = [state.path for state in states if _ends_with(state.path, place)]
    if not around.roots:
        directories = dict.fromkeys([path.rpartition("/")[0] for path in named])
        packages = [path for path in around.package_dirs(place) if path not in directories]
        return Copies(place, tuple(map(copy, directories)), tuple(map(copy, packages)))
    found = around.package_dirs(place)
    if not found:
        return Copies(place, (), astray=tuple(by_path[path] for path in named))
    astray = tuple(by_path[path] for path in named if import_place(path, around.roots) != place)
    if around.merges:
        with_state = next((path for path in around.copies(place) if state_dir_in(path) in by_path), found[0])
        read = copy(with_state)
        return Copies(place, (replace(read, state=around.merged.get(place, read.state)),), astray=astray)
    others = [path for path in around.copies(place) if path != found[0]]
    return Copies(place, (copy(found[0]),), tuple(map(copy, others)), astray)


def _imported(place: str, path: str, around: Surroundings) -> str:
    """Return the place that is meant by state at ``place``: that of a package of the same name that is imported."""
    parts = place.split("/")
    for start in range(1, len(parts) - 1):
        shorter = "/".join(parts[start:])
        found = around.package_dirs(shorter)
        if found and state_dir_in(found[0]) != path:
            return shorter
    return place


def _below_root(parts: Sequence[str]) -> Sequence[str]:
    """Return the part of a path below what is on an import path by its name, or else a package with its ``defs``."""
    for depth in range(len(parts) - 1, 0, -1):
        if parts[depth - 1] in {*_INSTALLED, "src"}:
            return parts[depth:]
    return parts[-3:]


def _ends_with(place: str, end: str) -> bool:
    return f"/{place}".endswith(f"/{end}")


def _is_installed(directory: str, around: Surroundings, kind: str) -> bool:
    if kind in {"wheel", "environment"}:
        return True
    if kind == "pex":
        return bool(around.root_of(directory))
    return any(part in _INSTALLED for part in directory.split("/"))
