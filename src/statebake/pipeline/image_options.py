"""What a command asks of the bake of an image besides the settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImageOptions:
    """To push, to fetch in the build, and where to write reports.

    ``directory`` is what relative paths in secrets and in arguments of the builder start from. ``reuse_state``: a build
    that fetches may take what the builder has of an earlier one.
    """

    directory: Path
    push: bool = False
    refresh_in_build: bool = False
    iidfile: Path | None = None
    metadata_file: Path | None = None
    reuse_state: bool = False
