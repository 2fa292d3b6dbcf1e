"""The options of commands that end with reports."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from statebake.cli.reports.outputs import NAMES, read_outputs

F = TypeVar("F", bound=Callable[..., Any])


def report_options(function: F) -> F:
    """Add ``--format`` and ``--output``; the command gets ``output_format`` and ``outputs``, a tuple of ``Output``."""

    @functools.wraps(function)
    def command(*args: Any, outputs: tuple[str, ...], **kwargs: Any) -> Any:
        return function(*args, outputs=read_outputs(outputs, Path.cwd()), **kwargs)

    for option in (
        click.option(
            "--output",
            "-o",
            "outputs",
            multiple=True,
            metavar="[FORMAT=]FILE",
            help="Write a report to FILE as well; can be given several times. Without FORMAT its extension tells: "
            ".json, .sarif, .xml (junit), .txt.",
        ),
        click.option(
            "--format",
            "output_format",
            type=click.Choice(NAMES),
            default="text",
            show_default=True,
            help="How to print the result.",
        ),
    ):
        command = option(command)
    return command  # type: ignore[return-value]
