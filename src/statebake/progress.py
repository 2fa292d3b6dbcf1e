"""What a run reports while it works. The library never prints: it tells an observer, and the command line renders."""

from __future__ import annotations

from statebake.model.record import Record


class Observer:
    """Does nothing; subclasses override what they want to see. Called from one thread only."""

    def stage(self, title: str) -> None:
        """Report that a stage began, for example ``Baking weather.pex``."""

    def fetch_ended(self, key: str, outcome: str, record: Record | None, duration_s: float) -> None:
        """Report how it ended (``updated``, ``unchanged``, ``failed``), the record of the state, the seconds."""
