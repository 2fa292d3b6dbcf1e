"""Judging a fetch by its content: too small, too large, of the wrong shape, or with less in it than before."""

from __future__ import annotations

import contextlib
import gc
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_NAME
from statebake.model.tree import go_on, list_files
from statebake.model.units import show_bytes
from statebake.refresh.documents import MAX_JSON_BYTES, count_elements, read_json
from statebake.refresh.json_schema import judge_state
from statebake.refresh.shrink import Loss, Measure, find_losses, lost_names, show_losses

_DBT_PROJECT, _DBT_MANIFEST = "dbt_project.yml", "target/manifest.json"
_PARSING = threading.Lock()


@dataclass(frozen=True)
class Guards:
    """What a key's content must satisfy; ``None``: nothing is asked.

    Attributes:
        min_bytes, max_bytes: bounds for the sizes of all its files together, both inclusive.
        schema: a JSON Schema file that its ``state`` must satisfy.
        max_shrink: the fraction (0 to 1) that one fetch may lose of its bytes, its files, the elements of its JSON
            files, and the elements of any one list or object in these.
    """

    min_bytes: int | None = None
    max_bytes: int | None = None
    schema: Path | None = None
    max_shrink: float | None = None


def check_content(
    staged: Path,
    old: Path | None,
    guards: Guards,
    *,
    key: str,
    where: str,
    allow_shrink: bool,
    pulse: Callable[[], None] = go_on,
) -> None:
    """Raise if what was fetched into ``staged``, a key directory that is known to be state, breaks ``guards``.

    ``old`` is the key directory before, if there is one; where it is no state, or ``allow_shrink`` is set, nothing is
    compared with it. ``where`` is what errors point at. ``pulse`` is called again and again, and ends this by raising.
    JSON is parsed for one key at a time: it takes ten times its size in memory.

    Raises ``StatebakeError``: ``CONTENT_REJECTED`` (size, schema), ``CONTENT_SHRUNK``; ``BAD_SETTING`` and
    ``EXTRA_NOT_INSTALLED`` of the schema; what ``list_files`` raises.
    """
    files = _sizes(staged)
    _check_size(sum(files.values()), guards, key, where)
    if guards.schema is not None:
        with _parsing():
            _check_schema(staged / STATE_NAME, guards.schema, key, where, pulse)
    if guards.max_shrink is not None and old is not None and not allow_shrink:
        try:
            before = _sizes(old)
        except (OSError, StatebakeError):
            return  # it could not have been used either
        _check_shrink(
            _Content(old, before), _Content(staged, files), guards.max_shrink, key=key, where=where, pulse=pulse
        )


@dataclass(frozen=True)
class _Content:
    """A key directory and the sizes of its files by their relative paths."""

    root: Path
    files: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    def is_json(self, path: str) -> bool:
        """Return whether a file is a document that is compared: ``state``, or one called ``*.json``.

        Of what dbt writes only the manifest is: its other files tell of the last run, whatever that was about.
        """
        if not 0 <= self.files.get(path, -1) <= MAX_JSON_BYTES:
            return False
        project, target, name = path.rpartition("target/")
        if target and f"{project}{_DBT_PROJECT}" in self.files:
            return f"{target}{name}" == _DBT_MANIFEST
        return path == STATE_NAME or path.endswith(".json")

    def document(self, path: str) -> Any:
        return read_json((self.root / path).read_bytes())


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


def _check_schema(state: Path, schema: Path, key: str, where: str, pulse: Callable[[], None]) -> None:
    next_step = f"see what the source returns, or correct {shlex.quote(str(schema))}; then: {_refresh(key)}"
    pulse()
    problem, violations = judge_state(state, schema, pulse)
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


def _check_shrink(
    old: _Content, new: _Content, limit: float, *, key: str, where: str, pulse: Callable[[], None]
) -> None:
    size = Measure("bytes", old.bytes, new.bytes)
    count = Measure("files", len(old.files), len(new.files))
    with _parsing():
        elements, found = _compare_json(old, new, limit, pulse)
    too_much = any(measure.shrunk_by() > limit for measure in (size, count, elements))
    if not too_much and not any(loss.alone for loss in found):
        return
    losses = show_losses(found)
    if count.shrunk_by() > 0:
        losses.append(lost_names("files", old.files, new.files))
    if size.shrunk_by() > 0:
        losses.append(f"size: {show_bytes(size.before)} → {show_bytes(size.after)}")
    if elements.shrunk_by() > limit:
        losses.append(f"{elements.name} in all: {elements.before} → {elements.after}")
    raise StatebakeError(
        Code.CONTENT_SHRUNK,
        f"The fetch of {key!r} lost more than the {100 * limit:.3g} % that its `max_shrink` allows: {losses[0]}.",
        where=where,
        detail="\n".join(losses[1:]) or None,
        next_step=f"{_refresh(key)} --allow-shrink",
    )


def _compare_json(old: _Content, new: _Content, limit: float, pulse: Callable[[], None]) -> tuple[Measure, list[Loss]]:
    """Return the elements of the JSON files that there were before and are now, and where some of them were lost."""
    before = after = 0
    losses: list[Loss] = []
    others = False
    for path in old.files:
        if not (old.is_json(path) and new.is_json(path)):
            continue
        pulse()
        try:
            document = old.document(path)
        except (OSError, ValueError):
            continue  # bytes and files are compared all the same
        others = others or path != STATE_NAME
        before += (count := count_elements(document, pulse))
        try:
            now = new.document(path)
        except (OSError, ValueError):
            losses += [Loss(path, count, f"{path}: {count} elements of JSON → no JSON", alone=count > 0)]
            continue
        after += count_elements(now, pulse)
        losses += find_losses(document, now, limit, path, pulse)
    return Measure("elements of its JSON files" if others else "elements of `state`", before, after), losses


@contextlib.contextmanager
def _parsing() -> Iterator[None]:
    """Wait for one's turn, and spare documents, which have no cycles, the search for some: it takes long."""
    with _PARSING:
        gc.disable()
        try:
            yield
        finally:
            gc.enable()


def _refresh(key: str) -> str:
    return f"statebake refresh --key {shlex.quote(key)}"


def _rejected(message: str, where: str, next_step: str, detail: str = "") -> StatebakeError:
    return StatebakeError(Code.CONTENT_REJECTED, message, where=where, next_step=next_step, detail=detail or None)
