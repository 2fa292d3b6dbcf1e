"""Fetching one key, again where that can help: how often, and with which pauses."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.hosts import FetchRequest, Worker, log_tail, read_log
from statebake.model.finding import Finding
from statebake.progress import Observer
from statebake.refresh.plan import PlannedFetch
from statebake.refresh.slots import Slots

_LONGEST_PAUSE_S = 300.0


@dataclass
class Attempts:
    """How the fetching of a key went: how often, how the last attempt ended, its output, what was pruned or is odd."""

    count: int = 0
    error: StatebakeError | None = None
    duration_s: float | None = None
    log: Path | None = None
    pruned: int = 0
    scrubbed: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def printed(self) -> str | None:
        return log_tail(self.log) if self.log else None


async def fetch_with_retries(
    fetch: PlannedFetch,
    attempts: Attempts,
    begin: Callable[[int], Awaitable[FetchRequest]],
    clear: Callable[[], Awaitable[None]],
    *,
    worker: Worker,
    slots: Slots,
    observer: Observer,
) -> None:
    """Fetch a key as often as its settings allow; ``attempts`` tells how it goes, also when this is cancelled.

    ``begin`` makes room for the attempt of a number, and says what to fetch; ``clear`` removes what a failed one left.
    Raises what the last attempt failed with.
    """
    settings = fetch.settings
    while True:
        async with slots.place(fetch.key, fetch.component.type):
            attempts.count += 1
            request = await begin(attempts.count)
            attempts.log = request.log
            observer.fetch_begins(fetch.key, attempts.count)
            began = time.monotonic()
            try:
                end = await worker.fetch(request, settings.timeout)
            finally:
                observer.fetch_printed(fetch.key, attempts.count, partial(read_log, request.log))
            attempts.duration_s = round(time.monotonic() - began, 3)
        attempts.error = end.error
        if end.error is None:
            return
        if not end.retry or attempts.count > settings.retries:
            raise end.error
        if (asked := end.retry_after or 0.0) > _LONGEST_PAUSE_S:
            raise end.error.saying(f"(the server asks to wait {asked:.0f} s, which is too long)")
        pause = max(_backoff(attempts.count, settings.backoff), asked)
        await clear()
        observer.fetch_again(fetch.key, attempts.count, end.error, pause)
        await asyncio.sleep(pause)


def _backoff(attempt: int, first_s: float) -> float:
    """Return how long to wait after so many attempts: doubled each time, up to a limit, and varied."""
    pause = min(first_s * 2.0 ** min(attempt - 1, 60), max(first_s, _LONGEST_PAUSE_S))
    return pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def out_of_time(fetch: PlannedFetch, attempts: Attempts) -> StatebakeError:
    """Return the error of a key whose attempts, or what comes between these and the commit, the deadline has ended."""
    fetched = attempts.duration_s is not None and attempts.error is None
    before = f"Its last attempt, number {attempts.count}: {attempts.error.message}" if attempts.error else None
    return StatebakeError(
        Code.OUT_OF_TIME,
        f"What was fetched of {fetch.key} had not been checked when the deadline of the refresh came."
        if fetched
        else f"The fetch of {fetch.key} had not ended when the deadline of the refresh came.",
        where=fetch.component.declared_at,
        next_step="allow more time with --deadline, or more fetches side by side with --jobs",
        detail=before,
    )
