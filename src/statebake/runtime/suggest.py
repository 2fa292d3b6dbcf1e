"""What an error suggests: the nearest known name to one that is not known, the import that fails."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the name nearest to ``name``, or nothing when none is near."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def import_again(module: str) -> str:
    """Return the command that imports ``module`` by this interpreter, from the directory where this process has it.

    It can be pasted wherever one is: a ``src`` directory is named.
    """
    import sys
    from pathlib import Path
    from shlex import quote

    top = Path(*module.split(".")[:1])
    found = (Path(entry) for entry in sys.path if (Path(entry) / top).is_dir() or (Path(entry) / f"{top}.py").is_file())
    root = next(found, None)
    path = f"PYTHONPATH={quote(str(root.absolute()))} " if root and root.name != "site-packages" else ""
    return path + run_again("-c", f"import {module}")


def run_again(*arguments: str) -> str:
    """Return the command that runs this interpreter with these arguments."""
    import sys
    from shlex import join

    return join([sys.executable or "python", *arguments])
