"""Giving out reports: one on standard output, others into files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from statebake.cli.reports.outputs import Output, find_format
from statebake.cli.reports.places import Scene, scene_of
from statebake.cli.reports.words import cleaned
from statebake.errors import Exit, StatebakeError
from statebake.model.finding import Finding, exit_of
from statebake.model.report import Report


def emit(
    reports: Sequence[Report], output_format: str | None, outputs: Sequence[Output], env: Mapping[str, str]
) -> Exit:
    """Print the reports (``None``: they were shown already), write them to ``outputs``, and return the exit code.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``) when everything that could be given out was.
    """
    clean, scene = prepare(reports, env)
    if output_format is not None:
        find_format(output_format).show(clean, scene, env)
    failed: StatebakeError | None = None
    for output in outputs:
        from statebake.bake.files import write_output

        try:
            write_output(output.path, find_format(output.format).render(clean, scene).encode())
        except StatebakeError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return exit_of([item for report in clean for item in report.findings])


def prepare(reports: Sequence[Report], env: Mapping[str, str]) -> tuple[list[Report], Scene]:
    """Return the reports as they may be shown, and their surroundings."""
    scene = scene_of(reports, env, Path.cwd(), datetime.now(timezone.utc))
    return [cleaned(report, env) for report in reports], scene


def emit_error(
    report: Report, error: StatebakeError, output_format: str, outputs: Sequence[Output], env: Mapping[str, str]
) -> Exit:
    """Give out the ``report`` of an error that ended a command, as ``emit`` does; on standard error the error is shown
    as every command shows one, with what a report has no room for.
    """
    from statebake.cli.console import open_console
    from statebake.cli.text_view import print_error

    print_error(error, open_console(env, stderr=True), env)
    return emit([report], None if output_format == "text" else output_format, outputs, env)


def report_of_error(
    command: str, subject: str, kind: str, error: StatebakeError, directory: str | None = None
) -> Report:
    """Return the report of a command that an error ended before it could look at its subject."""
    return Report(command, subject, kind, checks=(), findings=(Finding.of_error(error),), keys=(), directory=directory)
