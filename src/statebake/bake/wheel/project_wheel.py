"""Having a project's own build backend make its wheel, in an isolated environment, by the ``pex`` command."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from statebake.bake.dependencies import RESOLVER
from statebake.bake.pex_tool import run_pex
from statebake.errors import Code, StatebakeError

# What archives of nobody's time are dated: 1980, the first that a zip file can say.
_EPOCH = "315532800"
_FLAGS = {"--pypi", "--no-pypi", "--no-index", "--use-pip-config", "--no-use-pip-config", "--no-build-isolation"}
_FLAGS |= {"--build-isolation", "--pre", "--no-pre"}
_WITH_VALUE = {"-i", "--index", "--index-url", "-f", "--find-links", "--repo", "--cert", "--client-cert", "--proxy"}
_WITH_VALUE |= {
    "--retries",
    "--timeout",
    "--pip-version",
    "--resolver-version",
    "--keyring-provider",
    "--resume-retries",
}
_WITH_VALUE |= {"--extra-pip-requirement", "--scoped-repo", "--source"}


def build_project_wheel(
    project: Path, directory: Path, *, python: str, backend: str, pex_args: Sequence[str], env: Mapping[str, str]
) -> Path:
    """Build ``project`` for the interpreter ``python``, and return the wheel, as its backend made it, in ``directory``.

    Nothing of an earlier build is reused. Where the backend is statebake's, it leaves out what it does besides: the
    state was checked already. Raises ``StatebakeError``: ``BACKEND_FAILED`` with what was printed; ``TOOL_MISSING``.
    """
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch:
        made = Path(scratch, "made")
        try:
            run_pex(
                [
                    *("--python", python),
                    *RESOLVER,
                    *_about_resolving(pex_args),
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


def _about_resolving(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that say where pex gets from what the build requires; others are about the PEX."""
    kept: list[str] = []
    left = iter(arguments)
    for argument in left:
        option, has_value, _ = argument.partition("=")
        if option in _FLAGS or (option in _WITH_VALUE and has_value):
            kept.append(argument)
        elif option in _WITH_VALUE:
            kept += [argument, *([value] if (value := next(left, None)) is not None else [])]
    return kept


def _failed(project: Path, backend: str, what: str, detail: str | None) -> StatebakeError:
    return StatebakeError(
        Code.BACKEND_FAILED,
        f"The build of the project's wheel with {backend} {what}.",
        where=str(project / "pyproject.toml"),
        next_step="mend what it says; where the project's files are enough without a build: --code files",
        detail=detail,
    )
