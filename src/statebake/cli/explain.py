"""``statebake explain``."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import click

from statebake.cli.console import echo
from statebake.errors import Code, Exit, StatebakeError

PAGES = Path(__file__).resolve().parent.parent / "explain.md"


@click.command("explain", short_help="Tell the whole story of an error code.")
@click.argument("code", required=False)
def explain_command(code: str | None) -> int:
    """Tell the whole story of an error code, for example SB301; without one, list them all."""
    pages = read_pages()
    if code is None:
        for name, text in pages.items():
            echo(f"{name}  {text.splitlines()[0]}")
        return Exit.OK
    if code.upper() not in pages:
        near = difflib.get_close_matches(code.upper(), pages, n=3)
        raise StatebakeError(
            Code.UNKNOWN_CODE,
            f"There is no error code {code!r}." + (f" Did you mean {', '.join(near)}?" if near else ""),
            next_step="statebake explain",
        )
    echo(f"{code.upper()}: {pages[code.upper()]}")
    return Exit.OK


def read_pages() -> dict[str, str]:
    """Return the story of every code, its title first, in the order of the codes."""
    sections = re.split(r"^## (SB\d{3}): ", PAGES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(sections[1::2], sections[2::2], strict=True)}
