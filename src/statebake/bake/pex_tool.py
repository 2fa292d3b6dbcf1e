"""Running the ``pex`` command. Its maintainers offer no Python API."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.process import run_tool, tail

# As `python -m pex`, but without the current directory on the import path: the project may have a `pex` of its own.
_START = "import runpy, sys; del sys.path[0]; runpy.run_module('pex', run_name='__main__', alter_sys=True)"


def run_pex(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
    """Run the ``pex`` command of statebake's own interpreter; raises ``StatebakeError`` (``PEX_FAILED``)."""
    argv = [sys.executable, "-c", _START, *arguments]
    own_env = {
        name: value for name, value in env.items() if name not in {"PYTHONPATH", "PYTHONSTARTUP", "PYTHONSAFEPATH"}
    }
    finished = run_tool(argv, env=own_env, cwd=cwd, next_step="pip install --upgrade pex")
    if finished.returncode:
        raise StatebakeError(
            Code.PEX_FAILED,
            f"pex failed with exit code {finished.returncode}.",
            where=str(cwd),
            next_step="mend what pex says, for example in the project's dependencies",
            detail=tail(finished.stderr or finished.stdout),
        )


def pex_version() -> str:
    """Return the version of the ``pex`` that ``run_pex`` runs."""
    return version("pex")
