"""Collecting the reports of a command, also where an error ends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from statebake.cli.reports.emit import emit, prepare, report_of_error
from statebake.cli.reports.json_format import report_fields
from statebake.cli.reports.outputs import Output
from statebake.cli.view import View
from statebake.errors import StatebakeError
from statebake.model.report import Report

if TYPE_CHECKING:
    from statebake.pipeline import Target


class Reporting:
    """The reports of ``check``: one per project, also of one that an error ended the work on."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._errors: list[StatebakeError] = []

    def add(self, report: Report) -> None:
        """Add what was found in a project."""
        self.reports.append(report)

    def failed(self, target: Target, error: StatebakeError) -> None:
        """Add a project that an error ended the work on."""
        directory = str(target.project.directory)
        self._errors.append(error)
        self.reports.append(report_of_error("check", directory, "project", error, directory))

    def ended_by(self, error: StatebakeError) -> None:
        """Add the error that ended the command, if no project has it."""
        if error not in self._errors:
            self.reports.append(report_of_error("check", str(Path.cwd()), "project", error))


@contextlib.contextmanager
def reporting(output_format: str, outputs: Sequence[Output], view: View) -> Iterator[Reporting]:
    """Collect reports, and give them out at the end: what ``view`` does not show itself on standard output, others
    into ``outputs``; an error goes on when that is done.
    """
    collected = Reporting()
    try:
        yield collected
    except StatebakeError as error:
        collected.ended_by(error)
        try:
            _give_out(collected.reports, output_format, outputs, view)
        except StatebakeError as second:
            view.error(second)
        raise
    _give_out(collected.reports, output_format, outputs, view)


def _give_out(reports: Sequence[Report], output_format: str, outputs: Sequence[Output], view: View) -> None:
    if output_format == "json":
        view.report_fields(report_fields(*prepare(reports, view.env)))
    emit(reports, None if output_format in {"text", "json"} else output_format, outputs, view.env)
