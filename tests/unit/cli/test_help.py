"""The list of commands."""

from __future__ import annotations

import click

from statebake.cli.main import cli


def test_the_list_says_what_the_commands_say():
    """What the list says of a command, without importing it, is what the command says of itself."""
    context = click.Context(cli, info_name="statebake", terminal_width=200)
    listed = dict(line.split(maxsplit=1) for line in cli.get_help(context).partition("Commands:\n")[2].splitlines())
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    assert listed == {name: command.get_short_help_str(200) for name, command in commands.items()}
