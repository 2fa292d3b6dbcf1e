"""What a check or a verification comes to, whatever form it is reported in."""

from __future__ import annotations

from dataclasses import dataclass

from statebake.errors import Exit
from statebake.model.finding import Finding, Severity, exit_of


@dataclass(frozen=True)
class KeyResult:
    """What was found of one expected key.

    Attributes:
        key: its defs state key.
        declared_at: ``file:line`` of its first component, where that is known.
        verdict: one or two words: ``ok``, or what is wrong.
        age_s: seconds since its state was fetched, or ``None`` where nobody knows.
        bytes: the size of what is there; ``None``: nothing is.
        files: how many files that is.
        digest: ``sha256:…`` of what is there.
        opened: whether a sealed load opened its state; ``None`` without one, or where it did not end.
        definitions: how many definitions a sealed load made of it; ``None`` without one, or where it ended before that.
    """

    key: str
    declared_at: str | None
    verdict: str
    age_s: float | None = None
    bytes: int | None = None
    files: int | None = None
    digest: str | None = None
    opened: bool | None = None
    definitions: int | None = None


@dataclass(frozen=True)
class Report:
    """The outcome of ``check`` or ``verify`` for one project, artifact, or platform of an image.

    Attributes:
        command: ``check`` or ``verify``.
        subject: the project's directory, the artifact's path, or the image's name, with its platform.
        kind: ``project``, ``wheel``, ``pex``, ``environment``, ``layout`` or ``image``; ``unknown`` after an error.
        checks: what was done, a sentence each: ``3 keys compared with src/shop``.
        findings: what is wrong, errors first.
        keys: every expected key.
        notes: what the reader should know of how it was done (what a seal cannot see), a sentence each.
        directory: the project's directory, which relative places are taken from; ``None`` where it is not at hand.
    """

    command: str
    subject: str
    kind: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    keys: tuple[KeyResult, ...]
    notes: tuple[str, ...] = ()
    directory: str | None = None

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail it."""
        return tuple(item for item in self.findings if item.severity is Severity.ERROR)

    @property
    def exit(self) -> Exit:
        """The exit code."""
        return exit_of(self.findings)
