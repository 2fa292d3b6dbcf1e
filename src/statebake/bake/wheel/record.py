"""The ``RECORD`` of a wheel (PyPA specifications, "Recording installed projects"), changed line by line; no I/O."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Mapping, Sequence

_NOTHING: Mapping[str, Sequence[str]] = {}


def row(path: str, digest: bytes, size: int) -> tuple[str, str, str]:
    """Return the row of a file with this SHA-256."""
    return path, f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}", str(size)


def changed_record(
    text: str,
    removes: Callable[[str], bool],
    rows: Sequence[Sequence[str]],
    *,
    renamed: Callable[[str], str] = str,
    replaced: Mapping[str, Sequence[str]] = _NOTHING,
) -> str:
    """Return ``text`` without the rows of what is removed, and with ``rows`` before those of the metadata.

    ``renamed`` gives the new path of a file, ``replaced`` has the new rows of some by their old paths. All other rows
    stay as they are, to the letter, and in their order. Raises ``ValueError`` for what is no ``RECORD``.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    kept: list[tuple[str | None, str]] = []
    for line in io.StringIO(text, newline="\n"):  # other line ends may be in names
        cells = _cells(line)
        path = cells[0] if cells else None
        if path is None:
            kept.append((path, line))
        elif not removes(path):
            new = replaced.get(path, [renamed(path), *cells[1:]])
            kept.append((path, line if new == cells else _line(new, end)))
    added = "".join(_line(row, end) for row in rows)
    at = next((n for n, (path, _) in enumerate(kept) if path is not None and _is_metadata(path)), None)
    if at is None:
        raise ValueError("no row for any file of its metadata")
    lines = [line for _, line in kept]
    return "".join([*lines[:at], added, *lines[at:]])


def _line(cells: Sequence[str], end: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerow(cells)
    return text.getvalue()


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{line!r} is no row ({error})") from error


def _is_metadata(path: str) -> bool:
    return path.partition("/")[0].endswith(".dist-info")
