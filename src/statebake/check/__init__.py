"""Judging the state in a work tree."""

from statebake.check.check import CheckReport, check
from statebake.check.report import report_of
from statebake.check.snapshot import KeyDir, Snapshot, read_snapshot, sound_ages
from statebake.check.status import StatusRow, status_rows

__all__ = [
    "CheckReport",
    "KeyDir",
    "Snapshot",
    "StatusRow",
    "check",
    "read_snapshot",
    "report_of",
    "sound_ages",
    "status_rows",
]
