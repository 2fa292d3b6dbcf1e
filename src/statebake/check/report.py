"""The report of a check; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from statebake.check.check import CheckReport
from statebake.check.status import StatusRow
from statebake.model.discovery import Discovery
from statebake.model.keys import STATE_DIR_NAME
from statebake.model.report import KeyResult, Report


def report_of(directory: Path, discovery: Discovery, rows: Sequence[StatusRow], checked: CheckReport) -> Report:
    """Return the report of a check of the project in ``directory``; ``rows`` are those of ``status_rows``."""
    components = len(discovery.components) + len(discovery.failures)
    found = f"{components} component{'' if components == 1 else 's'} found"
    compared = f"{len(rows)} key{'' if len(rows) == 1 else 's'} compared"
    return Report(
        command="check",
        subject=str(directory),
        kind="project",
        checks=(
            f"{found} by {discovery.host} with Python {discovery.python.version}",
            f"{compared} with what is in {_relative(discovery.defs_dir / STATE_DIR_NAME, directory)}",
        ),
        findings=checked.findings,
        keys=tuple(
            KeyResult(
                key=row.key,
                declared_at=discovery.components_of(row.key)[0].declared_at,
                verdict=row.health,
                age_s=row.age_s,
                bytes=row.bytes,
                files=row.files,
                digest=row.digest,
            )
            for row in rows
        ),
        directory=str(directory),
    )


def _relative(path: Path, directory: Path) -> Path:
    return path.relative_to(directory) if path.is_relative_to(directory) else path
