"""Doing what a refresh plan says: fetch into staging, settle, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from statebake.errors import StatebakeError
from statebake.hosts import FetchRequest, Worker
from statebake.model.discovery import refs
from statebake.model.keys import key_problem, sanitize_key
from statebake.model.record import read_record
from statebake.model.settle import Fetched, Settled, settle
from statebake.model.transaction import open_staging, storage_error
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
    planned = {fetch.key: fetch for fetch in plan.fetches}
    outcomes: dict[str, KeyOutcome] = {}
    started: dict[str, float] = {}

    def begin(request: FetchRequest) -> None:
        started[request.key] = time.monotonic()

    def commit(fetch: PlannedFetch, duration: float, staging: Path) -> Settled:
        fetched = Fetched(
            key=fetch.key,
            components=refs(fetch.components),
            where=fetch.component.declared_at,
            management_type=fetch.component.management_type,
            at=now(),
            duration_s=duration,
            tool=tool,
            host=worker.discovery.host,
        )
        return settle(fetched, state_dir, staging / fetch.name)

    if planned:
        with open_staging(state_dir) as staging:
            for result in worker.fetch(_requests(plan, staging), jobs, begin):
                fetch = planned[result.request.key]
                duration = round(time.monotonic() - started[fetch.key], 3)
                try:
                    if result.error is not None:
                        raise result.error
                    settled = commit(fetch, duration, staging)
                    how = Outcome.UPDATED if settled.changed else Outcome.UNCHANGED
                    outcome = KeyOutcome(fetch.key, how, record=settled.record, duration_s=duration)
                except StatebakeError as error:
                    kept = (state_dir / fetch.name).is_dir()
                    outcome = KeyOutcome(fetch.key, Outcome.FAILED, error=error, duration_s=duration, kept=kept)
                outcomes[fetch.key] = outcome
                observer.fetch_ended(fetch.key, outcome.outcome.value, outcome.record, duration)
    return RefreshReport(
        keys=(
            *(outcomes[key] for key in planned),
            *(KeyOutcome(item.key, Outcome.SKIPPED, note=item.reason) for item in plan.skipped),
            *(
                KeyOutcome(item.key, Outcome.FAILED, error=item.error, kept=_has_state(state_dir, item.key))
                for item in plan.blocked
            ),
        ),
        bystanders=plan.bystanders,
    )


def _has_state(state_dir: Path, key: str | None) -> bool:
    """Return whether ``key``, which cannot be fetched, has state from a time when it could."""
    if key is None or key_problem(key) or not (state_dir / sanitize_key(key)).is_dir():
        return False
    try:
        record = read_record(state_dir / sanitize_key(key))
    except StatebakeError:
        return False
    return record is not None and record.key == key


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
