"""Calling the build backend's hooks as a frontend does, in this very environment: quicker than an isolated build."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from support.builds import EPOCH
from support.cli import Result, run


def call_hook(
    project: Path,
    hook: str,
    *arguments: object,
    named: Mapping[str, object] | None = None,
    env: Mapping[str, str | None] | None = None,
    prefix: str = "",
) -> Result:
    """Call a hook of ``statebake.backend`` in a process of its own; it prints what the hook returned."""
    call = f"{hook}(*{arguments!r}, **{dict(named or {})!r})"
    code = f"{prefix}\nimport statebake.backend\nprint(statebake.backend.{call})"
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # uv_build is one
    return run([sys.executable, "-c", code], cwd=project, env={**EPOCH, "PATH": programs, **(env or {})})


def build_wheel(project: Path, out: Path, settings: Mapping[str, str] | None = None, **options) -> Result:
    """Call ``build_wheel``."""
    out.mkdir(exist_ok=True)
    return call_hook(project, "build_wheel", str(out), dict(settings or {}), **options)


def build_sdist(project: Path, out: Path, settings: Mapping[str, str] | None = None, **options) -> Result:
    """Call ``build_sdist``."""
    out.mkdir(exist_ok=True)
    return call_hook(project, "build_sdist", str(out), dict(settings or {}), **options)


def only_wheel(out: Path) -> Path:
    """Return the wheel in a directory that has nothing else."""
    [found] = out.iterdir()
    return found
