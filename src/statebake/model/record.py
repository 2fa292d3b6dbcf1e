"""``.statebake.json``, statebake's record of one key (format 1)."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME
from statebake.model.state_config import DefsStateManagementType

FORMAT = 1
_OPTIONAL = ("checked_at", "duration_s", "stale")


@dataclass(frozen=True)
class ComponentRef:
    """A component that uses a key: its class and where it is declared (``file:line``, relative to the project)."""

    type: str
    declared_at: str


@dataclass(frozen=True)
class Stale:
    """Why a key has older state than was wanted: a fetch failed, and the settings say to go on with what there was.

    Attributes:
        failed_at: when, RFC 3339 UTC.
        age_s: how old the state was then: seconds since a fetch last confirmed it.
        code: of the error, ``SB401``.
        reason: its message, without secrets.
    """

    failed_at: str
    age_s: int
    code: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"failed_at": self.failed_at, "age_s": self.age_s, "code": self.code, "reason": self.reason}

    @classmethod
    def from_json(cls, data: Any) -> Stale:
        """Return what ``data`` describes; raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        failed_at = _time(data["failed_at"])
        if failed_at is None:
            raise TypeError("`failed_at` is no time")
        return cls(failed_at, _count(data["age_s"]), text_of(data["code"]), text_of(data["reason"]))


@dataclass(frozen=True)
class Record:
    """What is known of one key's state.

    Attributes:
        key: the defs state key.
        components: every component that uses it.
        management_type: the strategy at the time of the fetch.
        digest: of the content, see ``model.tree``.
        files: how many.
        bytes: how many.
        fetched_at: when this content was first fetched, RFC 3339 UTC; ``None`` for state that Dagster wrote.
        checked_at: the last fetch that confirmed it; not in an artifact.
        duration_s: seconds of that fetch; not in an artifact.
        stale: why the last fetch did not replace this state, where ``origin`` is ``kept-stale``.
        origin: ``fetched``, ``pulled``, ``kept-stale``; ``unrecorded`` in the manifest of state that had no record.
        tool: ``statebake <version>``.
        host: name and version of the framework.
        extra: fields of this format's later additions, kept as they were read.
    """

    key: str
    components: tuple[ComponentRef, ...]
    management_type: DefsStateManagementType
    digest: str
    files: int
    bytes: int
    fetched_at: str | None
    origin: str
    tool: str
    host: str
    checked_at: str | None = None
    duration_s: float | None = None
    stale: Stale | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def without_volatile(self) -> Record:
        """Return the record as an artifact carries it: a refetch of the same bytes must not change it."""
        return replace(self, checked_at=None, duration_s=None)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        known: dict[str, Any] = {
            "format": FORMAT,
            "key": self.key,
            "components": [{"type": ref.type, "declared_at": ref.declared_at} for ref in self.components],
            "management_type": self.management_type.value,
            "digest": self.digest,
            "files": self.files,
            "bytes": self.bytes,
            "fetched_at": self.fetched_at,
            "checked_at": self.checked_at,
            "duration_s": self.duration_s,
            "origin": self.origin,
            "tool": self.tool,
            "host": self.host,
            "stale": self.stale.to_json() if self.stale else None,
        }
        absent = {name for name in _OPTIONAL if known[name] is None}
        return {**{name: value for name, value in known.items() if name not in absent}, **self.extra}

    @classmethod
    def from_json(cls, data: Any, where: str) -> Record:
        """Return the record that ``data`` describes.

        Raises ``StatebakeError``: ``NEWER_FORMAT`` when a later statebake wrote it, ``BAD_RECORD`` when it is no
        record.
        """
        check_format(data, FORMAT, where, code=Code.BAD_RECORD)
        fields = dict(data)
        try:
            fields.pop("format")
            return cls(
                key=text_of(fields.pop("key")),
                components=tuple(
                    ComponentRef(type=text_of(ref["type"]), declared_at=text_of(ref["declared_at"]))
                    for ref in fields.pop("components")
                ),
                management_type=DefsStateManagementType(fields.pop("management_type")),
                digest=text_of(fields.pop("digest")),
                files=_count(fields.pop("files")),
                bytes=_count(fields.pop("bytes")),
                fetched_at=_time(fields.pop("fetched_at")),
                origin=text_of(fields.pop("origin")),
                tool=text_of(fields.pop("tool")),
                host=text_of(fields.pop("host")),
                checked_at=_time(fields.pop("checked_at", None)),
                duration_s=_seconds(fields.pop("duration_s", None)),
                stale=Stale.from_json(stale) if (stale := fields.pop("stale", None)) is not None else None,
                extra=fields,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise bad_record(where, f"{type(error).__name__}: {error}") from error


def check_format(data: Any, known: int, where: str, *, code: Code) -> None:
    """Raise ``NEWER_FORMAT`` or ``code`` unless ``data`` is a JSON object whose ``format`` is at most ``known``."""
    version = data.get("format") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise bad_record(where, "it has no `format` number", code)
    if version > known:
        raise StatebakeError(
            Code.NEWER_FORMAT,
            f"Format {version} is newer than the format {known} that this statebake knows.",
            where=where,
            next_step="pip install --upgrade statebake",
        )


def bad_record(where: str, why: str, code: Code = Code.BAD_RECORD) -> StatebakeError:
    """Return the error for a record or manifest that cannot be read."""
    return StatebakeError(code, f"This is not a statebake record: {why}.", where=where, next_step="statebake refresh")


def read_record(key_dir: Path) -> Record | None:
    """Return the record of a key directory, or ``None`` when there is none; raises as ``Record.from_json`` does."""
    path = key_dir / RECORD_NAME
    try:
        if not stat.S_ISREG(path.lstat().st_mode):  # reading a FIFO would wait for ever
            raise bad_record(str(path), "it is no regular file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, OSError) as error:
        raise bad_record(str(path), str(error)) from error
    return Record.from_json(parse_json(text, str(path)), str(path))


def parse_json(text: str, where: str) -> Any:
    """Return what ``text`` says, or raise ``BAD_RECORD``."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise bad_record(where, f"it is not JSON ({error})") from error


def dump_json(data: Any) -> str:
    """Return ``data`` as the text of a record or manifest: stable order, two spaces, a newline at the end."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def text_of(value: Any) -> str:
    """Return ``value`` if it is text that a file can hold; raises ``TypeError`` or ``ValueError``."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    value.encode()  # half of a surrogate pair raises
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def _time(value: Any) -> str | None:
    if value is None:
        return None
    if datetime.fromisoformat(text_of(value).replace("Z", "+00:00")).tzinfo is None:
        raise ValueError(f"{value!r} names no time zone")
    return str(value)


def _seconds(value: Any) -> float | None:
    if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < 1e12):
        raise TypeError(f"{value!r} is not a number of seconds")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
