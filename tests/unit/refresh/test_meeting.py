"""Where the projects of one run wait for each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from statebake.refresh import Meeting

ONE, TWO, THREE = (Path(name) for name in ("one", "two", "three"))


def test_all_are_waited_for():
    """Who comes hears what all say, when the last one has come or has left."""

    async def meet() -> None:
        meeting: Meeting[str] = Meeting([ONE, TWO, THREE])
        first = asyncio.create_task(meeting.come(ONE, "here"))
        meeting.leave(TWO)
        await asyncio.sleep(0)
        assert not first.done()
        assert await meeting.come(THREE, "late") == await first
        assert sorted(map(str, await first)) == ["None", "here", "late"]

    asyncio.run(meet())


def test_enough():
    """Who knows enough goes on while others are still missing."""

    async def meet() -> None:
        meeting: Meeting[str] = Meeting([ONE, TWO, THREE])
        first = asyncio.create_task(meeting.come(ONE, "a", lambda told: "b" in told))
        await asyncio.sleep(0)
        assert not first.done()
        assert await meeting.come(TWO, "b", lambda told: "b" in told) == ["a", "b"]
        assert await first == ["a", "b"]

    asyncio.run(meet())


def test_once():
    """Who has come and leaves afterwards has said what there was to say."""

    async def meet() -> None:
        meeting: Meeting[bool] = Meeting([ONE, TWO])
        meeting.leave(ONE, True)
        meeting.leave(ONE)
        meeting.leave(THREE)
        assert await meeting.come(TWO, True) == [True, True]

    asyncio.run(meet())
