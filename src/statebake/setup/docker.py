"""What a project's Docker files need, from what was read of them; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from statebake.bake.image.context import IGNORE_FILE
from statebake.bake.image.generated import FileState, state_of
from statebake.bake.image.generated_files import FileStatus, GeneratedFile
from statebake.bake.image.ignore_file import BlockStatus, block_status
from statebake.bake.image.ignore_rules import Rules
from statebake.config.uv_cache import STATE_FILES
from statebake.errors import StatebakeError
from statebake.model.keys import IGNORE_NAME
from statebake.setup.facts import DockerFacts
from statebake.setup.notes import Note

_COPIES_DIST = re.compile(r"^\s*(?:COPY|ADD)\s[^#\n]*\bdist\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class DockerReading:
    """What was read.

    Attributes:
        files: the texts of the project's Dockerfiles and compose files, by name.
        state: the state directory's path in the build context.
        name: what to call the ignore file that counts there.
        text: its text; ``None``: there is none.
        rules: its rules, as far as they can be read.
        ignore: it as it is and with statebake's block; ``None``: see ``problem``.
        ignore_in_build: the same where the build itself fetches the state.
        problem: why that is not known.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    name: str = IGNORE_FILE
    text: str | None = None
    rules: Rules = field(default_factory=lambda: Rules(()))
    ignore: GeneratedFile | None = None
    ignore_in_build: GeneratedFile | None = None
    problem: StatebakeError | None = None


def docker_facts(reading: DockerReading) -> DockerFacts:
    """Return the block of the ignore file where its rules keep the state out, or where it is there; or what to know."""
    files = tuple(reading.files)
    losing = _losing(reading)
    has_block = block_status(reading.text, ()) is not BlockStatus.MISSING
    if reading.problem is not None and (losing or has_block or reading.text is None):
        mend = f" {losing} keeps the state out: add `!{reading.state}/**` at its end." if losing else ""
        text = f"{reading.name} is left as it is: {reading.problem.message}{mend}"
        return DockerFacts(files, note=Note(text, to_do=losing is not None or reading.text is None))
    ignore, in_build = reading.ignore, reading.ignore_in_build
    if ignore is None or not (losing or has_block):
        return DockerFacts(files)
    if ignore.status is FileStatus.OUT_OF_DATE and in_build is not None and in_build.status is FileStatus.CURRENT:
        return DockerFacts(files)  # `statebake dockerfile --refresh-in-build` has it so
    if ignore.status is FileStatus.MISSING and (name := _copying_dist(reading.files)):
        line = f"!{reading.state}/**"
        note = (
            f"{name} copies from dist, which the block of statebake keeps out: add `{line}` to {reading.name} instead."
        )
        return DockerFacts(files, note=Note(note))  # the state is in what was built before
    return DockerFacts(files, ignore, losing)


def _losing(reading: DockerReading) -> str | None:
    """Return the first rule that keeps a file of the state out."""
    decisions = (reading.rules.decide(f"{reading.state}/{name}") for name in (IGNORE_NAME, *STATE_FILES))
    rule = next((one.rule for one in decisions if one.excluded and one.rule), None)
    return f"{reading.name}:{rule.line} (`{rule.text}`)" if rule else None


def _copying_dist(files: Mapping[str, str]) -> str | None:
    """Return the name of a Dockerfile of the user's that copies what was built before, or ``None``."""
    for name, text in files.items():
        if state_of(text) is FileState.FOREIGN and _COPIES_DIST.search(text):
            return name
    return None
