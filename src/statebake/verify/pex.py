"""Reading the state in a PEX without running it, in every layout that ``pex --layout`` makes.

A *zipapp* is a zip file with a shebang in front; *packed* is a directory with a zip file for each dependency; *loose*
is a directory with everything unpacked. Dependencies are in ``.deps``: unpacked, or, with ``--no-pre-install-wheels``,
as the wheels that they were. ``PEX-INFO`` says which, and whether a virtual environment is made of it at run time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statebake.verify.artifact import ArtifactState, unreadable
from statebake.verify.files import Budget, FileTree, walk_directory
from statebake.verify.reading import ReadFiles, read_tree, zip_at
from statebake.verify.surroundings import Directories
from statebake.verify.zips import Source, read_zip

_WHAT = "a PEX"
_INFO = "PEX-INFO"
_DEPS = ".deps"
_LARGEST_WHEEL = 1 << 30
_LARGEST_INFO = 16 << 20
_MOST_DEPENDENCIES = 5_000


def read_pex(path: Path) -> tuple[ArtifactState, ...]:
    """Return every state directory in the PEX at ``path``; raises as ``read_pex_files``."""
    return read_pex_files(path).states


def read_pex_files(path: Path) -> ReadFiles:
    """Return what the PEX at ``path`` carries, and where it imports it from.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` for what is no PEX or not safe to read, ``BAD_RECORD`` or
    ``NEWER_FORMAT`` for a manifest that cannot be read.
    """
    if path.is_dir():
        if not (path / _INFO).is_file():
            raise unreadable(_WHAT, "it is a directory, and has no PEX-INFO", str(path))
        tree = walk_directory(path, _WHAT)
        size = sum(file.size for file in tree.files.values())
    else:
        tree, size = zip_at(path, _WHAT)
        if _INFO not in tree.files:
            raise tree.refused("it has no PEX-INFO")
    return pex_of(tree, path, size)


def pex_of(tree: FileTree, path: Path, size: int) -> ReadFiles:
    """Return the same of the files of the PEX at ``path``; raises as ``read_pex_files``."""
    info = _info(tree)
    tree = _with_wheels(tree, Budget(_WHAT, str(path), size))
    venv, requirements = info.get("venv") is True, info.get("requirements")
    return read_tree(
        "pex",
        tree,
        size=size,
        roots=("", *_roots(tree, info)),
        requirements=[str(line) for line in requirements] if isinstance(requirements, list) else (),
        one_directory=venv,
        merges=venv and info.get("venv_site_packages_copies") is True,
    )


def is_pex(path: Path) -> bool:
    """Return whether the file or directory at ``path`` is a PEX, whatever it carries."""
    import zipfile

    if path.is_dir():
        return (path / _INFO).is_file()
    try:
        with zipfile.ZipFile(path) as archive:
            return _INFO in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _info(tree: FileTree) -> Mapping[str, Any]:
    try:
        info = json.loads(tree.read(_INFO, _LARGEST_INFO))
    except (ValueError, RecursionError) as error:
        raise tree.refused(f"its PEX-INFO is not JSON ({error})") from error
    if not isinstance(info, dict):
        raise tree.refused("its PEX-INFO is no JSON object")
    return info


def _roots(tree: FileTree, info: Mapping[str, Any]) -> list[str]:
    """Return the directories of the dependencies that are there, in the order in which they are on the import path."""
    found = info.get("distributions")
    names = sorted(str(name) for name in found) if isinstance(found, dict) else []
    there = Directories(tree.files)
    roots = [root for name in names if (root := f"{_DEPS}/{name}") in there]
    if len(roots) > _MOST_DEPENDENCIES:
        raise tree.refused(f"it has {len(roots)} dependencies, and {_MOST_DEPENDENCIES} are the most that are read")
    return roots


def _with_wheels(tree: FileTree, budget: Budget) -> FileTree:
    """Return the files with those in the zip files below ``.deps`` beside them."""
    wheels = (_wheel(tree, path, budget).at(path) for path in sorted(filter(_is_wheel, tree.files)))
    return tree.with_files(*wheels)


def _wheel(tree: FileTree, path: str, budget: Budget) -> FileTree:
    """Return the files of a wheel. If it is in a zip file itself, its bytes are kept if it has what will be read."""
    where = f"{tree.where}!{path}"
    on_disk = Path(tree.where) / path
    if on_disk.is_file():
        return read_zip(Source(lambda: on_disk.open("rb"), _WHAT, where), budget)
    content = tree.read(path, _LARGEST_WHEEL)
    found = read_zip(Source(lambda: io.BytesIO(content), _WHAT, where), budget)
    return found if found.state_dirs() or found.configs() else found.names_only()


def _is_wheel(path: str) -> bool:
    directory, _, name = path.rpartition("/")
    return directory == _DEPS and name.endswith(".whl")
