"""Which names of an artifact's files are taken in; no I/O."""

from __future__ import annotations

_LONGEST = 4096  # Linux' PATH_MAX
_DEEPEST = 256


def too_long(name: str) -> str | None:
    """Return why a ``/``-separated name is none that a file system takes, or ``None``.

    A small archive can have names of megabytes, and whoever looks at every directory above pays for their square.
    """
    if len(name) > _LONGEST or len(name.encode("utf-8", "surrogatepass")) > _LONGEST:
        return f"it has a name of {len(name)} characters, longer than any file system takes"
    if (parts := name.count("/") + 1) > _DEEPEST:
        return f"it has a name of {parts} parts, and {_DEEPEST} are the most that are read"
    return None
