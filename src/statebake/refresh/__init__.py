"""Fetching state and committing it, key by key."""

from statebake.model.outcome import KeyOutcome, Outcome
from statebake.refresh.execute import execute_refresh
from statebake.refresh.history import read_failures
from statebake.refresh.json_schema import must_be_schema
from statebake.refresh.meeting import Meeting
from statebake.refresh.plan import BlockedKey, PlannedFetch, RefreshPlan, SkippedKey, plan_refresh
from statebake.refresh.report import RefreshReport
from statebake.refresh.run import Run
from statebake.refresh.select import Selection, split_patterns, unmatched
from statebake.refresh.slots import Slots

__all__ = [
    "BlockedKey",
    "KeyOutcome",
    "Meeting",
    "Outcome",
    "PlannedFetch",
    "RefreshPlan",
    "RefreshReport",
    "Run",
    "Selection",
    "SkippedKey",
    "Slots",
    "execute_refresh",
    "must_be_schema",
    "plan_refresh",
    "read_failures",
    "split_patterns",
    "unmatched",
]
