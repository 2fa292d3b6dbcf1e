"""Telling what kind of artifact a file or directory is, and reading it."""

from __future__ import annotations

from pathlib import Path

from statebake.verify.artifact import unreadable
from statebake.verify.environment import is_environment, read_environment
from statebake.verify.pex import is_pex, pex_of, read_pex_files
from statebake.verify.reading import ReadFiles, zip_at
from statebake.verify.wheel import wheel_of

_WHAT = "an artifact"


def read_files(path: Path) -> ReadFiles:
    """Return what the wheel, PEX or environment at ``path`` carries.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` for anything else, or what is not safe to read; ``BAD_RECORD`` or
    ``NEWER_FORMAT`` for a manifest that cannot be read.
    """
    if path.is_dir():
        if is_pex(path):
            return read_pex_files(path)
        if is_environment(path):
            return read_environment(path)
        raise unreadable(_WHAT, "it is a directory, and no PEX, OCI image layout or environment", str(path))
    what = "a wheel" if path.suffix == ".whl" else "a PEX" if path.suffix in {".pex", ".pyz"} else _WHAT
    tree, size = zip_at(path, what)
    if "PEX-INFO" in tree.files:
        return pex_of(tree, path, size)
    if any(name.endswith(".dist-info/WHEEL") for name in tree.files):
        return wheel_of(tree, size)
    raise tree.refused("it is a zip file with no PEX-INFO and no WHEEL in it")
