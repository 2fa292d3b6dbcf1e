"""Having a project's own build backend make its wheel, in an isolated environment, by the ``pex`` command."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from statebake.bake.dependencies import RESOLVER
from statebake.bake.pex_tool import run_pex
from statebake.config.pex_options import about_indexes
from statebake.errors import Code, StatebakeError

# What archives of nobody's time are dated: 1980, the first that a zip file can say.
_EPOCH = "315532800"


def build_project_wheel(
    project: Path, directory: Path, *, python: str, backend: str, pex_args: Sequence[str], env: Mapping[str, str]
) -> Path:
    """Build ``project`` for the interpreter ``python``, and return the wheel, as its backend made it, in ``directory``.

    Of ``pex_args`` only those count that say where the build's own requirements come from. Nothing of an earlier build
    is reused. Where the backend is statebake's, it leaves out what it does besides: the state was checked already.

    Raises ``StatebakeError``: ``BACKEND_FAILED`` with what was printed; ``TOOL_MISSING``.
    """
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch:
        made = Path(scratch, "made")
        try:
            run_pex(
                [
                    *("--python", python),
                    *RESOLVER,
                    *about_indexes(pex_args),
                    *(str(project), "--intransitive", "--no-pre-install-wheels"),
                    *("--layout", "loose", "--output-file", str(made)),
                ],
                env={"SOURCE_DATE_EPOCH": _EPOCH, **env, "STATEBAKE_ON_BUILD": "off"},
                cwd=project,
            )
        except StatebakeError as error:
            if error.code is not Code.PEX_FAILED:
                raise
            raise _failed(project, backend, "failed", error.detail) from error
        wheels = sorted(made.glob(".deps/*.whl"))
        if len(wheels) != 1:
            raise _failed(project, backend, f"made {len(wheels)} wheels", None)
        return wheels[0].rename(directory / wheels[0].name)


def _failed(project: Path, backend: str, what: str, detail: str | None) -> StatebakeError:
    return StatebakeError(
        Code.BACKEND_FAILED,
        f"The build of the project's wheel with {backend} {what}.",
        where=str(project / "pyproject.toml"),
        next_step="mend what it says; where the project's files are enough without a build: --code files",
        detail=detail,
    )
