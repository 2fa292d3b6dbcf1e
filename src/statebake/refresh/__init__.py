"""Fetching state and committing it, key by key."""

from statebake.refresh.execute import execute_refresh
from statebake.refresh.plan import BlockedKey, PlannedFetch, RefreshPlan, SkippedKey, plan_refresh
from statebake.refresh.report import KeyOutcome, Outcome, RefreshReport

__all__ = [
    "BlockedKey",
    "KeyOutcome",
    "Outcome",
    "PlannedFetch",
    "RefreshPlan",
    "RefreshReport",
    "SkippedKey",
    "execute_refresh",
    "plan_refresh",
]
