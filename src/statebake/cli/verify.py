"""``statebake verify``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import (
    CHECK_SETTINGS,
    SEALED_SETTINGS,
    SECRET_SETTINGS,
    environment,
    flags_of,
    project_option,
    setting_options,
)
from statebake.cli.reports import Output, emit, emit_error, report_of_error, report_options
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from statebake.model.report import Report
    from statebake.pipeline import OpenProject, Target
    from statebake.pipeline.verifying import Verification


@click.command("verify", short_help="Prove that an artifact carries its state, and loads with no network.")
@click.argument("artifacts", nargs=-1)
@project_option
@click.option("--image", is_flag=True, help="ARTIFACT is an image, whatever file has that name.")
@click.option("--against", metavar="WHAT", help="A project's directory, a manifest or an artifact with the same state.")
@click.option("--sealed", is_flag=True, help="Load the definitions as well: no network, no credentials, read-only.")
@setting_options(
    "host", "python", "module", "defs_module", "schema", *CHECK_SETTINGS, *SECRET_SETTINGS, *SEALED_SETTINGS
)
@report_options
def verify_command(  # noqa: PLR0917 - the command's options
    artifacts: tuple[str, ...],
    projects: tuple[Path, ...],
    image: bool,
    against: str | None,
    sealed: bool,
    output_format: str,
    outputs: tuple[Output, ...],
    **settings: Any,
) -> int:
    """Prove that an artifact carries the state that it should, where its runtime reads it. Runs nothing of it.

    ARTIFACT is a wheel, a PEX of any layout, an OCI image layout, a directory of installed packages, or the name of an
    image in the container engine; without one the work tree is verified.

    With --sealed its definitions are loaded by its own interpreter, with no network, no credentials, as another user,
    on a read-only file system: what it tries to fetch is refused and reported. Exit code 3 says that state is missing
    or wrong, 6 that the sealed load failed.
    """
    env = environment()
    flags = flags_of(settings)
    python = str(flags.get("python") or "") or None
    if artifacts and all(image or not Path(name).exists() for name in artifacts):
        flags.pop("python", None)  # it is inside of an image, not here
    wanted = {"image": image, "against": against, "sealed": sealed, "python": python}
    try:
        if artifacts:
            reports = _of_artifacts(artifacts, projects, flags, env, **wanted)
        else:
            _must_name_an_artifact(against=against, image=image)
            reports = _of_trees(projects, flags, env, sealed=sealed)
    except StatebakeError as error:
        report = report_of_error("verify", " ".join(artifacts) or str(Path.cwd()), "unknown", error)
        return emit_error(report, error, output_format, outputs, _shown(projects, flags, env))
    return emit(reports, output_format, outputs, _shown(projects, flags, env))


def _shown(projects: tuple[Path, ...], flags: dict[str, object], env: dict[str, str]) -> dict[str, str]:
    """Return the environment with what is secret in the projects, all of which is taken out of reports."""
    from statebake import pipeline

    try:
        return {**env, **pipeline.hidden_of(pipeline.find_targets(projects, flags, env, Path.cwd()), env)}
    except StatebakeError:
        return env


def _must_name_an_artifact(*, against: str | None, image: bool) -> None:
    if against or image:
        raise StatebakeError(
            Code.BAD_SETTING,
            "--against and --image are about an artifact, and none is named.",
            where="the command line",
            next_step="name it: statebake verify ARTIFACT",
        )


def _of_artifacts(
    names: tuple[str, ...],
    projects: tuple[Path, ...],
    flags: dict[str, object],
    env: dict[str, str],
    **wanted: Any,
) -> list[Report]:
    from statebake.pipeline.verifying import Verifier

    verifier = Verifier(_verification(projects, flags, env, **wanted), env, datetime.now(timezone.utc))
    reports: list[Report] = []
    for name in names:
        try:
            reports += verifier.verify(name)
        except StatebakeError as error:
            if len(names) == 1:
                raise
            reports.append(report_of_error("verify", name, "unknown", error))
    return reports


def _verification(
    projects: tuple[Path, ...], flags: dict[str, object], env: dict[str, str], **wanted: Any
) -> Verification:
    from statebake import pipeline
    from statebake.config import resolve
    from statebake.pipeline.verifying import Verification

    try:
        targets: list[Target] = pipeline.find_targets(projects, flags, env, Path.cwd())
    except StatebakeError as error:
        if projects or error.code is not Code.NO_PROJECT:
            raise
        targets = []
    if len(targets) > 1 and projects:
        raise StatebakeError(
            Code.BAD_SETTING,
            "An artifact is made from one project, and several are named.",
            where="flag --project",
            next_step="name the one that it was made from",
        )
    if projects:
        [target] = targets
        return Verification(settings=target.settings, project=target, sure=True, **wanted)
    settings = resolve(None, flags, env, cwd=Path.cwd()).settings
    return Verification(settings=settings, around=tuple(targets), **wanted)


def _of_trees(
    projects: tuple[Path, ...], flags: dict[str, object], env: dict[str, str], *, sealed: bool
) -> list[Report]:
    from statebake import pipeline
    from statebake.pipeline.verifying import verify_tree

    targets = pipeline.find_targets(projects, flags, env, Path.cwd())

    async def verify(opened: OpenProject) -> Report:
        return verify_tree(opened, env, datetime.now(timezone.utc), sealed=sealed)

    reports = []
    for target, result in zip(targets, pipeline.side_by_side(targets, env, verify), strict=True):
        if isinstance(result, StatebakeError):
            if len(targets) == 1:
                raise result
            directory = str(target.project.directory)
            reports.append(report_of_error("verify", directory, "project", result, directory))
        else:
            reports.append(result)
    return reports
