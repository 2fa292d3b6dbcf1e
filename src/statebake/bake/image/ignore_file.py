"""The block of a ``.dockerignore`` that statebake keeps; everything around it is the user's; no I/O.

The block is put at the end of the file, where it decides, for the last rule that matches does. From then on it stays
where it is: lines after it are meant to have the last word. Its first line carries the digest of what is in it, so that
edits are noticed; line ends do not count, for git may change them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from statebake.bake.image.ignore_pattern import literal
from statebake.bake.image.plan import ImagePlan
from statebake.bake.templates import render

_BEGIN = "# statebake: begin"
_END = "# statebake: end"
_DIGEST = re.compile(r"\bsha256:([0-9a-f]{12})\b")
_BOM = "\ufeff"


class BlockStatus(Enum):
    """What the block of a file is: ``EDITED`` means that it is not what statebake wrote, then or now."""

    MISSING = "missing"
    CURRENT = "current"
    OUT_OF_DATE = "out of date"
    EDITED = "edited"


def block_lines(plan: ImagePlan) -> tuple[str, ...]:
    """Return what the block says for the image of ``plan``, line by line, without the lines that mark it."""
    dist = f"{plan.prefix}dist"
    needed = [*(f"{plan.prefix}{source.path}" for source in plan.sources), *plan.local_dependencies]
    text = render(
        "dockerignore.block",
        dist=None if any(f"{path}/".startswith(f"{dist}/") for path in needed) else literal(dist),
        inputs=literal(plan.inputs),
        state=literal(plan.state_in_context),
        state_is_sent=plan.refresh is None,
    )
    return tuple(text.removesuffix("\n").split("\n"))


def merge_block(existing: str | None, lines: Sequence[str]) -> str:
    """Return the text of a file with ``existing`` (``None``: no file) and a block of ``lines``.

    The user's lines come out as they went in, byte for byte if the caller reads and writes bytes; only a last line
    without an end gets one. A block that is there is replaced, edited or not: see ``block_status``.
    """
    text = existing or ""
    bom = _BOM if text.startswith(_BOM) else ""
    parts = _split(text.removeprefix(bom))
    end = "\r\n" if parts.crlf else "\n"
    begin = f"{_BEGIN} (made by `statebake dockerfile`; sha256:{_digest(lines)}; edits go outside of the block)"
    block = "".join(f"{line}{end}" for line in (begin, *lines, _END))
    before = parts.before
    if parts.block is None and before:
        before += end if before.endswith("\n") else end * 2
    return f"{bom}{before}{block}{parts.after}"


def block_status(existing: str | None, lines: Sequence[str]) -> BlockStatus:
    """Return what the block in ``existing`` (``None``: no file) is, where one of ``lines`` is wanted."""
    parts = _split((existing or "").removeprefix(_BOM))
    if parts.block is None:
        return BlockStatus.EDITED if parts.marked else BlockStatus.MISSING
    said = _DIGEST.search(parts.begin)
    if parts.marked or said is None or said[1] != _digest(parts.block):
        return BlockStatus.EDITED
    return BlockStatus.CURRENT if parts.block == tuple(lines) else BlockStatus.OUT_OF_DATE


@dataclass(frozen=True)
class _Parts:
    """A file taken apart.

    Attributes:
        before: what is before the block, or everything if there is none; without other marks.
        begin: the block's first line.
        block: the lines between the block's marks; ``None``: there is no whole block.
        after: what is after the block; without other marks.
        marked: whether there are other marks: halves of blocks, or a second block.
        crlf: whether lines end as on Windows, those of the block or else the first of the file.
    """

    before: str
    begin: str
    block: tuple[str, ...] | None
    after: str
    marked: bool
    crlf: bool


def _split(text: str) -> _Parts:
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # str.splitlines knows ends that the engine does not
    bare = [line.rstrip("\r\n") for line in lines]
    marks = [number for number, line in enumerate(bare) if line == _END or line.startswith(_BEGIN)]
    whole = [(start, stop) for start, stop in pairwise(marks) if bare[stop] == _END != bare[start]]
    start, stop = whole[-1] if whole else (len(lines), len(lines))  # of two blocks, the one that decides
    return _Parts(
        before="".join(line for number, line in enumerate(lines[:start]) if number not in marks),
        begin=bare[start] if whole else "",
        block=tuple(bare[start + 1 : stop]) if whole else None,
        after="".join(line for number, line in enumerate(lines[stop + 1 :], stop + 1) if number not in marks),
        marked=len(marks) > 2 * bool(whole),
        crlf="".join(lines[start : start + 1] if whole else lines[:1]).endswith("\r\n"),
    )


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:12]
