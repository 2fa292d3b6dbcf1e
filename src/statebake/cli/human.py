"""Sizes and ages as people read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from statebake.model.units import show_age, show_bytes

# ECMA-48: operating system commands, control sequences, other escapes; then what is left of control characters.
_CONTROL_CODES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
)


def size(count: int | None) -> str:
    """Return bytes in SI units, ``–`` where they are not known."""
    return "–" if count is None else show_bytes(count)


def age(seconds: float | None) -> str:
    """Return how long ago: ``12 s``, ``5 min``, ``3 h``, ``2 d``; ``–`` where it is not known."""
    return "–" if seconds is None else show_age(seconds)


def seconds(value: float) -> str:
    """Return how long something took: ``0.3 s``, ``42 s``, ``3 min 20 s``."""
    if value < 10:
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 120 else f"{value // 60:.0f} min {value % 60:.0f} s"


def change(now: int, before: int) -> str:
    """Return how a size changed: ``+1.2 kB``, ``-300 B``; empty where it did not."""
    return "" if now == before else f"{'+' if now > before else '-'}{size(abs(now - before))}"


def count(number: int, noun: str) -> str:
    """Return ``1 key`` or ``3 keys``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def path(value: Path) -> str:
    """Return a path relative to the current directory where it is inside, as a user would type it."""
    here = Path.cwd()
    if here == Path("/"):  # in which everything is: without its slash it would be taken for a name
        return str(value)
    try:
        return str(value.relative_to(here))
    except ValueError:
        return str(value)


def verdict(errors: int, warnings: int, keys: int) -> str:
    """Return what a check comes to: ``2 errors, 1 warning in 3 keys``, ``3 keys have their state``."""
    warned = f", {count(warnings, 'warning')}" if warnings else ""
    if errors:
        return f"{count(errors, 'error')}{warned} in {count(keys, 'key')}"
    if keys:
        return f"{count(keys, 'key')} {'has its state' if keys == 1 else 'have their state'}{warned}"
    return f"there are no keys{warned}"


def in_project(next_step: str, directory: Path) -> str:
    """Return a next step whose commands name the project in ``directory``, where the current one is not inside."""
    if Path.cwd().is_relative_to(directory):
        return next_step
    option = f" --project {shlex.quote(path(directory))}"
    return re.sub(
        r"(statebake (?:refresh|check|status|gc|bake pex|bake docker|dockerfile|config|init))\b",
        lambda found: found[0] + option,
        next_step,
    )


def clip(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a line of somebody else's, and nothing that would control a terminal.

    A text that is cut says how long it was. It is cut in the middle: programs say the cause last.
    """
    plain = _CONTROL_CODES.sub("", text)
    if len(plain) <= limit:
        return plain
    first = limit // 2
    return f"{plain[:first]} … {plain[first - limit :]} ({len(plain)} characters)"
