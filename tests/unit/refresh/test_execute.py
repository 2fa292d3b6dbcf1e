"""Doing what a plan says, with a worker that does what the test tells it: the moments that real time cannot hit."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from statebake.config import Settings
from statebake.errors import Code, StatebakeError
from statebake.hosts import FetchEnd, FetchRequest
from statebake.progress import Observer
from statebake.refresh import Outcome, Run, Selection, Slots, attempts, execute_refresh, one_key, plan_refresh
from support.trees import read_tree


class FakeWorker:
    """Fetches as ``fetch`` does, an async function of a request that may return how an attempt ended."""

    def __init__(self, discovery, fetch) -> None:
        self.discovery = discovery
        self._fetch = fetch
        self.requests: list[FetchRequest] = []

    async def fetch(self, request: FetchRequest, timeout: float | None) -> FetchEnd:
        self.requests.append(request)
        return await self._fetch(request) or FetchEnd()


async def good(request: FetchRequest) -> None:
    request.state_path.write_text(request.key)


def failing(message: str = "no", **fields):
    async def fetch(_: FetchRequest) -> FetchEnd:
        return FetchEnd(StatebakeError(Code.FETCH_RAISED, message, next_step="mend it"), **fields)

    return fetch


def refresh(worker, state_dir: Path, *, settings=None, **options):
    """Refresh every key and return the report; ``left_s`` is the time until the deadline."""
    left_s = options.pop("left_s", None)
    plan = plan_refresh(worker.discovery, settings or Settings(backoff=0.0), Selection(), {})
    ends_at = None if left_s is None else time.monotonic() + left_s
    run = Run(tool="statebake 1", slots=Slots(8), ends_at=ends_at, **options)
    return asyncio.run(execute_refresh(plan, worker, state_dir, run=run, observer=Observer()))


def test_a_deadline_that_is_over(build, tmp_path):
    """Where no time is left nothing is fetched, and every key says so."""
    worker = FakeWorker(build.discovery("a", "b"), good)
    report = refresh(worker, tmp_path / "state", left_s=0.0)
    assert [item.error.code for item in report.keys] == [Code.OUT_OF_TIME] * 2
    assert worker.requests == []


def test_a_deadline_ends_what_follows_a_fetch(build, tmp_path, monkeypatch):
    """What is being checked when the time is over is not committed, and the old state stays."""

    def endless(*_, pulse, **__):
        while True:
            pulse()
            time.sleep(0.01)

    refresh(FakeWorker(build.discovery("a"), good), tmp_path / "state")
    before = read_tree(tmp_path / "state" / "a")
    monkeypatch.setattr(one_key, "check_content", endless)
    [item] = refresh(FakeWorker(build.discovery("a"), good), tmp_path / "state", left_s=0.3).keys
    assert (item.error.code, item.kept) == (Code.OUT_OF_TIME, True)
    assert "had not been checked" in item.error.message
    assert read_tree(tmp_path / "state" / "a") == before


def test_a_deadline_while_a_key_is_kept_as_stale(build, tmp_path, monkeypatch):
    """What comes after a fetch is no more ended by the deadline, and the refresh goes to its end."""
    state = tmp_path / "state"
    refresh(FakeWorker(build.discovery("a", "b"), good), state)
    keep = one_key.keep_old_state

    def slow(*arguments, **named):
        time.sleep(0.5)
        return keep(*arguments, **named)

    monkeypatch.setattr(one_key, "keep_old_state", slow)
    settings = Settings(backoff=0.0, on_failure="stale")
    report = refresh(FakeWorker(build.discovery("a", "b"), failing()), state, settings=settings, left_s=0.2)
    assert [item.outcome for item in report.keys] == [Outcome.STALE] * 2


def test_a_deadline_while_a_key_is_committed(build, tmp_path, monkeypatch):
    """A commit that has begun is finished."""
    commit = one_key.commit

    def slow(*arguments):
        time.sleep(0.5)
        commit(*arguments)

    monkeypatch.setattr(one_key, "commit", slow)
    report = refresh(FakeWorker(build.discovery("a"), good), tmp_path / "state", left_s=0.2)
    assert [item.outcome for item in report.keys] == [Outcome.UPDATED]


def test_very_many_attempts(build, tmp_path):
    """The pause is doubled up to a limit: it neither overflows nor ends the attempts."""
    worker = FakeWorker(build.discovery("a"), failing(retry=True))
    report = refresh(worker, tmp_path / "state", settings=Settings(backoff=0.0, retries=1200))
    assert report.keys[0].attempts == 1201
    assert attempts._backoff(1, 1.0) <= 1.5
    assert 150 <= attempts._backoff(30, 1.0) <= 450
    assert 1800 <= attempts._backoff(2000, 3600.0) <= 5400


def test_unchanged_state_is_not_compared(build, tmp_path, monkeypatch):
    """What has the digest that it had has lost nothing, and is not read again to find that out."""
    settings = Settings(backoff=0.0, max_shrink=0.1)
    compared = []
    monkeypatch.setattr("statebake.refresh.guards.find_losses", lambda *_: compared.append(1) or [])
    texts = ['{"a": 1}', '{"a": 1}', '{"a": 2}']
    for number, text in enumerate(texts):

        async def fetch(request: FetchRequest, text: str = text) -> None:
            request.state_path.write_text(text)

        refresh(FakeWorker(build.discovery("a"), fetch), tmp_path / "state", settings=settings)
        assert len(compared) == (number == 2)


def test_what_is_done_with_takes_no_room(build, tmp_path):
    """What failed, waits for another attempt, is unchanged, or was replaced is not kept until the refresh ends."""
    state, seen = tmp_path / "state", {}
    failing_once = iter([FetchEnd(StatebakeError(Code.FETCH_RAISED, "no", next_step=""), retry=True)])

    async def fetch(request: FetchRequest) -> FetchEnd | None:
        request.state_path.write_text("same" if request.key == "same" else str(time.monotonic()))
        if request.key == "last":
            await asyncio.sleep(0.5)
            seen.update({path.name: path for path in request.state_path.parent.parent.iterdir()})
        if request.key == "again":
            return next(failing_once, None)
        return await failing()(request) if request.key == "failed" else None

    keys = ["same", "again", "failed", "new", "last"]
    refresh(FakeWorker(build.discovery(*keys), good), state, settings=Settings(backoff=0.0))
    refresh(FakeWorker(build.discovery("same"), fetch), state)
    report = refresh(FakeWorker(build.discovery(*keys), fetch), state, settings=Settings(backoff=30.0), left_s=1.5)
    assert [item.outcome.value for item in report.keys] == ["unchanged", "failed", "failed", "updated", "updated"]
    assert [name for name in seen if not name.startswith("~")] == ["last"]


def test_a_bug_takes_one_key(build, tmp_path, monkeypatch):
    """What nobody has thought of fails the key that it happens to: the others go on, and all are reported."""
    keep = one_key.keep_old_state

    def broken(place, *arguments, **named):
        if place.name == "a":
            raise ValueError("hunter2")
        return keep(place, *arguments, **named)

    monkeypatch.setattr(one_key, "keep_old_state", broken)
    report = refresh(FakeWorker(build.discovery("a", "b"), failing()), tmp_path / "state")
    assert [item.error.code for item in report.keys] == [Code.COMMIT_FAILED, Code.FETCH_RAISED]
    assert "bug in statebake: ValueError" in report.keys[0].error.message


def test_an_interrupt_while_all_wait_to_be_committed(build, tmp_path):
    """A key that failed before, and was fetched in a run that was ended before its commit, still counts as failed."""
    state = tmp_path / "state"
    refresh(FakeWorker(build.discovery("a", "b"), failing()), state)

    async def interrupted(request: FetchRequest) -> None:
        if request.key == "b":
            raise asyncio.CancelledError
        await good(request)

    worker = FakeWorker(build.discovery("a", "b"), interrupted)
    with pytest.raises(asyncio.CancelledError):
        refresh(worker, state, all_or_nothing=True)
    assert set(json.loads((state / ".staging/last.json").read_text())["failed"]) == {"a", "b"}
    assert not (state / "a").exists()


def test_a_reason_without_secrets(build, tmp_path):
    """What is written down of a failure is masked before it is shortened."""
    state = tmp_path / "state"
    refresh(FakeWorker(build.discovery("a"), good), state)
    text = "x" * 496 + "hunter2hunter2"
    worker = FakeWorker(build.discovery("a"), failing(text))
    settings = replace(Settings(backoff=0.0), on_failure="stale")
    [item] = refresh(worker, state, settings=settings, mask=lambda it: it.replace("hunter2hunter2", "****")).keys
    assert item.record.stale.reason == "x" * 496 + "****"
