"""``statebake bake docker``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import REFRESH_SETTINGS, bake_options, cache_dir, environment, flags_of
from statebake.cli.projects import for_each, refresh_before
from statebake.cli.view import open_view
from statebake.config import BY_NAME, SETTINGS
from statebake.errors import Code, Exit, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from statebake.pipeline import OpenProject, Target
    from statebake.pipeline.build_inputs import ImageInputs
    from statebake.pipeline.image_options import ImageOptions

    Ready = tuple[OpenProject, ImageInputs]

_SETTINGS = [setting.name for setting in SETTINGS if setting.name.startswith("docker.")]
_FETCHING = (
    *(BY_NAME[name].flag for name in REFRESH_SETTINGS if not name.startswith("secrets.")),
    *(BY_NAME["secrets.scrub"].flag, "--all-or-nothing", "--allow-shrink"),
)
"""What a refresh before the build goes by, and nothing else."""
_IN_BUILD = "set them in the project's files, which the refresh in the build reads: [tool.statebake]"
_BUILDING = ("--tag", "--builder", "--push", "--iidfile", "--metadata-file")
"""What the build goes by alone, or what is done with its image."""


@click.command("docker")
@bake_options(*_SETTINGS)
@click.option("--push", is_flag=True, help="Push the image when its state was found in it.")
@click.option("--iidfile", metavar="FILE", type=click.Path(path_type=Path), help="Write the image's id into FILE.")
@click.option(
    "--metadata-file", metavar="FILE", type=click.Path(path_type=Path), help="Write what the builder tells into FILE."
)
@click.option("--refresh-in-build", is_flag=True, help="Let the build fetch the state, with secrets mounted.")
@click.option("--no-build", is_flag=True, help="Write what a build reads, and leave the build to you.")
def bake_docker_command(  # noqa: PLR0917 - the command's options
    projects: tuple[Path, ...],
    no_refresh: bool,
    push: bool,
    iidfile: Path | None,
    metadata_file: Path | None,
    refresh_in_build: bool,
    no_build: bool,
    dry_run: bool,
    all_or_nothing: bool,
    allow_shrink: bool,
    verbose: bool,
    output_format: str,
    **settings: Any,
) -> int:
    """Refresh, check, and build an image that carries the project, its dependencies and its state.

    It gets its names, and is pushed, when it was verified: every key is where it is read, with the digest that was
    checked, and with --verify sealed its definitions can be loaded with no network and no credentials. Your own
    Dockerfile is built if there is one, and what it makes is proved just the same.
    """
    from statebake import pipeline
    from statebake.pipeline.image_options import ImageOptions
    from statebake.pipeline.made_by import as_made
    from statebake.pipeline.workshop import open_workshops

    env = environment()
    with open_view(output_format, env, verbose=verbose) as view:
        flags = flags_of(settings)
        given = [setting.flag for setting in SETTINGS if flags.get(setting.name) not in {None, ()}]
        switches = {"--all-or-nothing": all_or_nothing, "--allow-shrink": allow_shrink}
        outputs = {"--push": push, "--iidfile": iidfile, "--metadata-file": metadata_file}
        given += [name for name, value in (switches | outputs).items() if value]
        if refresh_in_build:
            _must_not_be_given(_FETCHING, given, "--refresh-in-build", _IN_BUILD)
        if no_build:
            _must_not_be_given(_BUILDING, given, "--no-build", "leave them out, or leave out --no-build")
        targets = [as_made(target) for target in pipeline.find_targets(projects, flags, env, Path.cwd())]
        options = ImageOptions(
            directory=Path.cwd(),
            push=push,
            refresh_in_build=refresh_in_build,
            iidfile=_here(iidfile),
            metadata_file=_here(metadata_file),
            reuse_state=no_refresh,
        )
        _one_image_each(targets, options)
        workshops = {} if no_build or dry_run else open_workshops(targets, env)
        run = ahead = None
        if no_refresh or refresh_in_build:
            ahead = pipeline.read_ahead(targets)
        else:
            from statebake.pipeline import refreshing

            run = refreshing.start_run(targets, env, all_or_nothing=all_or_nothing, allow_shrink=allow_shrink)

        # What plans and builds is imported when it is needed: the import of the project should begin at once.
        async def make_ready(opened: OpenProject) -> Ready | int:
            from statebake.pipeline import build_inputs

            target = opened.target
            workshop = workshops.get(target.project.directory)
            inputs = build_inputs.prepare_image(opened, options, env, workshop=workshop)
            if run is not None:
                code = await refresh_before(opened, run, view, dry_run=dry_run)
                if dry_run:
                    view.image_inputs(target, inputs)
                if dry_run or code:
                    return code
            return opened, inputs

        def bake(target: Target, ready: Ready | int) -> int:
            from statebake.pipeline import build_inputs, building

            if isinstance(ready, int):
                return ready
            opened, inputs = ready
            observer = view.observer(target)
            snapshot = None
            if not refresh_in_build:
                snapshot, checked = pipeline.check_state(opened, ahead)
                view.check_report(target, checked)
                if checked.exit:
                    return checked.exit
            if dry_run:
                view.image_inputs(target, inputs)
            elif no_build:
                view.build_inputs(
                    target, inputs, build_inputs.prepare_build(opened, inputs, snapshot, env=env, observer=observer)
                )
            else:
                report = building.build_image(
                    opened, inputs, snapshot, cache_dir=cache_dir(env), env=env, observer=observer
                )
                view.image_report(target, report)
                return report.verified.exit
            return Exit.OK

        return for_each(targets, env, view, make_ready, bake, run=run)


def _here(path: Path | None) -> Path | None:
    return None if path is None else Path.cwd() / path


def _must_not_be_given(names: Sequence[str], given: Sequence[str], because: str, next_step: str) -> None:
    """Raise ``BAD_SETTING`` where a flag is given that has no say beside ``because``."""
    if found := [name for name in names if name in given]:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"{', '.join(found)} would change nothing with {because}.",
            where=because,
            next_step=next_step,
        )


def _one_image_each(targets: Sequence[Target], options: ImageOptions) -> None:
    if len(targets) < 2:
        return
    tags = [tag for target in targets for tag in target.settings.docker.tags]
    twice = next((tag for tag in tags if tags.count(tag) > 1), None)
    if twice or options.iidfile or options.metadata_file:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"Several projects would get the name {twice}." if twice else "Several projects would write one report.",
            next_step="give --tag with one --project only, or set docker.tags in each project",
        )
