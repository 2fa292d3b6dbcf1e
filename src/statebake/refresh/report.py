"""How a refresh ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from statebake.errors import Exit, StatebakeError
from statebake.model.discovery import LoadFailure
from statebake.model.record import Record


class Outcome(Enum):
    """What became of one key."""

    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class KeyOutcome:
    """What became of one key; ``key`` is ``None`` for a component that could not be loaded.

    Attributes:
        record: of the state that is there now, if any was committed or confirmed.
        error: why it failed.
        note: why it was skipped.
        duration_s: seconds of the fetch.
        kept: whether an older state of a failed key is still there.
    """

    key: str | None
    outcome: Outcome
    record: Record | None = None
    error: StatebakeError | None = None
    note: str | None = None
    duration_s: float | None = None
    kept: bool = False


@dataclass(frozen=True)
class RefreshReport:
    """Every key's outcome, in the order of the declarations, and the components that were only in the way."""

    keys: tuple[KeyOutcome, ...]
    bystanders: tuple[LoadFailure, ...] = ()

    @property
    def failed(self) -> tuple[KeyOutcome, ...]:
        """The keys that failed."""
        return tuple(item for item in self.keys if item.outcome is Outcome.FAILED)

    @property
    def exit(self) -> Exit:
        """The exit code of a refresh that ended so."""
        return Exit.REFRESH if self.failed else Exit.OK
