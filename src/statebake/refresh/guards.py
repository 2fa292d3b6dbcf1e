"""Judging a fetch by its content: too small, too large, of the wrong shape, or with less in it than before."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_NAME
from statebake.model.tree import list_files
from statebake.model.units import show_bytes
from statebake.refresh.documents import count_elements, read_json
from statebake.refresh.json_schema import judge_state
from statebake.refresh.shrink import MAX_JSON_BYTES, Measure, lost_elements, lost_names


@dataclass(frozen=True)
class Guards:
    """What a key's content must satisfy; ``None``: nothing is asked.

    Attributes:
        min_bytes, max_bytes: bounds for the sizes of all its files together, both inclusive.
        schema: a JSON Schema file that its ``state`` must satisfy.
        max_shrink: the fraction (0 to 1) of its bytes, its files, and the elements of its JSON that one fetch may lose.
    """

    min_bytes: int | None = None
    max_bytes: int | None = None
    schema: Path | None = None
    max_shrink: float | None = None


def check_content(staged: Path, old: Path | None, guards: Guards, *, key: str, where: str, allow_shrink: bool) -> None:
    """Raise if what was fetched into ``staged``, a key directory that is known to be state, breaks ``guards``.

    ``old`` is the key directory before, if there is one; where it is no state, or ``allow_shrink`` is set, nothing is
    compared with it. ``where`` is what errors point at. Raises ``StatebakeError``: ``CONTENT_REJECTED`` (size, schema),
    ``CONTENT_SHRUNK``; ``BAD_SETTING`` and ``EXTRA_NOT_INSTALLED`` of the schema; what ``list_files`` raises.
    """
    files = _sizes(staged)
    _check_size(sum(files.values()), guards, key, where)
    if guards.schema is not None:
        _check_schema(staged / STATE_NAME, guards.schema, key, where)
    if guards.max_shrink is not None and old is not None and not allow_shrink:
        try:
            before = _sizes(old)
        except (OSError, StatebakeError):
            return  # it could not have been used either
        _check_shrink(_Content(old, before), _Content(staged, files), guards.max_shrink, key, where)


@dataclass(frozen=True)
class _Content:
    """A key directory and the sizes of its files by their relative paths."""

    root: Path
    files: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def document(self) -> Any:
        """Return its ``state`` as JSON; raises ``ValueError`` or ``OSError`` where it is none, or too large."""
        if self.files.get(STATE_NAME, MAX_JSON_BYTES + 1) > MAX_JSON_BYTES:
            raise ValueError("too large")
        return read_json((self.root / STATE_NAME).read_bytes())


def _sizes(root: Path) -> dict[str, int]:
    return {file.path: file.size for file in list_files(root)}


def _check_size(size: int, guards: Guards, key: str, where: str) -> None:
    for name, limit, broken, more in (
        ("min_bytes", guards.min_bytes, guards.min_bytes is not None and size < guards.min_bytes, "fewer"),
        ("max_bytes", guards.max_bytes, guards.max_bytes is not None and size > guards.max_bytes, "more"),
    ):
        if broken:
            raise _rejected(
                f"The fetch of {key!r} wrote {size} bytes, {more} than its `{name}` of {limit}.",
                where,
                f"see what the source returns, or change `{name}`; then: {_refresh(key)}",
            )


def _check_schema(state: Path, schema: Path, key: str, where: str) -> None:
    next_step = f"see what the source returns, or correct {shlex.quote(str(schema))}; then: {_refresh(key)}"
    problem, violations = judge_state(state, schema)
    if problem:
        raise _rejected(
            f"The fetch of {key!r} wrote a `state` that {problem}, so it cannot satisfy {schema.name}.",
            where,
            next_step,
        )
    if violations:
        raise _rejected(
            f"The `state` that the fetch of {key!r} wrote does not satisfy {schema.name}: {violations[0]}.",
            where,
            next_step,
            detail="\n".join(violations[1:]),
        )


def _check_shrink(old: _Content, new: _Content, limit: float, key: str, where: str) -> None:
    size = Measure("bytes", old.bytes, new.bytes)
    count = Measure("files", len(old.files), len(new.files))
    elements = Measure("elements", 0, 0)
    documents: tuple[Any, Any] | None = None
    try:
        documents = old.document(), new.document()
        elements = Measure("elements", count_elements(documents[0]), count_elements(documents[1]))
    except (OSError, ValueError):
        pass  # bytes and files are compared all the same
    if not any(measure.shrunk_by() > limit for measure in (size, count, elements)):
        return
    losses = lost_elements(*documents) if documents else []
    if count.shrunk_by() > 0:
        losses.append(lost_names("files", old.files, new.files))
    if size.shrunk_by() > 0:
        losses.append(f"size: {show_bytes(size.before)} → {show_bytes(size.after)}")
    if elements.shrunk_by() > limit:
        losses.append(f"elements of `state` in all: {elements.before} → {elements.after}")
    raise StatebakeError(
        Code.CONTENT_SHRUNK,
        f"The fetch of {key!r} lost more than the {100 * limit:.3g} % that its `max_shrink` allows: {losses[0]}.",
        where=where,
        detail="\n".join(losses[1:]) or None,
        next_step=f"{_refresh(key)} --allow-shrink",
    )


def _refresh(key: str) -> str:
    return f"statebake refresh --key {shlex.quote(key)}"


def _rejected(message: str, where: str, next_step: str, detail: str = "") -> StatebakeError:
    return StatebakeError(Code.CONTENT_REJECTED, message, where=where, next_step=next_step, detail=detail or None)
