"""Doing a command's work for every project: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from statebake.cli.view import View
from statebake.errors import Exit, StatebakeError

if TYPE_CHECKING:
    from statebake.pipeline import Target


def for_each(targets: Sequence[Target], view: View, work: Callable[[Target], int]) -> int:
    """Run ``work`` for every project and return the highest exit code.

    With one project, its ``StatebakeError`` is the command's; with several, it is shown and the others go on.
    """
    code: int = Exit.OK
    for target in targets:
        view.warnings(target.config.warnings)
        try:
            code = max(code, work(target))
        except StatebakeError as error:
            if len(targets) == 1:
                raise
            view.error(error, target)
            code = max(code, error.code.exit)
    return code
