"""The commands, and the one boundary where errors become exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import click

from statebake import __version__
from statebake.cli.view import ShownError
from statebake.errors import Exit, StatebakeError
from statebake.redact import redact


class Group(click.Group):
    """Lists the commands in the order of the work, and imports the one that is asked for only.

    So what the list says of a command is written down here, where it is known without importing that.
    """

    _commands: ClassVar[dict[str, tuple[str, str, str]]] = {
        "init": ("statebake.cli.init", "init_command", "Set statebake up in a project; shows a diff before writing."),
        "refresh": (
            "statebake.cli.state",
            "refresh_command",
            "Fetch every component's state and commit what is valid.",
        ),
        "status": ("statebake.cli.state", "status_command", "Show every key: age, size, digest and health."),
        "check": ("statebake.cli.state", "check_command", "Prove that every key has its state."),
        "gc": ("statebake.cli.garbage", "gc_command", "Remove state that no component uses."),
        "bake": ("statebake.cli.artifacts", "bake_group", "Make an artifact that carries the state."),
        "verify": (
            "statebake.cli.verify",
            "verify_command",
            "Prove that an artifact carries its state, and loads with no network.",
        ),
        "dockerfile": (
            "statebake.cli.dockerfile",
            "dockerfile_command",
            "Write a Dockerfile whose last layer is the state.",
        ),
        "inspect": ("statebake.cli.artifacts", "inspect_command", "Read what an artifact carries, without running it."),
        "dev": ("statebake.cli.dev", "dev_command", "Run a command that refreshes state at each load."),
        "config": ("statebake.cli.settings", "config_command", "Print every setting's value and where it came from."),
        "explain": ("statebake.cli.explain", "explain_command", "Tell the whole story of an error code."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self._commands.items()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._commands:
            import difflib

            near = difflib.get_close_matches(cmd_name, self._commands, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {cmd_name!r}.{hint}")
        from importlib import import_module

        module, name, _ = self._commands[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.command(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="statebake %(version)s")
def cli() -> None:
    """Refresh the external state that a program is built from, check it, and bake it into an artifact.

    The usual ways:

    \b
      statebake refresh       fetch every component's state
      statebake bake pex      refresh, check, and make a PEX that carries the state
      statebake inspect FILE  read what a PEX carries, without running it
    """


def main() -> NoReturn:
    """Run the command line and exit: the user's mistake, an outside tool's failure, or our bug."""
    _open_standard_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)
    try:
        result: Any = cli.main(standalone_mode=False)
        code: int = result if isinstance(result, int) else Exit.OK
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
    except ShownError as shown:
        code = shown.error.code.exit
    except StatebakeError as error:
        from statebake.cli.console import open_console
        from statebake.cli.text_view import print_error

        print_error(error, open_console(os.environ, stderr=True), os.environ)
        code = error.code.exit
    except click.exceptions.Abort:
        code = _interrupted()
    except click.ClickException as error:
        error.show()
        code = Exit.USAGE
    except KeyboardInterrupt:
        code = _interrupted()
    except (BrokenPipeError, SystemExit):  # of help: click exits by itself when its reader is gone
        code = Exit.OK
    except Exception as error:  # noqa: BLE001 - the last boundary: whatever comes here is our bug
        code = _failed(error)
    _leave(code)


def _open_standard_streams() -> None:
    """Open what is closed of descriptors 0 to 2, so that no pipe takes their place; let any text be printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _failed(error: Exception) -> Exit:
    if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
        click.echo("error: the output cannot be written: no space left on its device.", err=True)
        return Exit.OUTSIDE_TOOL
    if isinstance(error, OSError) and error.errno in {errno.ENAMETOOLONG, errno.ELOOP} and error.filename:
        from statebake.cli.human import clip

        click.echo(redact(f"error: {error.strerror}: {clip(os.fsdecode(error.filename), 80)}", os.environ), err=True)
        return Exit.USAGE
    click.echo(redact(traceback.format_exc(), os.environ), err=True)
    click.echo(f"This is a bug in statebake {__version__}. Please report it with the lines above.", err=True)
    return Exit.BUG


def _leave(code: int) -> NoReturn:
    """Exit; what cannot be flushed any more must not spoil the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(int(code))


def _interrupted() -> Exit:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # all is done: one more would only spoil the exit code
    click.echo("Interrupted. Every key, and every file, is as it was before or after it was written.", err=True)
    return Exit.INTERRUPTED


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt
