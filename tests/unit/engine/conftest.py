"""What builders really printed, and ways to read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from statebake.engine.events import BuildEvent, BuildLog, EventKind
from statebake.engine.progress import BuildKitProgress, ClassicProgress

SAMPLES = Path(__file__).with_name("samples")


class Sample:
    """The output of a real build, read."""

    def __init__(self, name: str) -> None:
        [path] = SAMPLES.glob(f"{name}.*")
        self.events: list[BuildEvent] = list(self._read(path))

    def _read(self, path: Path) -> Iterator[BuildEvent]:
        text = path.read_text()
        if path.suffix == ".jsonl":
            classic = ClassicProgress()
            for line in text.splitlines():
                yield from classic.feed(json.loads(line))
            yield from classic.finish()
            self.log: BuildLog = classic.log
            return
        progress = BuildKitProgress()
        for line in text.splitlines():
            yield from progress.feed(line)
        self.log = progress.log

    def told(self, *kinds: EventKind) -> list[tuple[str, str, str]]:
        """Return place, name and text of the events of these kinds that are about instructions."""
        return [
            (event.step.place, event.step.name, event.text)
            for event in self.events
            if event.kind in kinds and event.step.is_instruction
        ]


@pytest.fixture
def sample():
    """Reads a sample by its name."""
    return Sample
