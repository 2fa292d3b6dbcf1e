"""Doing what a refresh plan says: fetch every key into staging, with retries and limits, and commit what is valid."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.errors import StatebakeError
from statebake.hosts import Worker
from statebake.model.keys import key_problem, sanitize_key
from statebake.model.outcome import KeyOutcome, Outcome
from statebake.model.record import Record, read_record
from statebake.model.settle import commit, rfc3339
from statebake.model.transaction import open_staging
from statebake.progress import Observer
from statebake.refresh.history import LastFailure, write_failures
from statebake.refresh.one_key import OneKey, Workbench
from statebake.refresh.plan import RefreshPlan
from statebake.refresh.report import RefreshReport
from statebake.refresh.run import Run

if TYPE_CHECKING:
    from statebake.hygiene import Searcher

_TICK_S = 0.2


async def alone(good: bool) -> bool:
    """Return what a project that is refreshed alone agrees on with itself."""
    return good


async def execute_refresh(
    plan: RefreshPlan,
    worker: Worker,
    state_dir: Path,
    *,
    run: Run,
    observer: Observer,
    searcher: Searcher | None = None,
    agree: Callable[[bool], Awaitable[bool]] = alone,
) -> RefreshReport:
    """Fetch and commit every key of ``plan``; a key that fails leaves its old state and the other keys alone.

    ``searcher`` searches what was fetched for secrets, on several threads. ``agree`` is told whether all is well here,
    where all keys are committed together, and says whether it is everywhere. When the refresh is cancelled, everything
    that runs is ended first. Raises ``StatebakeError`` only where nothing could be done: ``LOCKED``, ``READ_ONLY``,
    ``COMMIT_FAILED``.
    """
    began = time.monotonic()
    outcomes: Mapping[str, KeyOutcome] = {}
    if plan.fetches:
        observer.refresh_begins(len(plan.fetches))
        try:
            with open_staging(state_dir) as staging:
                bench = Workbench(worker, state_dir, staging, run, observer, searcher)
                outcomes = await _Refresh(plan, bench, agree).all_keys()
        finally:
            observer.refresh_ends()
    elif run.all_or_nothing:
        await agree(not plan.blocked)
    return RefreshReport(
        keys=(
            *(outcomes[fetch.key] for fetch in plan.fetches),
            *(KeyOutcome(item.key, Outcome.SKIPPED, note=item.note, age_s=item.age_s) for item in plan.skipped),
            *(
                KeyOutcome(item.key, Outcome.FAILED, error=item.error, kept=_has_state(state_dir, item.key))
                for item in plan.blocked
            ),
        ),
        bystanders=plan.bystanders,
        fetch_s=round(time.monotonic() - began, 3),
        known=len(worker.discovery.keys),
    )


@dataclass
class _Refresh:
    """One project's refresh while it runs: a task per key."""

    plan: RefreshPlan
    bench: Workbench
    agree: Callable[[bool], Awaitable[bool]]
    outcomes: dict[str, KeyOutcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = [OneKey(fetch, number, self.bench) for number, fetch in enumerate(self.plan.fetches)]

    async def all_keys(self) -> Mapping[str, KeyOutcome]:
        """Fetch every key, within the time that there is, and return what became of each."""
        self.remember({fetch.key: None for fetch in self.plan.fetches})  # until they have ended, also if this is killed
        tasks = {asyncio.create_task(self.key(key)): key for key in self.keys}
        try:
            await asyncio.sleep(0)  # a task that has not begun cannot say why it was cancelled
            late = await self.wait(set(tasks))
            self.bench.out_of_time = True
            for task in late:
                if not tasks[task].returned:
                    task.cancel()
            await asyncio.gather(*tasks)
            if self.bench.run.all_or_nothing:
                await self.commit_together()
        finally:
            self.bench.out_of_time = False
            self.bench.over.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.to_thread(self.bench.pool.shutdown)
            self.remember({key: item.error for key, item in self.outcomes.items()})
        return self.outcomes

    async def wait(self, tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Wait for the tasks as long as there is time; return those that have not ended."""
        left_s = self.bench.run.left_s()
        while tasks and (left_s is None or left_s > 0):
            _, tasks = await asyncio.wait(tasks, timeout=_TICK_S if left_s is None else min(_TICK_S, left_s))
            self.bench.observer.tick()
            left_s = self.bench.run.left_s()
        return tasks

    async def key(self, key: OneKey) -> None:
        """Refresh one key."""
        if (outcome := await key.refreshed()) is not None:
            self.end(outcome)

    def end(self, outcome: KeyOutcome) -> None:
        assert outcome.key is not None
        self.outcomes[outcome.key] = outcome
        self.bench.observer.fetch_ends(outcome)

    async def commit_together(self) -> None:
        """Commit every key, or none when one failed or could not be fetched at all, in any of the projects."""
        good = not self.plan.blocked and not any(item.outcome is Outcome.FAILED for item in self.outcomes.values())
        ready = [key.ready for key in self.keys if key.ready is not None]
        outcomes = [key.outcome(key.ready) for key in self.keys if key.ready is not None]
        if not await self.agree(good):
            note = "another project failed" if good else "another key failed"
            for outcome in outcomes:
                held = replace(outcome, outcome=Outcome.HELD_BACK, record=outcome.before, note=note)
                self.end(replace(held, kept=held.record is not None))
            return
        try:
            await self.bench.threaded(commit, ready, self.bench.state_dir, self.bench.pulse)
        except StatebakeError as error:
            for outcome in outcomes:
                self.end(replace(outcome, outcome=Outcome.FAILED, error=error, record=None, kept=True))
        else:
            for outcome in outcomes:
                self.end(outcome)

    def remember(self, ended: Mapping[str, StatebakeError | None]) -> None:
        """Write down which keys did not become new: those that failed, stale ones too, were held back, or never ended.

        ``ended``: keys, and the errors of those that have one.
        """
        at = rfc3339(self.bench.run.now())
        new = {Outcome.UPDATED, Outcome.UNCHANGED}
        failed = {
            key: LastFailure(at, error.code.value if error else None)
            for key, error in ended.items()
            if key not in self.outcomes or self.outcomes[key].outcome not in new
        }
        write_failures(self.bench.state_dir, self.bench.staging, failed, ended, self.bench.worker.discovery.keys)


def _has_state(state_dir: Path, key: str | None) -> bool:
    """Return whether ``key``, which cannot be fetched, has state from a time when it could."""
    if key is None or key_problem(key) or not (state_dir / sanitize_key(key)).is_dir():
        return False
    return _record_of(state_dir / sanitize_key(key), key) is not None


def _record_of(place: Path, key: str) -> Record | None:
    try:
        record = read_record(place)
    except StatebakeError:
        return None
    return record if record is not None and record.key == key else None
