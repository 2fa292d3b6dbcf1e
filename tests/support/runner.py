"""What GitHub's runner does with a line that a step printed: ``actions/runner``, ``ActionCommand.cs``."""

from __future__ import annotations

from dataclasses import dataclass, field

_KNOWN = {"error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher", "remove-matcher"} | {
    "set-env",
    "set-output",
    "save-state",
    "add-path",
    "stop-commands",
    "echo",
}
_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))


@dataclass(frozen=True)
class Command:
    """A command that the runner obeys."""

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def commands(output: str) -> list[Command]:
    """Return the commands that the runner obeys in what a step printed."""
    lines = output.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [command for line in lines if (command := _new(line) or _old(line))]


def _new(line: str) -> Command | None:
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, rest = line[2:end].partition(" ")
    pairs = [part.partition("=") for part in rest.strip().split(",")]
    properties = {key: _unescape(value, _PROPERTY) for key, _, value in pairs if key and value}
    return Command(name, _unescape(line[end + 2 :], _DATA), properties) if name in _KNOWN else None


def _old(line: str) -> Command | None:
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name = line[start + 3 : end].partition(" ")[0]
    return Command(name, line[end + 1 :]) if name in _KNOWN else None


def _unescape(text: str, mappings: tuple[tuple[str, str], ...]) -> str:
    for escaped, token in mappings:
        text = text.replace(escaped, token)
    return text
