"""Directories for image data, on a file system that layers can be mounted from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.places import cache, running

# Those that the kernel takes as the upper layer of an overlay. An overlay itself, as in a container, is not one.
_FIT = ("btrfs", "ext2/ext3", "tmpfs", "xfs")


def place(name: str) -> Path:
    """Return where in the cache data of this name lies."""
    return cache() / "data" / name


def data(name: str) -> Path:
    """Return the directory of this name; its content outlives daemons.

    Where the cache's own file system is not fit, it lies in an ext4 image, which is mounted for as long as the daemon.
    """
    kept = place(name)
    kept.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%T", kept], capture_output=True, text=True, check=True).stdout.strip()
    if kind in _FIT:
        return kept
    image, mounted = kept / "image.ext4", running() / name / "data"
    if not image.exists():
        made = image.with_suffix(".new")
        subprocess.run(["truncate", "-s", "16G", made], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", made], check=True)
        made.replace(image)
    mounted.mkdir(parents=True, exist_ok=True)
    if not mounted.is_mount():
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    return mounted


def in_memory(name: str, megabytes: int) -> Path:
    """Return an empty directory of so many megabytes; its content goes with the daemon."""
    mounted = running() / name / "data"
    mounted.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", mounted], check=True)
    return mounted
