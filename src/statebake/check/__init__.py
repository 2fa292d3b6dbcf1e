"""Judging the state in a work tree."""

from statebake.check.check import CheckReport, check
from statebake.check.idle import unmatched_patterns, unused_max_stale
from statebake.check.policy import (
    KeyFacts,
    definition_findings,
    facts_by_project,
    facts_of_manifest,
    facts_of_project,
    facts_of_records,
    policy_findings,
)
from statebake.check.report import report_of
from statebake.check.snapshot import KeyDir, Snapshot, read_snapshot, sound_ages
from statebake.check.status import StatusRow, health_of, status_rows

__all__ = [
    "CheckReport",
    "KeyDir",
    "KeyFacts",
    "Snapshot",
    "StatusRow",
    "check",
    "definition_findings",
    "facts_by_project",
    "facts_of_manifest",
    "facts_of_project",
    "facts_of_records",
    "health_of",
    "policy_findings",
    "read_snapshot",
    "report_of",
    "sound_ages",
    "status_rows",
    "unmatched_patterns",
    "unused_max_stale",
]
