"""pip and uv at the versions that ``tests/tools/installers.txt`` names, whatever the tests' own environment has."""

from __future__ import annotations

import functools
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from support.cli import run
from support.dagster import REPO

WANTED = REPO / "tests/tools/installers.txt"


@functools.cache
def installers() -> Path:
    """Return the directory that has them: ``pip``, which any interpreter runs, and ``bin/uv``. It is made once."""
    name = hashlib.sha256(f"{sys.version_info[:2]}\n{WANTED.read_text()}".encode()).hexdigest()[:12]
    made = REPO / ".cache/installers" / name
    if not made.is_dir():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as beside:
            target = Path(beside, name)
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
            run([*install, "--target", target, "-r", WANTED], cwd=Path(beside)).ok()
            try:
                target.rename(made)
            except OSError:  # another process was quicker
                shutil.rmtree(target)
    return made


def pip_program() -> Path:
    """Return what an interpreter runs as pip."""
    return installers() / "pip"


def uv_program() -> Path:
    """Return the program uv."""
    return installers() / "bin/uv"
