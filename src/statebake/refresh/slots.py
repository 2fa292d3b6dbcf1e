"""How many fetches may run side by side: over all, and of the keys that share a limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from statebake.config import Limit, selects


class Slots:
    """Places for running fetches, over all projects of a run; of several limits for one pattern the lowest counts."""

    def __init__(self, jobs: int, limits: Iterable[Limit] = ()) -> None:
        self._all = asyncio.Semaphore(jobs)
        lowest: dict[str, int] = {}
        for limit in limits:
            lowest[limit.pattern] = min(limit.count, lowest.get(limit.pattern, limit.count))
        self._limited = {pattern: asyncio.Semaphore(count) for pattern, count in lowest.items()}

    @contextlib.asynccontextmanager
    async def place(self, key: str, component_type: str) -> AsyncIterator[None]:
        """Wait for a place and hold it; what waits for a limit holds no place that others could use."""
        async with contextlib.AsyncExitStack() as held:
            for pattern in sorted(self._limited):  # in one order, so that no two wait for each other
                if selects(pattern, key, component_type):
                    await held.enter_async_context(self._limited[pattern])
            await held.enter_async_context(self._all)
            yield
