"""``statebake bake`` and ``statebake inspect``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.images import bake_docker_command
from statebake.cli.options import bake_options, cache_dir, environment, flags_of, format_option
from statebake.cli.projects import for_each, refresh_before
from statebake.cli.view import open_view
from statebake.errors import Code, Exit, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from statebake.pipeline import OpenProject, Target
    from statebake.pipeline.baking import BakeInputs

    Ready = tuple[OpenProject, BakeInputs]


@click.group("bake")
def bake_group() -> None:
    """Make an artifact that carries the state."""


@bake_group.command("pex")
@bake_options("pex.entry_point", "pex.code", "pex.args", "pex.output")
@click.option("--upgrade", is_flag=True, help="Resolve the dependencies again instead of reusing an earlier bake's.")
def bake_pex_command(  # noqa: PLR0917 - the command's options
    projects: tuple[Path, ...],
    no_refresh: bool,
    upgrade: bool,
    dry_run: bool,
    all_or_nothing: bool,
    allow_shrink: bool,
    verbose: bool,
    output_format: str,
    **settings: Any,
) -> int:
    """Refresh, check, and make a PEX that carries the project, its dependencies and its state.

    The PEX is verified before it appears: every key is where it is read, with the digest that was checked. With
    --verify sealed its definitions are loaded as well, with no network and no credentials.
    """
    from statebake import pipeline
    from statebake.pipeline import baking, refreshing

    env = environment()
    with open_view(output_format, env, verbose=verbose) as view:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        _one_output_each(targets)

        run = refreshing.start_run(targets, env, all_or_nothing=all_or_nothing, allow_shrink=allow_shrink)

        async def make_ready(opened: OpenProject) -> Ready | int:
            target = opened.target
            inputs = baking.prepare_bake(opened)
            if not no_refresh:
                code = await refresh_before(opened, run, view, dry_run=dry_run)
                if dry_run:
                    view.bake_inputs(target, inputs)
                if dry_run or code:
                    return code
            return opened, inputs

        def bake(target: Target, ready: Ready | int) -> int:
            if isinstance(ready, int):
                return ready
            opened, inputs = ready
            snapshot, checked = pipeline.check_state(opened)
            view.check_report(target, checked)
            if checked.exit:
                return checked.exit
            if dry_run:
                view.bake_inputs(target, inputs)
                return Exit.OK
            plan = baking.plan_bake(opened, inputs, snapshot, env)
            baked = baking.bake_pex(
                opened,
                plan,
                snapshot,
                upgrade=upgrade,
                cache_dir=cache_dir(env),
                env=env,
                observer=view.observer(target),
            )
            view.bake_report(target, baked)
            return baked.verified.exit

        return for_each(targets, env, view, make_ready, bake, run=None if no_refresh else run)


def _one_output_each(targets: Sequence[Target]) -> None:
    outputs = [target.settings.pex.output for target in targets]
    for output in outputs:
        if outputs.count(output) > 1:
            raise StatebakeError(
                Code.BAD_SETTING,
                "Several projects would be baked into one file.",
                where=str(output),
                next_step="give --output with one --project only",
            )


bake_group.add_command(bake_docker_command)


@click.command("inspect", short_help="Read what an artifact carries, without running it.")
@click.argument("artifact")
@click.option("--image", is_flag=True, help="ARTIFACT is an image, whatever file has that name.")
@format_option
def inspect_command(artifact: str, image: bool, output_format: str) -> int:
    """Read an artifact's manifest, keys, digests, sizes and ages, without running it.

    ARTIFACT is the path of a PEX or of an OCI image layout (a directory or a tar archive); or the name of an image in
    the container engine, which is not started.

    Exit code 3 says that what it carries is not what its manifest says.
    """
    from statebake.pipeline.inspecting import read_artifact

    env = environment()
    with open_view(output_format, env) as view:
        artifacts = read_artifact(artifact, env, image=image)
        view.artifacts(artifacts, datetime.now(timezone.utc))
        wrong = any(found.error(state) for found in artifacts for state in found.states)
        return Exit.STATE if wrong else Exit.OK
