"""``statebake dockerfile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from statebake.cli.options import environment, flags_of, format_option, project_option, setting_options
from statebake.cli.view import open_view
from statebake.errors import Code, Exit, StatebakeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from statebake.pipeline import Target

_SETTINGS = (
    *("host", "python", "module", "defs_module", "packages", "lock"),
    *(f"docker.{name}" for name in ("template", "base_image", "command", "port", "user", "refresh_secrets")),
    "docker.builder_compat",
)
_STDOUT = "-"


@click.command("dockerfile", short_help="Write a Dockerfile whose last layer is the state.")
@project_option
@click.option(
    "--output", "-o", metavar="FILE|-", help="The file to write; - prints it, and writes nothing. Default: Dockerfile."
)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit code 3 if a file is out of date.")
@click.option("--force", is_flag=True, help="Replace what was edited by hand too; the old file is kept as FILE.orig.")
@click.option("--refresh-in-build", is_flag=True, help="Let the build fetch the state, with secrets mounted.")
@click.option("--print-template", is_flag=True, help="Print the template that statebake comes with.")
@setting_options(*_SETTINGS)
@format_option
def dockerfile_command(  # noqa: PLR0917 - the command's options
    projects: tuple[Path, ...],
    output: str | None,
    only_check: bool,
    force: bool,
    refresh_in_build: bool,
    print_template: bool,
    output_format: str,
    **settings: Any,
) -> int:
    """Write a Dockerfile whose last layer is the state, a .dockerignore that keeps the state in, and what they need.

    Nothing is fetched and no code of the project is imported. A file that was edited by hand is left alone.
    """
    from statebake import pipeline

    if print_template:
        return _print_template()
    env = environment()
    with open_view(output_format, env) as view:
        from statebake.pipeline import dockerfile, imaging, made_by

        targets = pipeline.find_targets(projects, flags_of(settings), env, Path.cwd())
        _one_output_each(targets, output)
        view.work_on(targets)

        def work(target: Target) -> None:
            view.warnings(target.config.warnings)
            path = None if output in {None, _STDOUT} else Path.cwd() / str(output)
            refresh = refresh_in_build
            if only_check:
                target, refresh = made_by.to_check(target, path, refresh=refresh)
            parts = imaging.plan_image_of(target, env, refresh=refresh)
            generated = dockerfile.look_at(target, parts, path, however=only_check)
            if output == _STDOUT:
                view.dockerfile_text(target, generated.files[0].new)
            elif only_check:
                dockerfile.must_be_current(generated)
                view.dockerfile_checked(target, generated)
            else:
                view.dockerfile_report(target, dockerfile.write_files(target, generated, force=force))

        code: int = Exit.OK
        for target in targets:
            try:
                work(target)
            except StatebakeError as error:
                if len(targets) == 1:
                    raise
                view.error(error, target)
                code = max(code, error.code.exit)
        return code


def _print_template() -> int:
    from statebake.bake.image.dockerfile import TEMPLATE
    from statebake.cli.echo import echo

    echo(TEMPLATE.read_text(encoding="utf-8").removesuffix("\n"))
    return Exit.OK


def _one_output_each(targets: Sequence[Target], output: str | None) -> None:
    if output is not None and len(targets) > 1:
        raise StatebakeError(
            Code.BAD_SETTING,
            "Several projects would get one Dockerfile.",
            where=output,
            next_step="give --output with one --project only",
        )
