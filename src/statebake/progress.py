"""What a run reports while it works. The library never prints: it tells an observer, and the command line renders."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from statebake.errors import StatebakeError
from statebake.model.outcome import KeyOutcome


class Observer:
    """Does nothing; subclasses override what they want to see. Called from one thread only."""

    def stage(self, title: str) -> None:
        """Report that a stage began, for example ``Baking weather.pex``."""

    def warning(self, text: str) -> None:
        """Report what the user should look at although nothing failed."""

    def hide(self, values: Iterable[str]) -> None:
        """Report what must not be shown from now on, though no variable's name says so."""

    def step_prints(self, line: str) -> None:
        """Report a line that a step of a build printed."""

    def step_ends(self, title: str, seconds: float | None) -> None:
        """Report that a step of a build ended; without ``seconds`` it came from the cache."""

    def refresh_begins(self, keys: int) -> None:
        """Report that so many keys are going to be fetched."""

    def fetch_begins(self, key: str, attempt: int) -> None:
        """Report that an attempt begins; the first one is 1."""

    def fetch_printed(self, key: str, attempt: int, read: Callable[[], str]) -> None:
        """Report that an attempt has ended, however it did; ``read`` returns what it printed."""

    def fetch_again(self, key: str, attempt: int, error: StatebakeError, wait_s: float) -> None:
        """Report that an attempt failed, and that there is another one after ``wait_s`` seconds."""

    def commit_begins(self, key: str) -> None:
        """Report that what was fetched is checked and written."""

    def fetch_ends(self, outcome: KeyOutcome) -> None:
        """Report what became of a key."""

    def tick(self) -> None:
        """Report that time goes by; several times a second while keys are fetched."""

    def refresh_ends(self) -> None:
        """Report that nothing more comes of a refresh, however it ended."""
