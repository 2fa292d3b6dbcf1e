"""``statebake dev``."""

from __future__ import annotations

import os
import shutil

import click

from statebake.cli.options import environment
from statebake.errors import Code, StatebakeError


@click.command(
    "dev",
    short_help="Run a command that refreshes state at each load.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def dev_command(command: tuple[str, ...]) -> int:
    """Run COMMAND in development: every load refreshes the state of the native framework's components.

    \b
      statebake dev -- python -m weather

    A component turns it off for itself with refresh_if_dev; a baked artifact never fetches.
    """
    env = {**environment(), "STATEBAKE_DEV": "1"}
    program = shutil.which(command[0], path=env.get("PATH"))
    if program is None:
        raise StatebakeError(
            Code.TOOL_MISSING,
            f"There is no program {command[0]!r}.",
            next_step="give the command after --: statebake dev -- python -m my_package",
        )
    try:
        os.execve(program, list(command), env)  # noqa: S606 - the user's own command takes this process's place
    except OSError as error:
        raise StatebakeError(
            Code.TOOL_MISSING,
            f"The program cannot be started: {error.strerror}.",
            where=program,
            next_step="make it executable, with a #! line, or name its interpreter",
        ) from error
