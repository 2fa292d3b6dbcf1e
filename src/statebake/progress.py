"""What a run reports while it works. The library never prints: it tells an observer, and the command line renders."""

from __future__ import annotations


class Observer:
    """Does nothing; subclasses override what they want to see. Called from one thread only."""

    def stage(self, title: str) -> None:
        """Report that a stage began, for example ``Refreshing 3 keys of weather``."""

    def fetch_started(self, key: str) -> None:
        """Report that the fetch of ``key`` began."""

    def fetch_ended(self, key: str, outcome: str, note: str) -> None:
        """Report how it ended (``updated``, ``unchanged``, ``failed``) and a note of a few words."""

    def note(self, text: str) -> None:
        """Report something worth a line."""

    def warning(self, text: str) -> None:
        """Report something that the user should look at; the run goes on."""
