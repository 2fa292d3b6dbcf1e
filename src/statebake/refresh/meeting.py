"""Where the projects of one run wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Meeting(Generic[T]):
    """A place that each of several projects comes to once, with something to tell the others, and waits for them."""

    def __init__(self, projects: Iterable[Path] = ()) -> None:
        self._missing = set(projects)
        self._told: list[T | None] = []
        self._complete = asyncio.Event()

    async def come(self, project: Path, word: T) -> list[T | None]:
        """Tell ``word``, and return what everybody told, when all have come; ``None``: of one that never did."""
        self.leave(project, word)
        await self._complete.wait()
        return self._told

    def leave(self, project: Path, word: T | None = None) -> None:
        """Tell ``word`` without waiting for the others; of one that has come already this changes nothing."""
        if project in self._missing:
            self._missing.remove(project)
            self._told.append(word)
        if not self._missing:
            self._complete.set()
