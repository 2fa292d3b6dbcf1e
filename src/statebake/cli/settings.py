"""``statebake config``."""

from __future__ import annotations

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
    setting_options,
)
from statebake.cli.view import open_view
from statebake.errors import Exit

if TYPE_CHECKING:
    pass


@click.command("config")
@project_option
@setting_options("host", "python", "module", "defs_module", "packages", *REFRESH_SETTINGS, *CHECK_SETTINGS)
@format_option
def config_command(projects: tuple[Path, ...], output_format: str, **settings: Any) -> int:
    """Print every setting's value and where it came from."""
    from statebake import pipeline

    env = environment()
    with open_view(output_format, env) as view:
        for target in pipeline.find_targets(projects, flags_of(settings), env, Path.cwd()):
            view.warnings(target.config.warnings)
            view.config(target)
    return Exit.OK
