"""The ``RECORD`` of a wheel (PyPA specifications, "Recording installed projects"), changed line by line; no I/O."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Sequence


def row(path: str, digest: bytes, size: int) -> tuple[str, str, str]:
    """Return the row of a file with this SHA-256."""
    return path, f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}", str(size)


def changed_record(text: str, removes: Callable[[str], bool], rows: Sequence[tuple[str, str, str]]) -> str:
    """Return ``text`` without the rows of what is removed, and with ``rows`` before those of the metadata.

    All other rows stay as they are, to the letter, and in their order. Raises ``ValueError`` for what is no ``RECORD``.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    kept = []
    for line in io.StringIO(text, newline="\n"):  # other line ends may be in names
        path = _path(line)
        if path is None or not removes(path):
            kept.append((path, line))
    new = io.StringIO()
    csv.writer(new, lineterminator=end).writerows(rows)
    at = next((n for n, (path, _) in enumerate(kept) if path is not None and _is_metadata(path)), None)
    if at is None:
        raise ValueError("no row for any file of its metadata")
    lines = [line for _, line in kept]
    return "".join([*lines[:at], new.getvalue(), *lines[at:]])


def _path(line: str) -> str | None:
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{line!r} is no row ({error})") from error
    return cells[0] if cells else None


def _is_metadata(path: str) -> bool:
    return path.partition("/")[0].endswith(".dist-info")
