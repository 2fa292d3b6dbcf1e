"""File systems for one test: mounted at a directory, and in image files. They need root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def mounted(place: Path, *options: str | Path) -> Iterator[Path]:
    """Mount a file system at ``place``, a directory that is made where it is missing, for as long as the context."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *options, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def image(path: Path, kind: str, megabytes: int) -> Path:
    """Make a sparse image file with a file system of this kind (``xfs``: with reflinks) and return it."""
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), megabytes << 20)
    options = {"xfs": ["-q", "-m", "reflink=1"], "ext4": ["-q", "-F"]}[kind]
    subprocess.run([f"mkfs.{kind}", *options, path], check=True)
    return path


def reflink(source: Path, target: Path) -> Path:
    """Copy a file as it is at one instant, sharing its blocks, and return the copy."""
    subprocess.run(["cp", "--reflink=always", source, target], check=True)
    return target
