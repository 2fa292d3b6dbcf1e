"""Judging the state in a work tree."""

from statebake.check.check import CheckReport, Finding, Severity, check
from statebake.check.snapshot import KeyDir, Snapshot, read_snapshot, sound_ages
from statebake.check.status import StatusRow, status_rows

__all__ = [
    "CheckReport",
    "Finding",
    "KeyDir",
    "Severity",
    "Snapshot",
    "StatusRow",
    "check",
    "read_snapshot",
    "sound_ages",
    "status_rows",
]
