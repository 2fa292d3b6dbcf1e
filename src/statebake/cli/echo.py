"""Printing what is whole already: documents, and pages. What is laid out for people goes through ``console``."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def echo(text: str) -> None:
    """Print ``text`` as it is on standard output."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        let_go(sys.stdout)


def let_go(stream: TextIO) -> None:
    """Write to nowhere from now on: the reader has seen enough, and the command still ends with its own exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
