"""Whether another user can read what a load needs. Standard library only.

It runs in the load's own interpreter, under seals. Asked are the interpreter by running it, the directories that it
imports from, and every file of the project that is not hidden; what an environment in the project has in it is not
looked through.
"""

from __future__ import annotations

import os
import sys

_STATE_DIR = ".local_defs_state"


def main(places: list[str]) -> int:
    """Return 0 if every path in ``places``, and all that this interpreter imports from, can be read."""
    imported = [path for path in sys.path if path]
    return 0 if all(map(_readable, imported)) and all(map(_all_readable, places)) else 1


def _readable(path: str) -> bool:
    try:
        is_directory = os.path.isdir(path) if os.stat(path) else False  # noqa: PTH112, PTH116
        names = os.listdir(path) if is_directory else []  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return True  # nobody could
    except OSError:
        return False
    return os.access(path, os.R_OK) and all(_entry_readable(os.path.join(path, name)) for name in names)  # noqa: PTH118


def _entry_readable(path: str) -> bool:
    is_directory = os.path.isdir(path)  # noqa: PTH112
    return os.access(path, os.R_OK | (os.X_OK if is_directory else 0)) or not os.path.exists(path)  # noqa: PTH110


def _all_readable(place: str) -> bool:
    if not _readable_but_hidden(place):
        return False
    for parent, directories, _ in os.walk(place):
        directories[:] = [name for name in directories if _counts(parent, name)]
        if not _readable_but_hidden(parent):
            return False
    return True


def _readable_but_hidden(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116
        names = os.listdir(path) if os.path.isdir(path) else []  # noqa: PTH112, PTH208
    except FileNotFoundError:
        return True
    except OSError:
        return False
    shown = [name for name in names if not name.startswith(".") or name == _STATE_DIR]
    return os.access(path, os.R_OK) and all(_entry_readable(os.path.join(path, name)) for name in shown)  # noqa: PTH118


def _counts(parent: str, name: str) -> bool:
    if name.startswith(".") and name != _STATE_DIR:
        return False
    environment = os.path.join(parent, name, "pyvenv.cfg")  # noqa: PTH118
    return name not in {"__pycache__", "node_modules"} and not os.path.exists(environment)  # noqa: PTH110


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
