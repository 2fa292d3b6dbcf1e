"""The command line: the only place that prints, exits, or parses arguments."""

from statebake.cli.main import main

__all__ = ["main"]
