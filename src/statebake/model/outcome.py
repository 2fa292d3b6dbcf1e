"""What a refresh made of one key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from statebake.errors import StatebakeError
from statebake.model.finding import Finding
from statebake.model.record import Record


class Outcome(Enum):
    """What became of one key."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    HELD_BACK = "held back"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class KeyOutcome:
    """What became of one key; ``key`` is ``None`` for a component that could not be loaded.

    Attributes:
        record: of the state that is there now, if any was committed, confirmed, or kept as stale.
        before: the record of the state that was there, where it can be read.
        error: why it failed, or why it is stale.
        note: why it was skipped, or held back.
        age_s: of a key that was skipped because it is fresh: seconds since it was confirmed.
        duration_s: seconds of the last attempt.
        attempts: how many there were.
        printed: the end of what the last attempt printed.
        pruned: how many files that are no state were left out.
        scrubbed: the files of git that credentials were taken out of, relative to the key directory.
        kept: whether an older state of a failed key is still there.
        warnings: what is odd about what was fetched, and no reason to refuse it.
    """

    key: str | None
    outcome: Outcome
    record: Record | None = None
    before: Record | None = None
    error: StatebakeError | None = None
    note: str | None = None
    age_s: float | None = None
    duration_s: float | None = None
    attempts: int = 0
    printed: str | None = None
    pruned: int = 0
    scrubbed: tuple[str, ...] = ()
    kept: bool = False
    warnings: tuple[Finding, ...] = ()
