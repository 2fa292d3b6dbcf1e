"""Running the real command line in a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What a test must not inherit from the person who runs it.
_DROPPED = ("STATEBAKE_", "DAGSTER_", "WEATHER_", "PEX_", "VIRTUAL_ENV", "PYTHONPATH")


@dataclass(frozen=True)
class Result:
    """How a run of ``statebake`` ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What ``--format json`` printed."""
        return json.loads(self.out)

    def ok(self) -> Result:
        """Return the result, or fail the test with all that was printed."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        return self


def clean_env(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return the environment for a run: this process's without what could leak in, with ``extra`` (``None``: unset)."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    env["NO_COLOR"] = "1"
    env["STATEBAKE_BACKOFF"] = "0.01s"  # what fails on purpose need not wait for long
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def statebake(
    *args: str | Path, cwd: Path, env: Mapping[str, str | None] | None = None, timeout: float = 600
) -> Result:
    """Run ``statebake ARGS`` in ``cwd`` and return how it ended."""
    return run([sys.executable, "-m", "statebake", *args], cwd=cwd, env=env, timeout=timeout)


def run(
    argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str | None] | None = None, timeout: float = 600
) -> Result:
    """Run any command and return how it ended."""
    finished = subprocess.run(
        [str(arg) for arg in argv],
        cwd=cwd,
        env=clean_env(env),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Result(finished.returncode, finished.stdout, finished.stderr)
