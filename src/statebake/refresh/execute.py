"""Doing what a refresh plan says: fetch every key into staging, with retries and limits, and commit what is valid."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from statebake.errors import Code, StatebakeError
from statebake.hosts import FetchRequest, Worker
from statebake.model.discovery import refs
from statebake.model.keys import STATE_NAME, key_problem, sanitize_key
from statebake.model.outcome import KeyOutcome, Outcome
from statebake.model.record import Record, read_record
from statebake.model.settle import Fetched, Prepared, commit, prepare, rfc3339
from statebake.model.transaction import discard, open_staging, remove_tree, storage_error
from statebake.model.tree import read_each
from statebake.progress import Observer
from statebake.refresh.attempts import Attempts, fetch_with_retries, out_of_time
from statebake.refresh.guards import Guards, check_content
from statebake.refresh.history import LastFailure, write_failures
from statebake.refresh.plan import PlannedFetch, RefreshPlan
from statebake.refresh.prune import prune
from statebake.refresh.report import RefreshReport
from statebake.refresh.run import Run
from statebake.refresh.stale import keep_old_state

if TYPE_CHECKING:
    from statebake.hygiene import Searcher

T = TypeVar("T")

_TICK_S = 0.2
COMMITS = 16  # threads: most of a commit is waiting for the disk


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
                outcomes = await _Refresh(plan, worker, state_dir, staging, run, observer, searcher, agree).all_keys()
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
    worker: Worker
    state_dir: Path
    staging: Path
    run: Run
    observer: Observer
    searcher: Searcher | None
    agree: Callable[[bool], Awaitable[bool]]
    outcomes: dict[str, KeyOutcome] = field(default_factory=dict)
    ready: dict[str, tuple[Prepared, KeyOutcome]] = field(default_factory=dict)  # to be committed together
    returned: set[str] = field(default_factory=set)  # a thread works on these, which ends itself: see ``pulse``
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(COMMITS, thread_name_prefix="commit"))
    out_of_time: bool = False
    over: threading.Event = field(default_factory=threading.Event)  # nobody waits for the threads' work any more

    def __post_init__(self) -> None:
        self.numbers = {fetch.key: number for number, fetch in enumerate(self.plan.fetches)}

    async def all_keys(self) -> Mapping[str, KeyOutcome]:
        """Fetch every key, within the time that there is, and return what became of each."""
        self.remember({fetch.key: None for fetch in self.plan.fetches})  # until they have ended, also if this is killed
        tasks = {asyncio.create_task(self.key(fetch)): fetch.key for fetch in self.plan.fetches}
        try:
            await asyncio.sleep(0)  # a task that has not begun cannot say why it was cancelled
            late = await self.wait(set(tasks))
            self.out_of_time = True
            for task in late:
                if tasks[task] not in self.returned:
                    task.cancel()
            await asyncio.gather(*tasks)
            if self.run.all_or_nothing:
                await self.commit_together()
        finally:
            self.out_of_time = False
            self.over.set()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.to_thread(self.pool.shutdown)
            self.remember({key: item.error for key, item in self.outcomes.items()})
        return self.outcomes

    async def wait(self, tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
        """Wait for the tasks as long as there is time; return those that have not ended."""
        left_s = self.run.left_s()
        while tasks and (left_s is None or left_s > 0):
            _, tasks = await asyncio.wait(tasks, timeout=_TICK_S if left_s is None else min(_TICK_S, left_s))
            self.observer.tick()
            left_s = self.run.left_s()
        return tasks

    async def key(self, fetch: PlannedFetch) -> None:
        """Fetch one key and commit it."""
        attempts = Attempts()
        try:
            outcome = await self.end_of(fetch, attempts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other keys go on
            outcome = self.failure(fetch, attempts, _unexpected(error, fetch, self.staging))
        if outcome is not None:
            self.end(outcome)

    async def end_of(self, fetch: PlannedFetch, attempts: Attempts) -> KeyOutcome | None:
        """Return what became of a key; ``None`` where that is not known before all keys are committed together."""
        try:
            await self.fetch(fetch, attempts)
            return await self.settle(fetch, attempts)
        except asyncio.CancelledError:
            if not self.out_of_time:
                raise
            return await self.failed(fetch, attempts, out_of_time(fetch, attempts))
        except StatebakeError as error:
            return await self.failed(fetch, attempts, error)

    def end(self, outcome: KeyOutcome) -> None:
        assert outcome.key is not None
        self.outcomes[outcome.key] = outcome
        self.observer.fetch_ends(outcome)

    async def fetch(self, fetch: PlannedFetch, attempts: Attempts) -> None:
        """Fetch a key into staging; raises what the last attempt failed with."""

        async def begin(attempt: int) -> FetchRequest:
            key_dir, number = self.staging / fetch.name, self.numbers[fetch.key]
            await self.threaded(_fresh_dir, key_dir)
            log = self.staging / f"~{number}.{attempt}.log"
            spawn = fetch.settings.isolation == "spawn"
            return FetchRequest(fetch.key, fetch.component, key_dir / STATE_NAME, log, spawn=spawn)

        async def clear() -> None:
            await self.threaded(discard, self.staging / fetch.name)

        await fetch_with_retries(
            fetch, attempts, begin, clear, worker=self.worker, slots=self.run.slots, observer=self.observer
        )

    async def settle(self, fetch: PlannedFetch, attempts: Attempts) -> KeyOutcome | None:
        """Check and commit what was fetched; ``None`` where all keys are committed together later."""
        self.observer.commit_begins(fetch.key)
        self.returned.add(fetch.key)
        prepared = await self.threaded(self.prepare, fetch, attempts)
        if self.run.all_or_nothing:
            self.ready[fetch.key] = prepared, self.outcome(prepared, attempts)
            if not prepared.changed:
                await self.threaded(discard, prepared.staged)
            return None
        await self.threaded(commit, [prepared], self.state_dir)
        await self.threaded(discard, prepared.staged)  # now, not at the end: others may need the room
        return self.outcome(prepared, attempts)

    def prepare(self, fetch: PlannedFetch, attempts: Attempts) -> Prepared:
        """Take out what is no state, and validate the rest; runs in a thread."""
        from statebake.hygiene import SCRUBBED, scrub  # not at the start of every command
        from statebake.refresh.search import StateSearch

        staged, settings = self.staging / fetch.name, fetch.settings
        search = StateSearch(self.searcher, settings.secrets, self.in_time)
        if settings.secrets.scrub:
            attempts.scrubbed = scrub(staged)
        patterns = (*SCRUBBED, *settings.exclude) if settings.secrets.scrub else settings.exclude
        pruned = prune(staged, patterns)
        attempts.pruned = pruned.files
        guards = Guards(settings.min_bytes, settings.max_bytes, settings.schema, settings.max_shrink)
        fetched = Fetched(
            key=fetch.key,
            components=refs(fetch.components),
            where=fetch.component.declared_at,
            management_type=fetch.component.management_type,
            at=self.run.now(),
            duration_s=attempts.duration_s or 0.0,
            tool=self.run.tool,
            host=self.worker.discovery.host,
        )

        def check(changed: bool) -> None:
            attempts.warnings = search.findings(fetch.key, fetched.where)
            check_content(
                staged,
                self.state_dir / fetch.name if changed else None,
                guards,
                key=fetch.key,
                where=fetched.where,
                allow_shrink=self.run.allow_shrink,
                pulse=self.in_time,
            )

        reread = partial(read_each, pulse=self.in_time)
        try:
            return prepare(fetched, self.state_dir, staged, check, search.read, read_old=reread)
        except StatebakeError as error:
            if error.code is Code.FETCH_WROTE_NOTHING and pruned.files:
                raise pruned.blamed_for(error) from error
            raise

    def outcome(self, prepared: Prepared, attempts: Attempts) -> KeyOutcome:
        return KeyOutcome(
            prepared.record.key,
            Outcome.UPDATED if prepared.changed else Outcome.UNCHANGED,
            record=prepared.record,
            before=prepared.old,
            duration_s=attempts.duration_s,
            attempts=attempts.count,
            printed=attempts.printed,
            pruned=attempts.pruned,
            scrubbed=attempts.scrubbed,
            warnings=attempts.warnings,
        )

    async def failed(self, fetch: PlannedFetch, attempts: Attempts, error: StatebakeError) -> KeyOutcome:
        """Return what a failure means for a key: with the right settings, its old state goes on."""
        self.returned.add(fetch.key)
        place = self.state_dir / fetch.name
        outcome = self.failure(fetch, attempts, error)
        await self.threaded(discard, self.staging / fetch.name)
        try:
            kept = await self.threaded(
                partial(
                    keep_old_state,
                    place,
                    fetch.settings,
                    error,
                    staging=self.staging,
                    now=self.run.now(),
                    mask=self.run.mask,
                    pulse=self.pulse,
                )
            )
        except StatebakeError as problem:
            return replace(outcome, error=problem)
        if kept is None:
            return outcome
        return replace(outcome, outcome=Outcome.STALE, record=kept, before=kept)

    def failure(self, fetch: PlannedFetch, attempts: Attempts, error: StatebakeError) -> KeyOutcome:
        return KeyOutcome(
            fetch.key,
            Outcome.FAILED,
            error=error,
            duration_s=attempts.duration_s,
            attempts=attempts.count,
            printed=attempts.printed,
            kept=(self.state_dir / fetch.name / STATE_NAME).exists(),
        )

    async def commit_together(self) -> None:
        """Commit every key, or none when one failed or could not be fetched at all, in any of the projects."""
        good = not self.plan.blocked and not any(item.outcome is Outcome.FAILED for item in self.outcomes.values())
        if not await self.agree(good):
            note = "another project failed" if good else "another key failed"
            for _, outcome in self.ready.values():
                held = replace(outcome, outcome=Outcome.HELD_BACK, record=outcome.before, note=note)
                self.end(replace(held, kept=held.record is not None))
            return
        try:
            await self.threaded(commit, [prepared for prepared, _ in self.ready.values()], self.state_dir)
        except StatebakeError as error:
            for _, outcome in self.ready.values():
                self.end(replace(outcome, outcome=Outcome.FAILED, error=error, record=None, kept=True))
        else:
            for _, outcome in self.ready.values():
                self.end(outcome)

    def remember(self, ended: Mapping[str, StatebakeError | None]) -> None:
        """Write down which keys did not become new: those that failed, stale ones too, were held back, or never ended.

        ``ended``: keys, and the errors of those that have one.
        """
        at = rfc3339(self.run.now())
        new = {Outcome.UPDATED, Outcome.UNCHANGED}
        failed = {
            key: LastFailure(at, error.code.value if error else None)
            for key, error in ended.items()
            if key not in self.outcomes or self.outcomes[key].outcome not in new
        }
        write_failures(self.state_dir, self.staging, failed, ended, self.worker.discovery.keys)

    def pulse(self) -> None:
        """End a thread's work that nobody waits for any more, by raising."""
        if self.over.is_set():
            raise asyncio.CancelledError

    def in_time(self) -> None:
        """The same, and what the deadline ends as well: all that comes before a commit."""
        if self.out_of_time:
            raise asyncio.CancelledError
        self.pulse()

    async def threaded(self, function: Callable[..., T], *arguments: object) -> T:
        """Run what waits for the disk in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function, *arguments)


def _unexpected(error: Exception, fetch: PlannedFetch, staging: Path) -> StatebakeError:
    """Return the failure of a key that something went wrong with which nobody has thought of."""
    if isinstance(error, OSError):
        return storage_error(error, staging / fetch.name)
    return StatebakeError(
        Code.COMMIT_FAILED,
        f"What the fetch of {fetch.key} left met a bug in statebake: {type(error).__name__}.",
        where=fetch.component.declared_at,
        next_step="report it with the lines above",
        detail="".join(traceback.format_exception(error)),
    )


def _fresh_dir(path: Path) -> None:
    """Make an empty directory, in place of what an earlier attempt left."""
    try:
        if path.exists():
            remove_tree(path)
        path.mkdir()
    except OSError as error:
        raise storage_error(error, path) from error


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
