"""What ``statebake status`` shows of each key; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from statebake.check.check import CheckReport
from statebake.check.snapshot import Snapshot
from statebake.errors import Code
from statebake.model.discovery import Discovery
from statebake.model.finding import Finding, Severity
from statebake.model.keys import collisions, sanitize_key
from statebake.model.settle import parse_time


@dataclass(frozen=True)
class StatusRow:
    """One key: its components (class and place), strategy, age in seconds, size, and health.

    ``health`` is ``ok`` or the word for the worst finding; ``age_s`` counts from the last fetch that confirmed it.
    """

    key: str
    components: tuple[str, ...]
    strategy: str
    age_s: float | None
    bytes: int | None
    files: int | None
    digest: str | None
    health: str


_HEALTH = {
    Code.MISSING_STATE: "missing",
    Code.EMPTY_STATE: "empty",
    Code.DIGEST_MISMATCH: "changed",
    Code.KEY_COLLISION: "collides",
    Code.BAD_KEY: "bad key",
    Code.UNRECORDED: "unrecorded",
    Code.FETCHES_AT_RUN_TIME: "fetches at run time",
    Code.NEWER_FORMAT: "newer format",
    Code.STALE_STATE: "stale",
    Code.ATTRIBUTES_DIFFER: "attributes differ",
    Code.STRATEGY_CHANGED: "strategy changed",
    Code.TOO_OLD: "too old",
    Code.TOO_LARGE: "too large",
    Code.FORBIDDEN_STRATEGY: "forbidden strategy",
    Code.SCHEMA_VIOLATED: "breaks schema",
    Code.NO_DECLARATION: "not declared",
    Code.WRONG_PLACE: "not imported",
    Code.LEAKED_VALUE: "has a secret",
    Code.LEAKED_CREDENTIAL: "has a secret",
    Code.UNWANTED_FILE: "unwanted file",
    Code.LOAD_FAILED: "load failed",
    Code.FETCH_ATTEMPTED: "tried to fetch",
    Code.STATE_NOT_OPENED: "not opened",
    Code.NO_DEFINITIONS: "yields nothing",
    Code.TOO_FEW_DEFINITIONS: "too few definitions",
    Code.LOAD_TIMED_OUT: "load timed out",
}


def status_rows(discovery: Discovery, snapshot: Snapshot, report: CheckReport, now: datetime) -> list[StatusRow]:
    """Return a row per key, sorted by key."""
    rows = []
    clashing = {key for group in collisions(discovery.keys) for key in group}
    for key in discovery.keys:
        components = discovery.components_of(key)
        found = snapshot.key_dirs.get(sanitize_key(key))
        summary = found.summary if found and found.summary and found.summary.files else None
        record = found.record if found else None
        findings = [item for item in report.findings if item.key == key]
        worst = next((item for item in findings if item.severity is Severity.ERROR), findings[0] if findings else None)
        confirmed = (record.checked_at or record.fetched_at) if record else None
        rows.append(
            StatusRow(
                key=key,
                components=tuple(f"{item.type.rpartition('.')[2]} {item.declared_at}" for item in components),
                strategy=components[0].management_type.value,
                age_s=(now - parse_time(confirmed)).total_seconds() if confirmed else None,
                bytes=summary.bytes if summary else None,
                files=summary.files if summary else None,
                digest=summary.digest if summary else None,
                health=_HEALTH[Code.KEY_COLLISION] if key in clashing else health_of(worst),
            )
        )
    return rows


def health_of(worst: Finding | None) -> str:
    """Return the word for the worst finding of a key; ``None``: there is none."""
    return _HEALTH.get(worst.code, "unreadable") if worst else "ok"
