"""Work on several projects at once, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from types import SimpleNamespace

import pytest

from statebake import pipeline


def test_an_interrupt_waits_for_all(monkeypatch):
    """Each project ends what it started, also the one that needs longer for it than the others."""
    closed = []

    @contextlib.asynccontextmanager
    async def opened(target, *_):
        try:
            yield target
        finally:
            await asyncio.sleep(target.patience)
            closed.append(target.patience)

    async def work(target):
        if target.patience:
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    monkeypatch.setattr(pipeline, "open_project", opened)
    targets = [SimpleNamespace(patience=seconds) for seconds in (0.0, 0.3)]
    with pytest.raises(KeyboardInterrupt):
        pipeline.side_by_side(targets, {}, work)
    assert closed == [0.0, 0.3]
