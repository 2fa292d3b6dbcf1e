"""What ``statebake status`` shows of each key."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from statebake.check import CheckReport, KeyDir, Snapshot, status_rows
from statebake.check.status import parse_time
from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.model.state_config import DefsStateManagementType

NOW = datetime(2026, 1, 3, 3, 5, 5, tzinfo=timezone.utc)


def snapshot(build, *keys: str, **fields) -> Snapshot:
    dirs = {
        sanitize_key(key): KeyDir(
            **{"name": key, "path": Path(key), "summary": build.summary(), "record": build.record(key), **fields}
        )
        for key in keys
    }
    return Snapshot(state_dir=Path("state"), exists=True, has_ignore_file=True, key_dirs=dirs)


def report(*findings: tuple[Code, Severity, str]) -> CheckReport:
    return CheckReport(tuple(Finding(*item, "message", "where", "next") for item in findings), keys=1)


def row(build, *findings, key="Text[a]", **fields):
    (found,) = status_rows(build.discovery(key), snapshot(build, key, **fields), report(*findings), NOW)
    return found


def test_a_row(build):
    """A row has the key, its components, strategy, age since it was last confirmed, size, and digest."""
    found = row(build)
    assert found.key == "Text[a]"
    assert found.components == ("Text src/shop/defs/things/defs.yaml:1",)
    assert found.strategy == "LOCAL_FILESYSTEM"
    assert found.age_s == 60
    assert (found.bytes, found.files, found.digest, found.health) == (5, 1, build.digest, "ok")


def test_rows_are_sorted_and_name_all_components(build):
    """There is one row per key, sorted, and a shared key lists every component."""
    rows = status_rows(build.discovery("b", "a", "b"), snapshot(build), report(), NOW)
    assert [(item.key, len(item.components)) for item in rows] == [("a", 1), ("b", 2)]
    assert (rows[0].age_s, rows[0].bytes, rows[0].files, rows[0].digest) == (None, None, None, None)


def test_age_without_a_confirmation(build):
    """Age counts from the fetch where nothing later is known, and is not known without a record or a time."""
    assert row(build, record=build.record("Text[a]", checked_at=None)).age_s == 86460
    assert row(build, record=build.record("Text[a]", checked_at=None, fetched_at=None)).age_s is None
    assert row(build, record=None).age_s is None


def test_an_empty_directory_has_no_size(build):
    """A directory without files shows neither size nor digest."""
    assert row(build, summary=build.summary(files=0, bytes=0)).digest is None


@pytest.mark.parametrize(
    ("code", "health"),
    [
        (Code.MISSING_STATE, "missing"),
        (Code.EMPTY_STATE, "empty"),
        (Code.DIGEST_MISMATCH, "changed"),
        (Code.KEY_COLLISION, "collides"),
        (Code.BAD_KEY, "bad key"),
        (Code.UNRECORDED, "unrecorded"),
        (Code.FETCHES_AT_RUN_TIME, "fetches at run time"),
        (Code.NEWER_FORMAT, "newer format"),
        (Code.BAD_RECORD, "unreadable"),
        (Code.FOREIGN_FILE, "unreadable"),
    ],
)
def test_health(build, code, health):
    """The health is the word for the finding."""
    assert row(build, (code, Severity.WARNING, "Text[a]")).health == health


def test_health_is_the_worst_finding_of_the_key(build):
    """An error counts before a warning, and other keys' findings do not count."""
    findings = [
        (Code.UNRECORDED, Severity.WARNING, "Text[a]"),
        (Code.EMPTY_STATE, Severity.ERROR, "Text[a]"),
        (Code.MISSING_STATE, Severity.ERROR, "Text[b]"),
    ]
    assert row(build, *findings).health == "empty"
    assert row(build, findings[2]).health == "ok"


def test_every_key_of_a_collision_collides(build):
    """A collision is reported once, and shown at every key that is in it."""
    discovery = build.discovery("a/b", "a?b", "c")
    found = report((Code.KEY_COLLISION, Severity.ERROR, "a/b"), (Code.MISSING_STATE, Severity.ERROR, "a?b"))
    rows = status_rows(discovery, snapshot(build, "c"), found, NOW)
    assert [item.health for item in rows] == ["collides", "collides", "ok"]


def test_the_strategy_is_the_first_components(build):
    """The strategy shown is that of the component that fetches."""
    other = build.component("Text[a]", management_type=DefsStateManagementType.VERSIONED_STATE_STORAGE)
    (found,) = status_rows(build.discovery(other, "Text[a]"), snapshot(build), report(), NOW)
    assert found.strategy == "VERSIONED_STATE_STORAGE"


def test_times_are_read_on_every_python():
    """The ``Z`` of RFC 3339 is understood on Python 3.10 too."""
    assert parse_time("2026-01-03T03:05:05Z") == NOW
