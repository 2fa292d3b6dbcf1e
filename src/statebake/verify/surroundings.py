"""What an artifact has besides its state, and where its runtime looks for a package; no I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from statebake.model.keys import STATE_DIR_NAME
from statebake.verify.artifact import ArtifactState
from statebake.verify.files import CONFIG_NAMES

DECLARATION_NAMES = ("defs.yaml", "component.yaml")
_PACKAGE = ("__init__.py", "__init__.pyc")
INSTALLED_FROM = "direct_url.json"
"""Has the URL that a package came from, where that was no index (PEP 610), with what was in it."""
TELLING_NAMES = frozenset({*CONFIG_NAMES, *DECLARATION_NAMES, *_PACKAGE, INSTALLED_FROM})
"""Files whose being there is asked for."""
TEXT_NAMES = frozenset({*CONFIG_NAMES, INSTALLED_FROM})
"""Files whose text is asked for."""


@dataclass(frozen=True)
class Surroundings:
    """What is beside the state.

    Attributes:
        files: the paths of all files, or, of an image, of those with a telling name.
        configs: the text of configuration files, by path.
        origins: the text of what says that a package came from no index, by path.
        requirements: what a PEX was made of, as it was asked for.
        roots: the directories on the import path of its runtime, the first first; empty where only a run could tell.
        one_directory: at run time all roots are below one directory.
        merges: they become this one directory, in which a file is the first root's that has it.
        merged: what is then in a state directory that several of them have, by its path below a root.
        unlisted: files of the state that the ``RECORD`` of their wheel does not list.
        closed: directories that not everybody may pass in an image, and telling files that not everybody may read; who
            may: a user's number, by path.
    """

    files: Collection[str] = frozenset()
    configs: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    one_directory: bool = False
    merges: bool = False
    merged: Mapping[str, ArtifactState] = field(default_factory=dict)
    unlisted: tuple[str, ...] = ()
    closed: Mapping[str, int] = field(default_factory=dict)

    def package_dirs(self, place: str) -> tuple[str, ...]:
        """Return the directories that a program sees as the package that has the state directory ``place``.

        ``place`` is relative to the import path, ``shop/defs/.local_defs_state``. It is one directory, none where
        nothing is found, or several: of a namespace package, or of an image, in which only a run can tell.
        """
        parts = [part for part in place.split("/")[:-1] if part]
        if self.roots:
            return find_package(self._directories, self.files, self.roots, parts)
        package = "/".join(parts)
        found = (path for path in self._packages if f"/{path}".endswith(f"/{package}"))
        return tuple(sorted(found)) if package else ()

    def copies(self, place: str) -> tuple[str, ...]:
        """Return every directory that could be that package for one root or another, in the order of the roots."""
        package = place.rpartition("/")[0]
        if not self.roots:
            return self.package_dirs(place)
        return tuple(path for root in self.roots if (path := join(root, package)) in self._directories)

    def configs_above(self, directory: str) -> list[str]:
        """Return the paths of the configuration files that a module in ``directory`` finds, the nearest first."""
        root = self.root_of(directory)
        inside = directory[len(root) :].strip("/") if root else directory.strip("/")
        parts = inside.split("/") if inside else []
        top = "/" if directory.startswith("/") and not root else ""
        places = [join(root, "/".join(parts[:depth])) for depth in range(len(parts), -1, -1)]
        if self.one_directory:
            places[-1:] = self.roots  # a file at the top is the first root's that has it
        paths = (f"{top}{join(place, name)}" for place in places for name in CONFIG_NAMES)
        return [path for path in paths if path in self.configs]

    def root_of(self, path: str) -> str:
        """Return the root that ``path`` is below of."""
        return root_above(path, self._root_set) or ""

    @cached_property
    def _root_set(self) -> frozenset[str]:
        return frozenset(self.roots)

    @cached_property
    def _directories(self) -> Container[str]:
        return Directories(self.files)

    @cached_property
    def _packages(self) -> frozenset[str]:
        found = (path.rpartition("/") for path in self.files)
        return frozenset(parent for parent, _, name in found if name in _PACKAGE or name in DECLARATION_NAMES)


def find_package(
    directories: Container[str], files: Collection[str], roots: Sequence[str], parts: Sequence[str]
) -> tuple[str, ...]:
    """Return where the package ``parts`` is imported from (https://docs.python.org/3/reference/import.html, PEP 420).

    The first root with a regular package wins; without any, every root's part of a namespace package counts.
    """
    places = tuple(roots)
    for part in parts:
        portions: list[str] = []
        for place in places:
            path = join(place, part)
            if any(join(path, name) in files for name in _PACKAGE):
                portions = [path]
                break
            if f"{path}.py" in files:
                portions = []
                break
            if path in directories:
                portions.append(path)
        places = tuple(portions)
    return places


def root_above(path: str, roots: Container[str]) -> str | None:
    """Return the deepest of the roots that ``path`` is below of, of which an empty one is above of all, or ``None``."""
    at = path.rfind("/")
    while at > 0:
        if path[:at] in roots:
            return path[:at]
        at = path.rfind("/", 0, at)
    return "" if "" in roots else None


def import_place(state_dir: str, roots: Container[str]) -> str:
    """Return the path of a state directory below the root that it is in."""
    root = root_above(state_dir, roots)
    return state_dir[len(root) + 1 :] if root else state_dir


def join(directory: str, name: str) -> str:
    """Return the path of ``name`` in ``directory``; either may be empty."""
    return f"{directory}/{name}" if directory and name else directory or name


class Directories:
    """The directories that are above files: looked for, not listed, for each file may have hundreds of long ones."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = sorted(files)

    def __contains__(self, path: object) -> bool:
        start = f"{path}/"
        at = bisect_left(self._files, start)
        return bool(path) and at < len(self._files) and self._files[at].startswith(start)


def state_dir_in(directory: str) -> str:
    """Return the state directory of a package's directory."""
    return join(directory, STATE_DIR_NAME)
