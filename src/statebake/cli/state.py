"""``statebake refresh``, ``status`` and ``check``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import environment, flags_of, format_option, project_option, setting_options
from statebake.cli.projects import for_each
from statebake.cli.view import open_view
from statebake.errors import Exit
from statebake.model.discovery import LoadFailure, unknown_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from statebake.pipeline import Target

_DISCOVERY = ("host", "python", "module", "defs_module")


@click.command("refresh", short_help="Fetch every component's state and commit what is valid.")
@project_option
@click.option("--key", "-k", "keys", multiple=True, help="Only this key; can be given several times.")
@click.option("--dry-run", is_flag=True, help="Print what would be fetched, and fetch nothing.")
@setting_options(*_DISCOVERY, "jobs")
@format_option
def refresh_command(
    projects: tuple[Path, ...], keys: tuple[str, ...], dry_run: bool, output_format: str, **settings: Any
) -> int:
    """Fetch every component's state, and commit what is valid.

    A key whose fetch fails keeps the state that it had. Exit code 4 says that a key failed.
    """
    from statebake import pipeline

    env = environment()
    with open_view(output_format, env) as view:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        if keys and len(targets) > 1:
            _must_be_known(keys, targets, env)

        def work(target: Target) -> int:
            with pipeline.open_project(target, env) as opened:
                here = keys if len(targets) == 1 else [key for key in keys if key in opened.worker.discovery.keys]
                if keys and not here:
                    return Exit.OK
                plan = pipeline.plan(opened, here)
                if dry_run:
                    view.refresh_plan(target, plan)
                    return Exit.REFRESH if plan.blocked else Exit.OK
                view.refresh_started(target, plan)
                report = pipeline.refresh(opened, plan, view.observer(target))
            view.refresh_report(target, report)
            return report.exit

        return for_each(targets, view, work)


def _must_be_known(keys: Sequence[str], targets: Sequence[Target], env: Mapping[str, str]) -> None:
    """Raise ``UNKNOWN_KEY`` for keys that no project has, before anything is fetched."""
    from statebake import pipeline

    known: set[str] = set()
    failures: list[LoadFailure] = []
    for target in targets:
        with pipeline.open_project(target, env) as opened:
            known.update(opened.worker.discovery.keys)
            failures.extend(opened.worker.discovery.failures)
    if unknown := [key for key in keys if key not in known]:
        raise unknown_keys(unknown, known, failures)


@click.command("status", short_help="Show every key: age, size, digest and health.")
@project_option
@setting_options(*_DISCOVERY, "allow_runtime_fetch")
@format_option
def status_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Show every key: its components, strategy, age, size, digest and health. Fetches nothing."""
    from statebake import pipeline
    from statebake.check import status_rows

    env = environment()
    with open_view(output_format, env) as view:

        def work(target: Target) -> int:
            with pipeline.open_project(target, env) as opened:
                snapshot, report = pipeline.check_state(opened)
                rows = status_rows(opened.worker.discovery, snapshot, report, datetime.now(timezone.utc))
                view.status(target, opened.worker.discovery, rows, report)
            return Exit.OK

        return for_each(pipeline.find_targets(projects, flags_of(settings), env, Path.cwd()), view, work)


@click.command("check")
@project_option
@setting_options(*_DISCOVERY, "allow_runtime_fetch")
@format_option
def check_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Prove that every key has its state. Fetches nothing. Exit code 3 says that something is missing or wrong."""
    from statebake import pipeline

    env = environment()
    with open_view(output_format, env) as view:

        def work(target: Target) -> int:
            with pipeline.open_project(target, env) as opened:
                _, report = pipeline.check_state(opened)
            view.check_report(target, report)
            return report.exit

        return for_each(pipeline.find_targets(projects, flags_of(settings), env, Path.cwd()), view, work)
