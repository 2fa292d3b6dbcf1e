"""Printing what is whole already: documents, and pages. What is laid out for people goes through ``console``."""

from __future__ import annotations

import sys

from statebake.cli.view import ReaderGoneError


def echo(text: str) -> None:
    """Print ``text`` as it is on standard output."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error
