"""The ``RECORD`` of a wheel: what a backend wrote is kept where it is right, else written anew; no I/O.

Sources: PyPA specifications, "Binary distribution format" and "Recording installed projects".
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

SHA256 = "sha256"
_ALGORITHMS = (SHA256, "sha384", "sha512")  # the specification asks for SHA-256 or better


@dataclass(frozen=True)
class Member:
    """A file of a wheel.

    Attributes:
        path: its path.
        size: its size in bytes.
        digests: its digests by algorithm, SHA-256 at least; empty for ``RECORD``, which is listed without any.
    """

    path: str
    size: int
    digests: Mapping[str, bytes]

    def row(self, algorithm: str = SHA256) -> list[str]:
        """Return its row."""
        if not self.digests:
            return [self.path, "", ""]
        digest = base64.urlsafe_b64encode(self.digests[algorithm]).rstrip(b"=").decode()
        return [self.path, f"{algorithm}={digest}", str(self.size)]

    def right(self, cells: list[str]) -> list[str]:
        """Return its row, with the algorithm of ``cells`` where that is known."""
        algorithm = cells[1].partition("=")[0] if len(cells) > 1 else ""
        return self.row(algorithm if algorithm in self.digests else SHA256)


def algorithms_in(text: str) -> tuple[str, ...]:
    """Return the algorithms that a member's digests are needed of, to tell which rows of ``text`` are right."""
    return tuple(name for name in _ALGORITHMS if name == SHA256 or f"{name}=" in text)


def right_record(
    text: str, kept: Collection[Member], added: Collection[Member] = (), *, renamed: Callable[[str], str] = str
) -> str:
    """Return the ``RECORD`` of a wheel that has ``kept``, ``RECORD`` among them, and ``added``: each is listed once.

    ``text`` is what the backend wrote, and ``renamed`` gives the new path of a file in there. Where a row of what is
    kept is right, it stays as it is, to the letter, and rows stay in their order. What is added, and what ``text``
    lacks, comes before the metadata.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    left = {member.path: member for member in kept}
    lines: list[tuple[str, str]] = []
    for line in io.StringIO(text, newline="\n"):  # other line ends may be in names
        cells = _cells(line)
        member = left.pop(renamed(cells[0]), None) if cells else None
        if member is not None:
            right = member.right(cells)
            lines.append((member.path, line if right == cells and line.endswith("\n") else _line(right, end)))
    at = next((n for n, (path, _) in enumerate(lines) if _is_metadata(path)), len(lines))
    lost = [member for path, member in left.items() if not _is_metadata(path)]
    metadata = [member for path, member in left.items() if _is_metadata(path)]
    lines[at:at] = [(member.path, _line(member.row(), end)) for member in (*lost, *added, *metadata)]
    return "".join(line for _, line in lines)


def _line(cells: list[str], end: str) -> str:
    text = io.StringIO()
    if "\r" in cells[0]:  # not every Python sees that it must be quoted
        csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerow(cells)
    else:
        csv.writer(text, lineterminator=end).writerow(cells)
    return text.getvalue()


def _cells(line: str) -> list[str]:
    """Return the cells of a line, none where it is no row."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _is_metadata(path: str) -> bool:
    return path.partition("/")[0].endswith(".dist-info")
