"""Doing what a refresh plan says: fetch into staging, validate, record, commit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.hosts import FetchRequest, Worker
from statebake.model.discovery import refs
from statebake.model.keys import RECORD_NAME
from statebake.model.record import Record, dump_json, read_record
from statebake.model.transaction import commit_key, open_staging, replace_file, storage_error
from statebake.model.tree import TreeSummary, materialize_links, summarize_dir
from statebake.progress import Observer
from statebake.refresh.plan import PlannedFetch, RefreshPlan
from statebake.refresh.report import KeyOutcome, Outcome, RefreshReport


def utc_now() -> datetime:
    """Return the time of a record."""
    return datetime.now(timezone.utc)


def execute_refresh(
    plan: RefreshPlan,
    worker: Worker,
    state_dir: Path,
    *,
    tool: str,
    jobs: int,
    observer: Observer,
    now: Callable[[], datetime] = utc_now,
) -> RefreshReport:
    """Fetch and commit every key of ``plan``; a key that fails leaves its old state and the other keys alone.

    Raises ``StatebakeError`` only where nothing could be done: ``LOCKED``, ``READ_ONLY``, ``WORKER_DIED``.
    """
    outcomes: dict[str, KeyOutcome] = {}
    if plan.fetches:
        with open_staging(state_dir) as staging:
            outcomes = _fetch_all(plan, worker, state_dir, staging, tool, jobs, observer, now)
    for skipped in plan.skipped:
        outcomes[skipped.key] = KeyOutcome(skipped.key, Outcome.SKIPPED, note=skipped.reason)
    blocked = [KeyOutcome(item.key, Outcome.FAILED, error=item.error) for item in plan.blocked]
    return RefreshReport(keys=(*outcomes.values(), *blocked), bystanders=plan.bystanders)


def _fetch_all(
    plan: RefreshPlan,
    worker: Worker,
    state_dir: Path,
    staging: Path,
    tool: str,
    jobs: int,
    observer: Observer,
    now: Callable[[], datetime],
) -> dict[str, KeyOutcome]:
    planned = {fetch.key: fetch for fetch in plan.fetches}
    started: dict[str, float] = {}
    outcomes: dict[str, KeyOutcome] = {}

    def begin(request: FetchRequest) -> None:
        started[request.key] = time.monotonic()
        observer.fetch_started(request.key)

    for result in worker.fetch(_requests(plan, staging), jobs, begin):
        fetch = planned[result.request.key]
        duration = round(time.monotonic() - started[fetch.key], 3)
        try:
            if result.error is not None:
                raise result.error
            outcome = _settle(fetch, state_dir, staging, duration, tool, worker.discovery.host, now)
        except StatebakeError as error:
            outcome = KeyOutcome(
                fetch.key,
                Outcome.FAILED,
                error=error,
                duration_s=duration,
                kept=(state_dir / fetch.name).is_dir(),
            )
        outcomes[fetch.key] = outcome
        observer.fetch_ended(fetch.key, outcome.outcome.value, f"{duration:.1f} s")
    return {key: outcomes[key] for key in planned}


def _requests(plan: RefreshPlan, staging: Path) -> list[FetchRequest]:
    requests = []
    for number, fetch in enumerate(plan.fetches):
        key_dir = staging / fetch.name
        try:
            key_dir.mkdir()
        except OSError as error:
            raise storage_error(error, key_dir) from error
        requests.append(FetchRequest(fetch.key, fetch.component, key_dir / "state", staging / f"{number}.log"))
    return requests


def _settle(
    fetch: PlannedFetch,
    state_dir: Path,
    staging: Path,
    duration: float,
    tool: str,
    host: str,
    now: Callable[[], datetime],
) -> KeyOutcome:
    """Validate what a fetch left in staging and make it the key's state; raises ``StatebakeError``."""
    staged, place = staging / fetch.name, state_dir / fetch.name
    summary = _validate(fetch, staged)
    old = _old_record(place)
    time_text = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    record = Record(
        key=fetch.key,
        components=refs(fetch.components),
        management_type=fetch.component.management_type,
        digest=summary.digest,
        files=summary.files,
        bytes=summary.bytes,
        fetched_at=time_text,
        checked_at=time_text,
        duration_s=duration,
        origin="fetched",
        tool=tool,
        host=host,
        extra=old.extra if old else {},
    )
    if old and old.digest == summary.digest:
        # The same bytes: an artifact must not change, so only the confirmation is new.
        record = replace(record, fetched_at=old.fetched_at, tool=old.tool, host=old.host)
        if _same_on_disk(place, summary):
            replace_file(place / RECORD_NAME, dump_json(record.to_json()), staging)
            return KeyOutcome(fetch.key, Outcome.UNCHANGED, record=record, duration_s=duration)
    replace_file(staged / RECORD_NAME, dump_json(record.to_json()), staging)
    commit_key(state_dir, staged)
    return KeyOutcome(fetch.key, Outcome.UPDATED, record=record, duration_s=duration)


def _validate(fetch: PlannedFetch, staged: Path) -> TreeSummary:
    try:
        materialize_links(staged)
        summary = summarize_dir(staged)
    except StatebakeError as error:
        inside = (error.where or "").removeprefix(f"{staged}/")
        raise StatebakeError(
            Code.FETCH_LEFT_FOREIGN,
            f"The fetch of {fetch.key} left {inside}: {error.message[0].lower()}{error.message[1:]}",
            where=fetch.component.declared_at,
            next_step=error.next_step,
        ) from error
    except OSError as error:
        raise storage_error(error, staged) from error
    if summary.empty:
        wrote = "nothing" if summary.files == 0 else "no content"
        raise StatebakeError(
            Code.FETCH_WROTE_NOTHING,
            f"The fetch of {fetch.key} returned and wrote {wrote}: {summary.empty}.",
            where=fetch.component.declared_at,
            next_step=f"have {fetch.component.type}.write_state_to_path write to the path that it is given",
        )
    return summary


def _old_record(place: Path) -> Record | None:
    """Return the record of the state that is there; one that cannot be read counts as none, a newer one does not."""
    try:
        return read_record(place)
    except StatebakeError as error:
        if error.code is Code.NEWER_FORMAT:
            raise
        return None


def _same_on_disk(place: Path, summary: TreeSummary) -> bool:
    try:
        return summarize_dir(place).digest == summary.digest
    except (StatebakeError, OSError):
        return False
