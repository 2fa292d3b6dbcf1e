"""One key of a refresh: it is fetched into staging, what was fetched is checked, and it is committed."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from statebake.errors import Code, StatebakeError
from statebake.hosts import FetchRequest, Worker
from statebake.model.discovery import refs
from statebake.model.keys import STATE_NAME
from statebake.model.outcome import KeyOutcome, Outcome
from statebake.model.settle import Fetched, Prepared, commit, prepare
from statebake.model.transaction import discard, remove_tree, storage_error
from statebake.model.tree import read_each
from statebake.progress import Observer
from statebake.refresh.attempts import Attempts, fetch_with_retries, out_of_time
from statebake.refresh.guards import Guards, check_content
from statebake.refresh.plan import PlannedFetch
from statebake.refresh.prune import prune
from statebake.refresh.run import Run
from statebake.refresh.stale import keep_old_state

if TYPE_CHECKING:
    from statebake.hygiene import Searcher

T = TypeVar("T")

COMMITS = 16  # threads: most of a commit is waiting for the disk


@dataclass
class Workbench:
    """What the keys of a project share while they are refreshed; see ``execute_refresh``."""

    worker: Worker
    state_dir: Path
    staging: Path
    run: Run
    observer: Observer
    searcher: Searcher | None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(COMMITS, thread_name_prefix="commit"))
    out_of_time: bool = False
    over: threading.Event = field(default_factory=threading.Event)  # nobody waits for the threads' work any more

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


@dataclass
class OneKey:
    """A key while it is refreshed.

    Attributes:
        fetch: what the plan says of it.
        number: its place in the plan.
        bench: see there.
        attempts: how its fetch goes.
        returned: whether its fetch is over. A thread works on what follows, which ends itself: see ``Workbench``.
        ready: what is to be committed together with all other keys.
    """

    fetch: PlannedFetch
    number: int
    bench: Workbench
    attempts: Attempts = field(default_factory=Attempts)
    returned: bool = False
    ready: Prepared | None = None

    @property
    def staged(self) -> Path:
        """The key's directory in staging."""
        return self.bench.staging / self.fetch.name

    @property
    def place(self) -> Path:
        """The key's directory in the state."""
        return self.bench.state_dir / self.fetch.name

    async def refreshed(self) -> KeyOutcome | None:
        """Fetch the key and commit it; return what became of it, ``None`` where it is ``ready`` instead."""
        try:
            return await self._refreshed()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other keys go on
            return self._failure(self._unexpected(error))

    async def _refreshed(self) -> KeyOutcome | None:
        try:
            await self._fetch()
            return await self._settle()
        except asyncio.CancelledError:
            if not self.bench.out_of_time:
                raise
            return await self._failed(out_of_time(self.fetch, self.attempts))
        except StatebakeError as error:
            return await self._failed(error)

    async def _fetch(self) -> None:
        """Fetch the key into staging; raises what the last attempt failed with."""
        fetch, bench = self.fetch, self.bench

        async def begin(attempt: int) -> FetchRequest:
            await bench.threaded(_fresh_dir, self.staged)
            log = bench.staging / f"~{self.number}.{attempt}.log"
            spawn = fetch.settings.isolation == "spawn"
            return FetchRequest(fetch.key, fetch.component, self.staged / STATE_NAME, log, spawn=spawn)

        async def clear() -> None:
            await bench.threaded(discard, self.staged)

        await fetch_with_retries(
            fetch, self.attempts, begin, clear, worker=bench.worker, slots=bench.run.slots, observer=bench.observer
        )

    async def _settle(self) -> KeyOutcome | None:
        """Check and commit what was fetched."""
        bench = self.bench
        bench.observer.commit_begins(self.fetch.key)
        self.returned = True
        prepared = await bench.threaded(self._prepare)
        if bench.run.all_or_nothing:
            self.ready = prepared
            if not prepared.changed:
                await bench.threaded(discard, prepared.staged)
            return None
        await bench.threaded(commit, [prepared], bench.state_dir, bench.pulse)
        await bench.threaded(discard, prepared.staged)  # now, not at the end: others may need the room
        return self.outcome(prepared)

    def _prepare(self) -> Prepared:
        """Take out what is no state, and validate the rest; runs in a thread."""
        from statebake.hygiene import SCRUBBED, scrub  # not at the start of every command
        from statebake.refresh.search import StateSearch

        fetch, bench, attempts, settings = self.fetch, self.bench, self.attempts, self.fetch.settings
        search = StateSearch(bench.searcher, settings.secrets, bench.in_time)
        if settings.secrets.scrub:
            attempts.scrubbed = scrub(self.staged)
        patterns = (*SCRUBBED, *settings.exclude) if settings.secrets.scrub else settings.exclude
        pruned = prune(self.staged, patterns)
        attempts.pruned = pruned.files
        guards = Guards(settings.min_bytes, settings.max_bytes, settings.schema, settings.max_shrink)
        fetched = Fetched(
            key=fetch.key,
            components=refs(fetch.components),
            where=fetch.component.declared_at,
            management_type=fetch.component.management_type,
            at=bench.run.now(),
            duration_s=attempts.duration_s or 0.0,
            tool=bench.run.tool,
            host=bench.worker.discovery.host,
        )

        def check(changed: bool) -> None:
            attempts.warnings = search.findings(fetch.key, fetched.where)
            check_content(
                self.staged,
                self.place if changed else None,
                guards,
                key=fetch.key,
                where=fetched.where,
                allow_shrink=bench.run.allow_shrink,
                pulse=bench.in_time,
            )

        reread = partial(read_each, pulse=bench.in_time)
        try:
            return prepare(fetched, bench.state_dir, self.staged, check, search.read, read_old=reread)
        except StatebakeError as error:
            if error.code is Code.FETCH_WROTE_NOTHING and pruned.files:
                raise pruned.blamed_for(error) from error
            raise

    def outcome(self, prepared: Prepared) -> KeyOutcome:
        """Return what became of the key when what was prepared is committed."""
        return KeyOutcome(
            prepared.record.key,
            Outcome.UPDATED if prepared.changed else Outcome.UNCHANGED,
            record=prepared.record,
            before=prepared.old,
            duration_s=self.attempts.duration_s,
            attempts=self.attempts.count,
            printed=self.attempts.printed,
            pruned=self.attempts.pruned,
            scrubbed=self.attempts.scrubbed,
            warnings=self.attempts.warnings,
        )

    async def _failed(self, error: StatebakeError) -> KeyOutcome:
        """Return what a failure means for the key: with the right settings, its old state goes on."""
        self.returned = True
        bench = self.bench
        outcome = self._failure(error)
        await bench.threaded(discard, self.staged)
        try:
            kept = await bench.threaded(
                partial(
                    keep_old_state,
                    self.place,
                    self.fetch.settings,
                    error,
                    staging=bench.staging,
                    now=bench.run.now(),
                    mask=bench.run.mask,
                    pulse=bench.pulse,
                )
            )
        except StatebakeError as problem:
            return replace(outcome, error=problem)
        if kept is None:
            return outcome
        return replace(outcome, outcome=Outcome.STALE, record=kept, before=kept)

    def _failure(self, error: StatebakeError) -> KeyOutcome:
        return KeyOutcome(
            self.fetch.key,
            Outcome.FAILED,
            error=error,
            duration_s=self.attempts.duration_s,
            attempts=self.attempts.count,
            printed=self.attempts.printed,
            kept=(self.place / STATE_NAME).exists(),
        )

    def _unexpected(self, error: Exception) -> StatebakeError:
        """Return the failure of a key that something went wrong with which nobody has thought of."""
        if isinstance(error, OSError):
            return storage_error(error, self.staged)
        return StatebakeError(
            Code.COMMIT_FAILED,
            f"What the fetch of {self.fetch.key} left met a bug in statebake: {type(error).__name__}.",
            where=self.fetch.component.declared_at,
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
