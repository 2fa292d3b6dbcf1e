"""``statebake gc``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import environment, flags_of, format_option, project_option, setting_options
from statebake.cli.projects import for_each
from statebake.cli.view import open_view
from statebake.errors import Exit

if TYPE_CHECKING:
    from statebake.pipeline import OpenProject, Target


@click.command("gc", short_help="Remove state that no component uses.")
@project_option
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and remove nothing.")
@click.option("--unrecorded", is_flag=True, help="Remove also what statebake did not write, and has no record of.")
@setting_options("host", "python", "module", "defs_module")
@format_option
def gc_command(projects: tuple[Path, ...], dry_run: bool, unrecorded: bool, output_format: str, **settings: Any) -> int:
    """Remove the key directories that no component uses: of components that are gone, or have another key now.

    What is removed cannot be fetched again without its component. State without a record (Dagster wrote it, or somebody
    copied it) is only listed. Where a component cannot be loaded, nothing is removed.
    """
    from statebake import pipeline
    from statebake.pipeline import collecting

    env = environment()
    with open_view(output_format, env) as view:
        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())

        async def work(opened: OpenProject) -> OpenProject:
            return opened

        def collect(target: Target, opened: OpenProject) -> int:
            do = collecting.plan if dry_run else collecting.collect
            view.collected(target, do(opened, unrecorded=unrecorded), dry_run=dry_run)
            return Exit.OK

        return for_each(targets, env, view, work, collect)
