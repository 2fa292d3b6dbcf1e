"""``statebake init``."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statebake.cli.options import environment, format_option, project_option
from statebake.cli.view import View, open_view
from statebake.errors import Exit, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from statebake.pipeline import Target
    from statebake.pipeline.setting_up import Setup


@click.command("init", short_help="Set statebake up in a project; shows a diff before writing.")
@project_option
@click.option("--yes", "-y", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit code 3 if anything is to be done.")
@format_option
def init_command(projects: tuple[Path, ...], yes: bool, dry_run: bool, only_check: bool, output_format: str) -> int:
    """Set statebake up in a project: its builds, uv's cache, CI, and .dockerignore, as far as it has them.

    The files that there are keep their formatting and comments, and what was edited by hand stays. What would be
    written is shown as a diff, and nothing is written before you say yes; where nobody can be asked, for there is no
    terminal, that takes --yes, and without it the exit code is 2. A second run finds nothing to do. Nothing is fetched
    and no code of the project is imported.

    For --check, a project is set up when nothing would be written, and nothing is left to be done by hand without which
    a part of it does not work: an `include` of GitLab, the name of the wrapped backend, or of the package with the
    definitions, a line of .dockerignore. What was edited or written by hand, and what is not built, is only noted.
    """
    from statebake.pipeline import setting_up

    env = environment()
    with open_view(output_format, env) as view:
        targets = setting_up.find_setup_targets(projects, env, Path.cwd())
        view.work_on([target for target, _ in targets])
        setups: list[Setup] = []

        def plan(target: Target, interpreter: str) -> None:
            view.warnings(target.config.warnings)
            setup = setting_up.plan_setup_of(target, interpreter, env, setups)
            view.setup_plan(target, setup)
            if only_check:
                setup.must_be_done()
            setups.append(setup)

        failed: list[Setup] = []

        def write(setup: Setup) -> None:
            try:
                now = setting_up.plan_again(setup, env) if failed else setup  # files of the repository are shared
                view.setup_report(now.target, now, setting_up.write_setup(now))
            except StatebakeError:
                failed.append(setup)
                raise

        code = _each([(target, partial(plan, target, interpreter)) for target, interpreter in targets], view)
        ready = [setup for setup in setups if not setup.plan.changes]
        to_write = [setup for setup in setups if setup.plan.changes]
        for setup in ready:
            view.setup_report(setup.target, setup, ())
        if only_check or not to_write:
            return code
        files = len({change.path for setup in to_write for change in setup.plan.changes})
        if dry_run or not (yes or _agreed(files, output_format)):
            view.setup_not_written(_command(projects))
            # It is a mistake only where nobody could be asked.
            return max(code, Exit.OK if dry_run or _can_ask(output_format) else Exit.USAGE)
        return max(code, _each([(setup.target, partial(write, setup)) for setup in to_write], view))


def _each(works: Sequence[tuple[Target, Callable[[], None]]], view: View) -> int:
    """Do the work on every project; one that fails does not stop the others, and one alone ends the command."""
    code: int = Exit.OK
    for target, work in works:
        try:
            work()
        except StatebakeError as error:
            if len(works) == 1:
                raise
            view.error(error, target)
            code = max(code, error.code.exit)
    return code


def _can_ask(output_format: str) -> bool:
    return output_format == "text" and sys.stdin.isatty() and sys.stdout.isatty()


def _agreed(files: int, output_format: str) -> bool:
    question = f"Write these {files} files?" if files > 1 else "Write this file?"
    return _can_ask(output_format) and click.confirm(question)


def _command(projects: Sequence[Path]) -> str:
    return " ".join(["statebake init --yes", *(f"--project {shlex.quote(str(path))}" for path in projects)])
