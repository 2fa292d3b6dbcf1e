"""One thing that is wrong: what checks of a work tree and verifications of an artifact find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from statebake.errors import Code, Exit, StatebakeError


class Severity(Enum):
    """An error makes the state unfit to bake, or the artifact unfit to deploy; a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: about which key (``None``: about a component or the whole), where, and what to do.

    ``where`` is a path, ``file:line``, or a place inside of an artifact; never part of a sentence.
    """

    code: Code
    severity: Severity
    key: str | None
    message: str
    where: str | None
    next_step: str | None

    @classmethod
    def of_error(cls, error: StatebakeError, key: str | None = None) -> Finding:
        """Return the finding that an error is."""
        return cls(error.code, Severity.ERROR, key, error.message, error.where, error.next_step)


_GRAVEST_FIRST = (Exit.BUG, Exit.SECRET, Exit.STATE, Exit.SEALED_LOAD)


def exit_of(findings: Iterable[Finding]) -> Exit:
    """Return the exit code of a command that found this: a secret counts before state, state before a sealed load."""
    codes = {item.code.exit for item in findings if item.severity is Severity.ERROR}
    return next((code for code in _GRAVEST_FIRST if code in codes), max(codes, default=Exit.OK))
