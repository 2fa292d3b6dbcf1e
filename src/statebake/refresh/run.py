"""What the refreshes of one run share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from statebake.model.discovery import Discovery
from statebake.refresh.meeting import Meeting
from statebake.refresh.slots import Slots


def utc_now() -> datetime:
    """Return the time of a record."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Run:
    """What the refreshes of one run share.

    Attributes:
        tool: ``statebake <version>``.
        slots: places for running fetches.
        ends_at: when all must be over, on the clock of ``time.monotonic``; ``None`` for never.
        all_or_nothing: whether all keys are committed together.
        allow_shrink: whether state may lose more than ``max_shrink``.
        mask: takes secrets out of a text that is written down.
        env: the environment, whose secrets must not get into the state.
        now: the time of records.
        alone: whether there is only one project.
        discovered: where projects tell what they have.
        fetched: where projects tell whether all is well, before keys are committed together.
    """

    tool: str
    slots: Slots
    ends_at: float | None = None
    all_or_nothing: bool = False
    allow_shrink: bool = False
    mask: Callable[[str], str] = str
    env: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], datetime] = utc_now
    alone: bool = True
    discovered: Meeting[Discovery] = field(default_factory=Meeting)
    fetched: Meeting[bool] = field(default_factory=Meeting)

    def left_s(self) -> float | None:
        """Return the seconds until the end, ``None`` where there is none."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())

    async def agree(self, project: Path, good: bool) -> bool:
        """Say whether all is well in a project, and return whether it is in every one, when all have fetched."""
        return all(await self.fetched.come(project, good))

    def over_for(self, project: Path) -> None:
        """Let no other project wait for one that has ended, however it did."""
        self.discovered.leave(project)
        self.fetched.leave(project)
