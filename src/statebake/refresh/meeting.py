"""Where the projects of one run wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Meeting(Generic[T]):
    """A place that each of several projects comes to once, with something to tell the others, and waits for them."""

    def __init__(self, projects: Iterable[Path] = ()) -> None:
        self._missing = set(projects)
        self._told: list[T | None] = []
        self._news = asyncio.Event()

    async def come(
        self, project: Path, word: T, enough: Callable[[Sequence[T | None]], bool] = lambda _: False
    ) -> list[T | None]:
        """Tell ``word``, and return what was told, when all have come or it is ``enough``; ``None``: one never came."""
        self.leave(project, word)
        while self._missing and not enough(self._told):
            await self._news.wait()
        return list(self._told)

    def leave(self, project: Path, word: T | None = None) -> None:
        """Tell ``word`` without waiting for the others; of one that has come already this changes nothing."""
        if project in self._missing:
            self._missing.remove(project)
            self._told.append(word)
            self._news.set()
            self._news = asyncio.Event()
