"""Killing a process that changes state at random moments, and seeing what it leaves."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from support.cli import clean_env
from support.pexes import digests
from support.trees import read_tree


@dataclass
class Tally:
    """Where the kills hit, and which of them left a key that is neither the old nor the new one."""

    seed: int
    hits: Counter[str] = field(default_factory=Counter)
    torn: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.hits[name]} {name}" for name in ("before", "within", "after", "ended by itself")]
        return f"seed {self.seed}: {', '.join(parts)} the commits; torn keys after {len(self.torn)} of them"


def kill_at(
    argv: list[str | Path],
    moment: float,
    *,
    cwd: Path,
    env: Mapping[str, str | None],
    after: Path | None = None,
    number: int = signal.SIGKILL,
) -> bool:
    """Start a command, send its process (and no other) a signal after ``moment`` seconds; return whether it still ran.

    ``after``: the seconds count from when this file is there.
    """
    process = subprocess.Popen(
        [str(arg) for arg in argv],
        cwd=cwd,
        env=clean_env(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while after and not after.exists() and process.poll() is None:
        time.sleep(0.001)
    time.sleep(moment)
    alive = process.poll() is None
    process.send_signal(number)
    process.wait()
    return alive


def look(tally: Tally, state_dir: Path, old: Mapping[str, str], new: Mapping[str, str], *, alive: bool) -> list[str]:
    """Count a kill by what it left, and return the keys that are neither wholly old nor wholly new."""
    found = digests(read_tree(state_dir))
    torn = sorted(name for name in {*old, *found} if found.get(name) not in {old.get(name), new.get(name)})
    changed = sum(found.get(name) == new[name] for name in new)
    phase = "before" if not changed else "after" if changed == len(new) else "within"
    tally.hits[phase if alive else "ended by itself"] += 1
    tally.torn.extend(torn[:1])
    return torn


def fractions(seed: int, count: int) -> list[float]:
    """Return ``count`` uniformly random parts of a duration."""
    random = Random(seed)
    return [random.random() for _ in range(count)]
