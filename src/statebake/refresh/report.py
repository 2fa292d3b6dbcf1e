"""How a refresh ended."""

from __future__ import annotations

from dataclasses import dataclass

from statebake.errors import Exit
from statebake.model.discovery import LoadFailure
from statebake.model.outcome import KeyOutcome, Outcome


@dataclass(frozen=True)
class RefreshReport:
    """Every key's outcome, in the order of the declarations, and the components that were only in the way.

    ``fetch_s``: the seconds from the first fetch to the last commit. ``known``: how many keys the project has.
    ``notes``: what was not searched for, a sentence each.
    """

    keys: tuple[KeyOutcome, ...]
    bystanders: tuple[LoadFailure, ...] = ()
    fetch_s: float = 0.0
    known: int = 0
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[KeyOutcome, ...]:
        """The keys that failed."""
        return tuple(item for item in self.keys if item.outcome is Outcome.FAILED)

    @property
    def exit(self) -> Exit:
        """The exit code of a refresh that ended so."""
        if any(item.error is not None and item.error.code.exit is Exit.SECRET for item in self.failed):
            return Exit.SECRET
        held_back = any(item.outcome is Outcome.HELD_BACK for item in self.keys)
        return Exit.REFRESH if self.failed or held_back else Exit.OK
