"""Reading what builders print while they work; no I/O.

BuildKit's plain progress has no specification: moby/buildkit ``util/progress/progressui/printer.go`` writes it. What
is read here was printed by buildx 0.13, the docker program of 20.10, and the classic builder; see the tests' samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from statebake.engine.events import BuildEvent, BuildLog, EventKind, Step, classic_event

_STEP_LINE = re.compile(r"#(\d+) (.*)")
_OUTPUT = re.compile(r"(\d+\.\d+) ?(.*)")
_DONE = re.compile(r"DONE (\d+\.\d+)s")
_PLACE = re.compile(r"\[([^\]]*)\] (.*)", re.DOTALL)
_INTERNAL = re.compile(r"(^| )(internal|auth)$")
_IMAGE = re.compile(r"(?:writing image|exporting manifest list|exporting manifest) (sha256:[0-9a-f]{64})")
_SENT = re.compile(r"transferring context: ([\d.]+)(B|kB|MB|GB|TB)\b")
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_FAILED_AT = re.compile(r"(\S.*):(\d+)")
_RULE = re.compile(r"-{6,}")
_CLASSIC_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)", re.DOTALL)
_CLASSIC_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully (built|tagged) ")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class BuildKitProgress:
    """Makes events of the lines of ``--progress=plain``, one after another; ``log`` is what is known so far."""

    def __init__(self) -> None:
        self.log = BuildLog()
        self._ended = False  # what follows are last words

    def feed(self, line: str) -> Iterator[BuildEvent]:
        """Yield what ``line`` tells; transfers and other internal progress tell nothing."""
        line = clean(line)
        found = _STEP_LINE.fullmatch(line)
        if found is None:
            self._last_words(line)
            return
        number, text = int(found[1]), found[2]
        step = self.log.steps.get(number)
        if step is None:
            if number and text and text != "...":
                yield self.log.add(BuildEvent(EventKind.BEGAN, parse_step(number, text)))
            return
        if text == "CACHED":
            yield self.log.add(BuildEvent(EventKind.CACHED, step))
        elif done := _DONE.fullmatch(text):
            yield self.log.add(BuildEvent(EventKind.DONE, step, seconds=float(done[1])))
        elif text.startswith("ERROR: "):
            yield self.log.add(BuildEvent(EventKind.FAILED, step, text.removeprefix("ERROR: ")))
        elif text in {"CANCELED", "CANCELLED"}:
            yield self.log.add(BuildEvent(EventKind.CANCELLED, step))
        elif output := _OUTPUT.fullmatch(text):
            yield self.log.add(BuildEvent(EventKind.OUTPUT, step, output[2]))
        elif image := _IMAGE.match(text):
            self.log.image = image[1]
        elif (sent := _SENT.match(text)) and step.name.endswith("build context"):
            self.log.sent[number] = round(float(sent[1]) * _UNITS[sent[2]])

    def _last_words(self, line: str) -> None:
        if _RULE.fullmatch(line):
            self._ended = True
        elif self._ended and self.log.place is None and (place := _FAILED_AT.fullmatch(line)):
            self.log.place = (place[1], int(place[2]))
        elif line.strip():
            self.log.errors = [*self.log.errors[-19:], line]


class ClassicProgress:
    """Makes events of the objects that the classic builder sends."""

    def __init__(self) -> None:
        self.log = BuildLog()
        self._step: Step | None = None
        self._cached = False
        self._rest = ""  # a line may come in pieces

    def feed(self, data: Mapping[str, object]) -> Iterator[BuildEvent]:
        """Yield what an object tells."""
        kind, text = classic_event(data)
        if kind == "image":
            self.log.image = text
        elif kind == "error":
            yield from self._flush()
            self.log.errors.append(clean(text).strip())
            if self._step is not None:
                yield self.log.add(BuildEvent(EventKind.FAILED, self._step, clean(text).strip()))
        elif kind == "stream":
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                yield from self._line(clean(line))

    def finish(self) -> Iterator[BuildEvent]:
        """Yield the end of the last step."""
        yield from self._flush()
        if self._step is not None and self.log.failed is None:
            yield self.log.add(BuildEvent(EventKind.CACHED if self._cached else EventKind.DONE, self._step))
        self._step = None

    def _flush(self) -> Iterator[BuildEvent]:
        rest, self._rest = self._rest, ""
        if rest:
            yield from self._line(clean(rest))

    def _line(self, line: str) -> Iterator[BuildEvent]:
        if found := _CLASSIC_STEP.fullmatch(line):
            yield from self.finish()
            self._step, self._cached = Step(int(found[1]), f"{found[1]}/{found[2]}", _tidy(found[3])), False
            yield self.log.add(BuildEvent(EventKind.BEGAN, self._step))
        elif line == " ---> Using cache":
            self._cached = True
        elif self._step is not None and line.strip() and not _CLASSIC_NOISE.match(line):
            yield self.log.add(BuildEvent(EventKind.OUTPUT, self._step, line))


def parse_step(number: int, text: str) -> Step:
    """Return the step whose first line is ``text``: ``[base 2/3] RUN make``, ``exporting to image``."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return Step(number, "", _tidy(text))
    return Step(number, _INTERNAL.sub("", found[1]), _tidy(found[2]))


def clean(line: str) -> str:
    """Return a line without colours and other control characters; of what overwrote itself, the last."""
    return _CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]) if "\r" in line else _CONTROL.sub("", line)


def _tidy(instruction: str) -> str:
    """Return an instruction on one line, without the flags that mount and link."""
    text = " ".join(instruction.split())
    kind, space, rest = text.partition(" ")
    if kind in {"RUN", "COPY", "ADD"}:
        while rest.startswith("--") and " " in rest:
            rest = rest.partition(" ")[2]
    return f"{kind}{space}{rest}"
