"""Reading the state in what packages are installed into: a virtual environment, or a directory of packages."""

from __future__ import annotations

from pathlib import Path

from statebake.verify.artifact import unreadable
from statebake.verify.files import walk_directory
from statebake.verify.reading import ReadFiles, read_tree

_WHAT = "an environment"


def is_environment(path: Path) -> bool:
    """Return whether packages are installed into the directory ``path``."""
    return bool(_site_packages(path))


def read_environment(path: Path) -> ReadFiles:
    """Return what an environment carries: of a virtual environment, what is in its ``site-packages``.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT``, ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    places = _site_packages(path)
    if not places:
        raise unreadable(_WHAT, "no package is installed into this directory", str(path))
    tree = walk_directory(path / places[0], _WHAT)
    if places[0]:
        tree = tree.at(places[0])
    size = sum(file.size for file in tree.files.values())
    return read_tree("environment", tree, size=size, roots=places[:1])


def _site_packages(path: Path) -> tuple[str, ...]:
    """Return the directories of packages, relative to ``path``."""
    try:
        if (path / "pyvenv.cfg").is_file():
            return tuple(sorted(str(found.relative_to(path)) for found in path.glob("lib/python*/site-packages")))
        return ("",) if path.is_dir() and any(path.glob("*.dist-info")) else ()
    except OSError:
        return ()
