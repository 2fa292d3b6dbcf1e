"""``--output``: further reports into files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.cli.reports.base import Format
from statebake.errors import Code, StatebakeError

NAMES = ("text", "json", "github", "gitlab", "junit", "sarif")
_EXTENSIONS = {".txt": "text", ".json": "json", ".sarif": "sarif", ".sarif.json": "sarif", ".xml": "junit"}


@dataclass(frozen=True)
class Output:
    """A file to write a report to, and the report's format."""

    format: str
    path: Path


def find_format(name: str) -> Format:
    """Return the format called ``name``, one of ``NAMES``."""
    from statebake.cli import reports

    found: dict[str, type[Format]] = {
        "text": reports.TextFormat,
        "json": reports.JsonFormat,
        "github": reports.GithubFormat,
        "gitlab": reports.GitlabFormat,
        "junit": reports.JunitFormat,
        "sarif": reports.SarifFormat,
    }
    return found[name]()


def read_outputs(values: Sequence[str], cwd: Path) -> tuple[Output, ...]:
    """Return what the values of ``--output`` name: ``FORMAT=FILE``, or a file whose extension tells the format.

    Raises ``StatebakeError``: ``BAD_SETTING``; ``OUTPUT_FAILED`` for what is there and is no file.
    """
    outputs: list[Output] = []
    for value in values:
        output = _read(value, cwd)
        if any(output.path == other.path for other in outputs):
            raise StatebakeError(
                Code.BAD_SETTING,
                "Two reports would be written to one file.",
                where=f"--output {value}",
                next_step="name another file for one of them",
            )
        outputs.append(output)
    return tuple(outputs)


def _read(value: str, cwd: Path) -> Output:
    before, equals, after = value.partition("=")
    if equals and re.fullmatch(r"[a-z]+", before):
        name, file = before, after
    else:
        lower = Path(value).name.lower()
        longest_first = sorted(_EXTENSIONS, key=len, reverse=True)
        name = next((_EXTENSIONS[end] for end in longest_first if lower.endswith(end)), "")
        file = value
    if name not in NAMES or file in {"", "-"}:
        problem = (
            "A report needs a file."
            if name in NAMES
            else f"There is no format {name!r}: {', '.join(NAMES)}."
            if name
            else "The format of a report is not known by the extension of its file."
        )
        raise StatebakeError(
            Code.BAD_SETTING,
            problem,
            where=f"--output {value}",
            next_step="--output sarif=report.sarif; --format is for standard output",
        )
    path = cwd / file
    if path.exists() and not path.is_file():
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"{path.name} cannot be written: it is {'a directory' if path.is_dir() else 'no regular file'}.",
            where=str(path),
            next_step="name another file",
        )
    return Output(name, path)
