"""For formats in which a report is all that is on standard output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from statebake.cli.text_view import TextView

if TYPE_CHECKING:
    from statebake.check import CheckReport
    from statebake.pipeline import Target


class QuietView(TextView):
    """Shows warnings, and errors that end the work on a project, on standard error; findings are in the report."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__(env)
        self._out = self._err

    def check_report(self, target: Target, report: CheckReport) -> None:
        pass
