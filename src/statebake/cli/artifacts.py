"""``statebake bake`` and ``statebake inspect``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from statebake.cli.options import (
    cache_dir,
    environment,
    flags_of,
    format_option,
    project_option,
    setting_options,
)
from statebake.errors import Code, Exit, StatebakeError


@click.group("bake")
def bake_group() -> None:
    """Make an artifact that carries the state."""


@bake_group.command("pex")
@project_option
@click.option("--no-refresh", is_flag=True, help="Bake the state that is there.")
@click.option("--upgrade", is_flag=True, help="Resolve the dependencies again instead of reusing an earlier bake's.")
@click.option("--dry-run", is_flag=True, help="Print what would be baked; fetch nothing, write nothing.")
@setting_options(
    "host",
    "python",
    "module",
    "defs_module",
    "packages",
    "jobs",
    "allow_runtime_fetch",
    "pex.entry_point",
    "pex.lock",
    "pex.args",
    "pex.output",
)
@format_option
def bake_pex_command(
    projects: tuple[Path, ...], no_refresh: bool, upgrade: bool, dry_run: bool, output_format: str, **settings: Any
) -> int:
    """Refresh, check, and make a PEX that carries the project, its dependencies and its state.

    The PEX is opened again before it appears: every key's digest in it is the one that was checked.
    """
    from statebake import pipeline
    from statebake.cli.view import open_view

    env = environment()
    targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
    _one_output_each(targets)
    with open_view(output_format, env) as view:
        code = Exit.OK
        for target in targets:
            view.warnings(target.config.warnings)
            observer = view.observer(target)
            with pipeline.open_project(target, env) as opened:
                if dry_run:
                    if not no_refresh:
                        view.refresh_plan(target, pipeline.plan(opened))
                    view.bake_plan(target)
                    continue
                if not no_refresh:
                    refresh_plan = pipeline.plan(opened)
                    view.refresh_started(target, refresh_plan)
                    report = pipeline.refresh(opened, refresh_plan, observer)
                    view.refresh_report(target, report)
                    if report.exit:
                        code = max(code, report.exit)
                        continue
                snapshot, checked = pipeline.check_state(opened)
                view.check_report(target, checked)
                if checked.exit:
                    code = max(code, checked.exit)
                    continue
                plan = pipeline.plan_bake(opened, snapshot, env)
                baked = pipeline.bake_pex(
                    opened, plan, upgrade=upgrade, cache_dir=cache_dir(env), env=env, observer=observer
                )
            view.bake_report(target, baked)
    return code


def _one_output_each(targets: list[Any]) -> None:
    outputs = [target.settings.pex.output for target in targets]
    for output in outputs:
        if outputs.count(output) > 1:
            raise StatebakeError(
                Code.BAD_SETTING,
                "Several projects would be baked into one file.",
                where=str(output),
                next_step="give --output with one --project only",
            )


@click.command("inspect", short_help="Read what a PEX carries, without running it.")
@click.argument("artifact", type=click.Path(path_type=Path))
@format_option
def inspect_command(artifact: Path, output_format: str) -> int:
    """Read a PEX's manifest, keys, digests, sizes and ages, without running it.

    Exit code 3 says that what it carries is not what its manifest says.
    """
    from statebake.cli.view import open_view
    from statebake.verify import mismatches, read_pex

    states = read_pex(artifact)
    if not states:
        raise StatebakeError(
            Code.NOT_AN_ARTIFACT,
            "This PEX carries no statebake manifest.",
            where=str(artifact),
            next_step="bake it: statebake bake pex",
        )
    with open_view(output_format, environment()) as view:
        view.artifact(artifact, states, datetime.now(timezone.utc))
    return Exit.STATE if any(mismatches(state) for state in states) else Exit.OK
