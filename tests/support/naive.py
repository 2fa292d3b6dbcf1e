"""A refresh as one writes it first, the control for bad fetches: in place, by exit codes, polite to what is left."""

from __future__ import annotations

import sys
from pathlib import Path

from support.cli import Result, run
from support.versions import Versions

# Removes the old state, runs the fetch in a child, takes exit code 0 for success, and ends the child's group.
_NAIVE = """
import os, shutil, signal, sys
from pathlib import Path

place, code = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
shutil.rmtree(place)
place.mkdir()
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    exec(code, {"state_path": place / "state", "os": os, "Path": Path})
    os._exit(0)
status = os.waitpid(pid, 0)[1]
try:
    os.killpg(pid, signal.SIGTERM)
except ProcessLookupError:
    pass
sys.exit(bool(status))
"""


def naive_refresh(project: Versions, key: int, scratch: Path, timeout: float = 30) -> Result:
    """Refresh one key so; raises ``subprocess.TimeoutExpired``."""
    code = scratch / "fetch.py"
    code.write_text(project.fetches[key])
    argv: list[str | Path] = [sys.executable, "-c", _NAIVE, project.state_dir / f"Text__{key}__", code]
    return run(argv, cwd=project.directory, env=project.env, timeout=timeout)
