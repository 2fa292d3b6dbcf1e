"""A clock that a test sets for real processes: their time of day only, for a monotonic clock cannot be set."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path


class Clock:
    """The time of day of every process that is started with ``env``; it goes right until it is shifted."""

    def __init__(self, root: Path) -> None:
        self.file, library = root / "clock", root / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
        self.env: dict[str, str | None] = {"LD_PRELOAD": str(library), "TEST_CLOCK": str(self.file)}
        self.shift(timedelta(0))

    def shift(self, by: timedelta) -> None:
        """Set the clock, also of processes that run."""
        self.file.write_text(f"{by.total_seconds():.0f}\n")
