"""``statebake refresh``, ``status`` and ``check``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import (
    CHECK_SETTINGS,
    REFRESH_SETTINGS,
    environment,
    flags_of,
    format_option,
    project_option,
    run_options,
    selection_options,
    setting_options,
)
from statebake.cli.projects import for_each
from statebake.cli.reports import Output, report_options
from statebake.cli.view import open_view
from statebake.errors import Code, Exit, StatebakeError
from statebake.model.discovery import Discovery

if TYPE_CHECKING:
    from statebake.check import CheckReport, Snapshot
    from statebake.pipeline import OpenProject, Target
    from statebake.refresh import Selection

_DISCOVERY = ("host", "python", "module", "defs_module")


@click.command("refresh", short_help="Fetch every component's state and commit what is valid.")
@project_option
@selection_options
@click.option("--dry-run", is_flag=True, help="Print what would be fetched, and fetch nothing.")
@setting_options(*_DISCOVERY, *REFRESH_SETTINGS)
@run_options
@format_option
def refresh_command(  # noqa: PLR0917 - the command's options
    projects: tuple[Path, ...],
    selection: Selection,
    only_failed: bool,
    dry_run: bool,
    all_or_nothing: bool,
    allow_shrink: bool,
    verbose: bool,
    output_format: str,
    **settings: Any,
) -> int:
    """Fetch every component's state, and commit what is valid.

    A key whose fetch fails keeps the state that it had. Exit code 4 says that a key failed.
    """
    from statebake import pipeline
    from statebake.pipeline import refreshing

    env = environment()
    with open_view(output_format, env, verbose=verbose) as view:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        run = refreshing.start_run(targets, env, all_or_nothing=all_or_nothing, allow_shrink=allow_shrink)
        unknown: list[StatebakeError] = []

        async def work(opened: OpenProject) -> int:
            target = opened.target
            try:
                here = selection if run.alone else await refreshing.selected_here(opened, selection, run)
            except StatebakeError as error:  # which all of them find, and which is told once
                unknown.append(error)
                return Exit.OK
            if here is None:
                return Exit.OK
            now = datetime.now(timezone.utc)
            plan = refreshing.plan(opened, here, now, run, only_failed=only_failed)
            if dry_run:
                view.refresh_plan(target, plan)
                return Exit.REFRESH if plan.blocked else Exit.OK
            view.refresh_started(target, plan)
            report = await refreshing.refresh(opened, plan, run, view.observer(target))
            view.refresh_report(target, report, opened.discovery_s)
            return report.exit

        code = for_each(targets, env, view, work, lambda _, code: code, run=run)
        if unknown:
            raise unknown[0]
        return code


@click.command("status", short_help="Show every key: age, size, digest and health.")
@project_option
@setting_options(*_DISCOVERY, "schema", *CHECK_SETTINGS)
@format_option
def status_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Show every key: its components, strategy, age, size, digest and health. Fetches nothing."""
    from statebake import pipeline
    from statebake.check import status_rows

    env = environment()
    with open_view(output_format, env) as view:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        ahead = pipeline.read_ahead(targets)

        async def work(opened: OpenProject) -> tuple[Discovery, Snapshot, CheckReport]:
            return opened.discovery, *pipeline.check_state(opened, ahead)

        def show(target: Target, found: tuple[Discovery, Snapshot, CheckReport]) -> int:
            discovery, snapshot, report = found
            rows = status_rows(discovery, snapshot, report, datetime.now(timezone.utc))
            view.status(target, discovery, rows, report)
            return Exit.OK

        return for_each(targets, env, view, work, show)


@click.command("check")
@project_option
@click.option(
    "--write-manifest",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where nothing is wrong, write what an artifact with this state says that it carries.",
)
@setting_options(*_DISCOVERY, "schema", *CHECK_SETTINGS)
@report_options
def check_command(
    projects: tuple[Path, ...],
    write_manifest: Path | None,
    output_format: str,
    outputs: tuple[Output, ...],
    **settings: Any,
) -> int:
    """Prove that every key has its state. Fetches nothing. Exit code 3 says that something is missing or wrong."""
    from statebake import pipeline
    from statebake.check import report_of, status_rows, unmatched_patterns
    from statebake.cli.reports.reporting import reporting
    from statebake.pipeline.caches import find_stale_caches

    env = environment()
    with open_view(output_format, env) as view, reporting(output_format, outputs, view) as reports:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        if write_manifest and len(targets) > 1:
            raise StatebakeError(
                Code.BAD_SETTING,
                "Several projects would write one manifest.",
                where=str(write_manifest),
                next_step="give --write-manifest with one --project only",
            )
        ahead = pipeline.read_ahead(targets)

        async def work(opened: OpenProject) -> tuple[Discovery, Snapshot, CheckReport]:
            snapshot, report = pipeline.check_state(opened, ahead)
            alone = len(targets) == 1 and opened.target.project.workspace is None
            idle = unmatched_patterns(opened.target.config, opened.discovery, alone=alone)
            report = report.plus([*find_stale_caches(opened), *idle])
            if write_manifest and not report.exit:
                from statebake.pipeline import baking

                baking.write_manifest(write_manifest, baking.manifest_of(opened, snapshot, env))
            return opened.discovery, snapshot, report

        def show(target: Target, found: tuple[Discovery, Snapshot, CheckReport]) -> int:
            discovery, snapshot, report = found
            rows = status_rows(discovery, snapshot, report, datetime.now(timezone.utc))
            reports.add(report_of(target.project.directory, discovery, rows, report))
            view.check_report(target, report)
            return report.exit

        return for_each(targets, env, view, work, show, failed=reports.failed)
