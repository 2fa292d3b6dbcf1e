"""``statebake refresh``, ``status`` and ``check``."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from statebake.cli.options import environment, flags_of, format_option, project_option, setting_options
from statebake.errors import Exit
from statebake.model.discovery import unknown_key

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
    from statebake.cli.view import open_view

    env = environment()
    targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
    with open_view(output_format, env) as view:
        code = Exit.OK
        missing, known = set(keys), set()
        for target in targets:
            view.warnings(target.config.warnings)
            with pipeline.open_project(target, env) as opened:
                found = opened.worker.discovery.keys
                wanted = [key for key in keys if key in found]
                missing.difference_update(found)
                known.update(found)
                if keys and not wanted:
                    continue
                plan = pipeline.plan(opened, wanted)
                if dry_run:
                    view.refresh_plan(target, plan)
                    continue
                view.refresh_started(target, plan)
                report = pipeline.refresh(opened, plan, view.observer(target))
            view.refresh_report(target, report)
            code = max(code, report.exit)
        if missing:
            raise unknown_key(min(missing), known)
    return code


@click.command("status", short_help="Show every key: age, size, digest and health.")
@project_option
@setting_options(*_DISCOVERY, "allow_runtime_fetch")
@format_option
def status_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Show every key: its components, strategy, age, size, digest and health. Fetches nothing."""
    from statebake import pipeline
    from statebake.check import status_rows
    from statebake.cli.view import open_view

    env = environment()
    with open_view(output_format, env) as view:
        for target in pipeline.find_targets(projects, flags_of(settings), env, Path.cwd()):
            view.warnings(target.config.warnings)
            with pipeline.open_project(target, env) as opened:
                snapshot, report = pipeline.check_state(opened)
                rows = status_rows(opened.worker.discovery, snapshot, report, datetime.now(timezone.utc))
                view.status(target, opened.worker.discovery, rows, report)
    return Exit.OK


@click.command("check")
@project_option
@setting_options(*_DISCOVERY, "allow_runtime_fetch")
@format_option
def check_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Prove that every key has its state. Fetches nothing. Exit code 3 says that something is missing or wrong."""
    from statebake import pipeline
    from statebake.cli.view import open_view

    env = environment()
    with open_view(output_format, env) as view:
        code = Exit.OK
        for target in pipeline.find_targets(projects, flags_of(settings), env, Path.cwd()):
            view.warnings(target.config.warnings)
            with pipeline.open_project(target, env) as opened:
                _, report = pipeline.check_state(opened)
            view.check_report(target, report)
            code = max(code, report.exit)
    return code
