"""Reading what ``statebake`` printed on standard error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HEAD = re.compile(r"(error|warning)\[(SB\d+)\]: (.*)")


@dataclass
class Shown:
    """An error or a warning as a person sees it."""

    severity: str
    code: str
    message: str
    where: str | None = None
    detail: list[str] = field(default_factory=list)
    next_step: str | None = None


def shown(text: str) -> list[Shown]:
    """Return every error and warning in ``text``, in order."""
    found: list[Shown] = []
    for line in text.splitlines():
        if head := _HEAD.fullmatch(line):
            found.append(Shown(*head.groups()))
        elif found and line.startswith("  at "):
            found[-1].where = line.removeprefix("  at ")
        elif found and line.startswith("  | "):
            found[-1].detail.append(line.removeprefix("  | "))
        elif found and line.startswith("  next: "):
            found[-1].next_step = line.removeprefix("  next: ")
    return found


def the_error(text: str) -> Shown:
    """Return the one error in ``text``, which must say what to do next; fail where there is another number of them."""
    errors = [item for item in shown(text) if item.severity == "error"]
    assert len(errors) == 1, text
    assert errors[0].next_step, text
    return errors[0]


def assert_no_crash(text: str) -> None:
    """Fail where ``text`` has a traceback of statebake's own: one that quotes the user's code stands behind a bar."""
    crashed = [line for line in text.splitlines() if "Traceback" in line and not line.startswith("  | ")]
    assert not crashed, text
    assert "This is a bug" not in text, text
