"""What would change in a file, as people read it."""

from __future__ import annotations

import difflib


def diff_lines(old: str | None, new: str, before: str, after: str) -> list[str]:
    """Return the lines of a unified diff, none where nothing differs; ``before`` and ``after`` name the two texts.

    How lines end does not count, and ``old`` is ``None`` where there is no file.
    """
    return list(difflib.unified_diff((old or "").splitlines(), new.splitlines(), before, after, lineterm=""))
