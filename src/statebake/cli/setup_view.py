"""What ``statebake init`` has found and would write, in lines for people and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from statebake.cli import human
from statebake.cli.reports.words import plain
from statebake.redact import redactor
from statebake.setup.plan import BUILDS

if TYPE_CHECKING:
    from statebake.pipeline.setting_up import Setup

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def found_lines(setup: Setup) -> Iterator[Text]:
    """Yield what was found, a line each."""
    yield Text(plain(setup.target.project.name), style="bold")
    for name, value in setup.plan.found:
        yield Text(f"  {name}: {plain(value)}")


def change_lines(setup: Setup, env: Mapping[str, str]) -> Iterator[Text]:
    """Yield what would be written, as diffs, and what is left to the user; without the secrets in ``env``.

    These are taken out before a line is cut: half of one would not be known any more.
    """
    redacted = _masking(env)
    for change in setup.plan.changes:
        name = setup.name_of(change.path)
        yield Text("")
        yield Text.assemble((name, "bold"), f": {change.why}")
        for line in change.diff(name):
            style = "bold" if line.startswith(("--- ", "+++ ")) else _STYLES.get(line[:1], "")
            yield Text(human.clip(redacted(line), 400), style=style)
    if setup.plan.changes:
        yield Text("")
    for note in setup.plan.notes:
        yield Text.assemble(("note: ", "yellow"), redacted(note.text))


def _masking(env: Mapping[str, str]) -> Callable[[str], str]:
    """Return what takes out the secrets in ``env``, of URLs, and of well-known formats: a file may have any others."""
    from statebake.hygiene.matchers import LibcMatcher  # hyperscan takes longer to load than this takes
    from statebake.hygiene.patterns import Patterns, masked

    redacted, patterns = redactor(env), Patterns((), formats=True, literals=(), matcher=LibcMatcher)
    return lambda text: masked(patterns, redacted(text))


def report_line(setup: Setup, written: Sequence[Path]) -> str:
    """Return what came of it, in a line."""
    names = ", ".join(setup.name_of(path) for path in written)
    nothing = "there is nothing to write; the rest is to be done by hand" if setup.plan.to_do else None
    return f"{plain(setup.target.project.name)}: {f'wrote {names}' if names else nothing or 'there is nothing to do'}"


def next_steps(setup: Setup) -> Iterator[str]:
    """Yield the commands that come next; they name the project where the current directory is not inside."""
    directory = setup.target.project.directory
    for step in setup.plan.next_steps:
        if step in BUILDS and not Path.cwd().is_relative_to(directory):
            yield f"{step} {shlex.quote(human.path(directory))}"
        else:
            yield human.in_project(step, directory)


def setup_json(setup: Setup, written: Sequence[Path], env: Mapping[str, str]) -> dict[str, Any]:
    """Return the same as a JSON object, without the secrets in ``env``; ``written``: the files that were."""
    redacted = _masking(env) if setup.plan.changes or setup.plan.notes else str
    return {
        "found": {name.lower().replace(" ", "_"): value for name, value in setup.plan.found},
        "changes": [
            {
                "path": str(change.path),
                "diff": "\n".join(map(redacted, change.diff(setup.name_of(change.path)))),
                "why": change.why,
            }
            for change in setup.plan.changes
        ],
        "notes": [redacted(note.text) for note in setup.plan.notes],
        "to_do": [redacted(note.text) for note in setup.plan.to_do],
        "next_steps": list(setup.plan.next_steps),
        "written": [str(path) for path in written],
    }
