"""What an artifact carries, whatever kind it is, made of what a reader of that kind found."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from statebake.errors import Code, StatebakeError
from statebake.model.finding import Finding
from statebake.model.keys import (
    IGNORE_NAME,
    LAST_NAME,
    LOCK_NAME,
    MANIFEST_NAME,
    RECORD_NAME,
    STAGING_NAME,
    STATE_NAME,
    sanitize_key,
)
from statebake.model.manifest import Manifest
from statebake.model.record import Record, parse_json
from statebake.model.tree import TreeSummary, summarize


@dataclass(frozen=True)
class ArtifactKey:
    """One expected key of an artifact: its record, and what is really there (``None``: nothing)."""

    record: Record
    summary: TreeSummary | None


@dataclass(frozen=True)
class ArtifactState:
    """One state directory inside an artifact.

    Attributes:
        path: its path inside.
        manifest: what it says of itself; ``None`` in an image that was not built by statebake's Dockerfile.
        keys: every expected key and what is there. Without a manifest those whose records are there.
        unexpected: directories that no expected key explains.
        has_ignore_file: whether Dagster's ignore file is there, without which a read-only load fails.
        directories: what is in each key directory, by the directory's name.
        records: the record in each key directory that has one, or why it cannot be read, by the same name.
        owners: of what not everybody may read in an image, who may: a user's number, by path.
        idle: whether there is nothing in its staging directory but what is always there.
        contents: the file `state` in each key directory that has one, by the same name.
    """

    path: str
    manifest: Manifest | None
    keys: tuple[ArtifactKey, ...]
    unexpected: tuple[str, ...]
    has_ignore_file: bool
    directories: Mapping[str, TreeSummary] = field(default_factory=dict)
    records: Mapping[str, Record | Finding] = field(default_factory=dict)
    owners: Mapping[str, int] = field(default_factory=dict)
    idle: bool = True
    contents: Mapping[str, FoundFile] = field(default_factory=dict, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Whether this is no more than a directory with that name."""
        return self.manifest is None and not self.directories


@dataclass(frozen=True)
class FoundFile:
    """A regular file below a state directory: its size in bytes, and its SHA-256 or how to open it."""

    size: int
    content: Callable[[], BinaryIO] | str


def artifact_state(
    path: str,
    files: Mapping[str, FoundFile],
    directories: Collection[str],
    read_text: Callable[[str], bytes],
    where: str,
) -> ArtifactState:
    """Return the state directory ``path`` of the artifact ``where``.

    ``files`` and ``directories`` are what is below it, by ``/``-separated relative path; ``read_text`` gives the
    content of a manifest or record among them. Raises ``StatebakeError``: ``BAD_RECORD`` or ``NEWER_FORMAT`` for a
    manifest or record that cannot be read, ``NOT_AN_ARTIFACT`` for names that cannot be digested.
    """
    by_dir: dict[str, dict[str, FoundFile]] = {name.partition("/")[0]: {} for name in directories if "/" in name}
    for name, file in files.items():
        directory, slash, rest = name.partition("/")
        if slash:
            _check_name(name, path, where)
            by_dir.setdefault(directory, {})[rest] = file
    summaries = {
        directory: _summary(inside, state_is_dir=f"{directory}/{STATE_NAME}" in directories)
        for directory, inside in sorted(by_dir.items())
    }

    def text(name: str) -> str:
        return read_text(name).decode("utf-8", "replace")

    records: dict[str, Record | Finding] = {}
    for directory, inside in sorted(by_dir.items()):
        if RECORD_NAME in inside:
            name = f"{directory}/{RECORD_NAME}"
            place = f"{where}!{path}/{name}"
            content = text(name)
            try:
                with _baked_again():
                    records[directory] = Record.from_json(parse_json(content, place), place)
            except StatebakeError as error:
                if MANIFEST_NAME not in files:
                    raise
                records[directory] = replace(Finding.of_error(error), where=f"{path}/{name}")
    manifest = None
    if MANIFEST_NAME in files:
        with _baked_again():
            manifest = Manifest.loads(text(MANIFEST_NAME), f"{where}!{path}/{MANIFEST_NAME}")
        listed = list(manifest.keys)
    else:
        listed = []
        for directory, record in records.items():
            if isinstance(record, Record) and sanitize_key(record.key) == directory:
                listed.append(record)
    expected = {sanitize_key(record.key) for record in listed}
    return ArtifactState(
        path=path,
        manifest=manifest,
        keys=tuple(ArtifactKey(record, summaries.get(sanitize_key(record.key))) for record in listed),
        unexpected=tuple(sorted(set(by_dir) - expected)),
        has_ignore_file=IGNORE_NAME in files,
        directories=summaries,
        records=records,
        idle=by_dir.get(STAGING_NAME, {}).keys() <= {LOCK_NAME, LAST_NAME},
        contents={directory: inside[STATE_NAME] for directory, inside in by_dir.items() if STATE_NAME in inside},
    )


def unreadable(what: str, why: str, where: str, next_step: str | None = None) -> StatebakeError:
    """Return the error for a file or image that is no ``what`` that can be read."""
    return StatebakeError(
        Code.NOT_AN_ARTIFACT,
        f"This is not {what} that can be read: {why}.",
        where=where,
        next_step=next_step or "give the path of a PEX, a wheel or an OCI image layout, or the name of an image",
    )


def odd_state(what: str, kind: str, path: str, where: str) -> StatebakeError:
    """Return the error for state that has something in it which cannot be baked; ``kind``: ``a symbolic link``."""
    mend = "put a copy of the file in its place" if kind == "a symbolic link" else "take it out of the state"
    return unreadable(what, f"its state has {kind}, {path!r}", where, f"{mend}, and make the artifact again")


def _summary(inside: Mapping[str, FoundFile], *, state_is_dir: bool) -> TreeSummary:
    ordered = sorted(inside.items(), key=lambda item: item[0].encode())
    files = ((name, file.size, file.content) for name, file in ordered if name != RECORD_NAME)
    return summarize(files, state_is_dir=state_is_dir)


@contextlib.contextmanager
def _baked_again() -> Iterator[None]:
    """Have what is damaged in an artifact baked again: a refresh would not change it."""
    try:
        yield
    except StatebakeError as error:
        if error.code is Code.BAD_RECORD:
            error.next_step = "bake the artifact again"
        raise


def _check_name(name: str, path: str, where: str) -> None:
    if name.isascii() and name.isprintable():
        return
    odd = any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)
    if odd:
        raise unreadable("an artifact", f"{path} has a file with a name that no state has, {name!r}", where)
