"""Other interpreters that a machine may have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OLD = ("2.7", "3.6", "3.7", "3.8", "3.9")


def old_pythons() -> list[Path]:
    """Return the interpreters before 3.10 at the usual places, ``…/bin/python3.8`` for example, each version once."""
    places = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", *_pyenv_places()]
    found = {}
    for version in OLD:
        for place in places:
            path = Path(place, f"python{version}")
            if version not in found and path.exists() and _runs(path):
                found[version] = path
    return list(found.values())


def _pyenv_places() -> list[Path]:
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True).stdout.strip()
    return list(Path(root, "versions").glob("*/bin"))


def _runs(python: Path) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
