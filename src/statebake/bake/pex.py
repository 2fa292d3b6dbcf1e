"""Building the PEX that a plan describes."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from statebake.bake.pex_tool import run_pex
from statebake.bake.plan import BakePlan
from statebake.config.pex_options import without_requirements
from statebake.errors import Code, StatebakeError
from statebake.model.report import Report


def build_pex(
    plan: BakePlan,
    dependencies: Path,
    *,
    wheel: Path | None,
    cwd: Path,
    env: Mapping[str, str],
    judge: Callable[[Path], Report],
) -> Report:
    """Write the PEX of ``plan``, with the PEX ``dependencies`` inside and the project's ``wheel``, where there is one;
    return what ``judge`` says of it.

    It appears only where that has no errors, and nothing is raised; else the file that was there before is still there.
    The same plan and dependencies give the same bytes. Paths in the plan's arguments are relative to ``cwd``. Raises
    ``StatebakeError``: ``PEX_FAILED``, ``OUTPUT_FAILED``, ``BAD_SETTING`` for arguments that make something else of it,
    and what ``judge`` raises.
    """
    try:
        plan.output.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="statebake-") as scratch,
            # On the output's file system, so that the last step is a rename.
            tempfile.TemporaryDirectory(prefix=".statebake-", dir=plan.output.parent) as beside,
        ):
            root, built = Path(scratch), Path(beside, plan.output.name)
            assemble(plan, root)
            run_pex(
                [
                    *("--python", plan.python),
                    *("--requirements-pex", str(dependencies)),
                    *("--sources-directory", str(root)),
                    *([str(wheel), "--intransitive"] if wheel else []),
                    *plan.entry_point,
                    *plan.host_args,
                    *without_requirements(plan.pex_args),  # those are in the resolved dependencies already
                    *("--output-file", str(built)),
                ],
                env=env,
                cwd=cwd,
            )
            if not built.is_file():
                raise StatebakeError(
                    Code.BAD_SETTING,
                    "With these arguments pex did not write one file.",
                    where=f"pex.args: {shlex.join(plan.pex_args)}",
                    next_step="take --layout out of pex.args",
                )
            report = judge(built)
            if report.errors:
                return report
            with built.open("rb") as stream:
                os.fsync(stream.fileno())
            built.replace(plan.output)
            return report
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"The PEX cannot be written: {error.strerror or error}.",
            where=str(plan.output),
            next_step="free some space, or choose another place with --output",
        ) from error


def assemble(plan: BakePlan, root: Path) -> None:
    """Lay out the plan's sources, configuration and state under ``root``; raises ``OSError``."""
    for file in plan.sources:
        _copy(file.source, root / file.path)
    for item in plan.state:
        target = root / item.path
        if item.source is not None:
            _copy(item.source, target)
        else:
            _write(item.text or "", target)
    if plan.config is not None:
        _write(plan.config, root / "pyproject.toml")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _write(text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
