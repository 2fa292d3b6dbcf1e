"""What a build says, and how it ends: frontends show what hooks print on standard error, and their exit codes.

An exception would be shown as a traceback, so what the user can mend is printed, and the process ends by ``SystemExit``
with the error's own exit code: pip, build and uv then say that the backend failed, and show what it printed.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from statebake.errors import Exit, StatebakeError

if TYPE_CHECKING:
    from statebake.model.finding import Finding


def say(text: str) -> None:
    """Print text on standard error, without a secret in it."""
    from statebake.redact import redact

    print(redact(text, os.environ), file=sys.stderr, flush=True)


@contextlib.contextmanager
def ending_cleanly() -> Iterator[None]:
    """End the process where a ``StatebakeError`` is raised, or where it is interrupted."""
    try:
        yield
    except StatebakeError as error:
        fail(error)
    except KeyboardInterrupt:
        say("statebake: interrupted")
        sys.exit(Exit.INTERRUPTED)


def fail(*errors: StatebakeError) -> NoReturn:
    """Print errors, and end the process with the exit code of the first."""
    for error in errors:
        say("\n".join([_headline("error", error.code.value, error.message), *_rest(error)]))
    sys.exit(int(errors[0].code.exit))


def finding_text(finding: Finding) -> str:
    """Return a finding as lines to be printed."""
    subject = f"{finding.key}: " if finding.key else ""
    lines = [_headline(finding.severity.value, finding.code.value, f"{subject}{finding.message}"), *_rest(finding)]
    return "\n".join(lines)


def _headline(label: str, code: str, message: str) -> str:
    return f"{label}[{code}]: {message}"


def _rest(what: StatebakeError | Finding) -> Iterator[str]:
    if what.where:
        yield f"  at {what.where}"
    if isinstance(what, StatebakeError):
        yield from (f"  | {line}" for line in (what.detail or "").splitlines())
    if what.next_step:
        yield f"  next: {what.next_step}"
