"""What happens in a build, whichever builder it is, and the log that is made of it; no I/O."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from statebake.redact import redact

KEPT_LINES = 40


class EventKind(Enum):
    """What became of a step."""

    BEGAN = "began"
    CACHED = "cached"
    DONE = "done"
    OUTPUT = "output"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Step:
    """A step of a build.

    Attributes:
        number: the engine's, unique in a build.
        place: ``base 2/3``, ``linux/arm64 stage-1 1/2``; empty for what is no instruction of the Dockerfile.
        name: the instruction, or what else is done, for people: ``COPY app /app``, ``exporting to image``.
    """

    number: int
    place: str
    name: str

    @property
    def is_instruction(self) -> bool:
        """Whether the Dockerfile says so; the rest is the builder's own business."""
        return re.search(r"(^| )\d+/\d+$", self.place) is not None


@dataclass(frozen=True)
class BuildEvent:
    """Something that happened: ``text`` is a line of output or an error, ``seconds`` how long a step took."""

    kind: EventKind
    step: Step
    text: str = ""
    seconds: float | None = None


def without_secrets(event: BuildEvent, env: Mapping[str, str]) -> BuildEvent:
    """Return the event with the secrets in ``env`` taken out of what it says."""
    step = replace(event.step, name=redact(event.step.name, env))
    return replace(event, step=step, text=redact(event.text, env))


@dataclass
class BuildLog:
    """What is kept of a build for its result, and for the error that it may end with.

    Attributes:
        steps: every step, by its number.
        outputs: the last lines that each step printed.
        failed: the step that failed, and its error.
        errors: the builder's last words.
        place: where in the Dockerfile it failed: file name and line.
        image: the identifier that the builder gave the image.
        cached: how many instructions came from the cache; ``ran``: how many were run.
        sent: the bytes of the build context that were sent, by the step that sent them.
    """

    steps: dict[int, Step] = field(default_factory=dict)
    outputs: dict[int, deque[str]] = field(default_factory=dict)
    failed: tuple[Step, str] | None = None
    errors: list[str] = field(default_factory=list)
    place: tuple[str, int] | None = None
    image: str | None = None
    cached: int = 0
    ran: int = 0
    sent: dict[int, int] = field(default_factory=dict)

    def add(self, event: BuildEvent) -> BuildEvent:
        """Keep what is needed of an event, and return it."""
        step = event.step
        self.steps[step.number] = step
        if event.kind is EventKind.OUTPUT:
            self.outputs.setdefault(step.number, deque(maxlen=KEPT_LINES)).append(event.text)
        elif event.kind is EventKind.FAILED:
            self.failed = self.failed or (step, event.text)
        elif step.is_instruction and event.kind is EventKind.CACHED:
            self.cached += 1
        elif step.is_instruction and event.kind is EventKind.DONE and not step.name.startswith("FROM "):
            self.ran += 1
        return event

    def output_of(self, step: Step) -> list[str]:
        """Return the last lines that a step printed."""
        return list(self.outputs.get(step.number, ()))


def classic_event(data: Mapping[str, object]) -> tuple[str, str]:
    """Return kind and text of an object of the classic builder's stream (Docker Engine API, ``POST /build``)."""
    for kind in ("stream", "error", "status"):
        if isinstance(text := data.get(kind), str):
            return kind, text
    aux = data.get("aux")
    if isinstance(aux, Mapping) and isinstance(aux.get("ID"), str):
        return "image", str(aux["ID"])
    return "other", ""
