"""``statebake explain``."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import click

from statebake import __version__
from statebake.cli.echo import echo
from statebake.cli.json_text import FORMAT, dump_json
from statebake.cli.options import format_option
from statebake.errors import Code, Exit, StatebakeError

PAGES = Path(__file__).resolve().parent.parent / "explain.md"


@click.command("explain", short_help="Tell the whole story of an error code.")
@click.argument("code", required=False)
@format_option
def explain_command(code: str | None, output_format: str) -> int:
    """Tell the whole story of an error code, for example SB301; without one, list them all."""
    pages = read_pages()
    if code is not None and code.upper() not in pages:
        near = difflib.get_close_matches(code.upper(), pages, n=3)
        raise StatebakeError(
            Code.UNKNOWN_CODE,
            f"There is no error code {code!r}." + (f" Did you mean {', '.join(near)}?" if near else ""),
            next_step="statebake explain",
        )
    asked = list(pages) if code is None else [code.upper()]
    if output_format == "json":
        echo(
            dump_json({"format": FORMAT, "statebake": __version__, "codes": [_as_json(name, pages) for name in asked]})
        )
    elif code is None:
        for name, text in pages.items():
            echo(f"{name}  {text.splitlines()[0]}")
    else:
        echo(f"{code.upper()}: {pages[code.upper()]}")
    return Exit.OK


def _as_json(name: str, pages: dict[str, str]) -> dict[str, Any]:
    title, _, page = pages[name].partition("\n")
    return {"code": name, "title": title, "exit": int(Code(name).exit), "page": page.strip()}


def read_pages() -> dict[str, str]:
    """Return the story of every code, its title first, in the order of the codes."""
    sections = re.split(r"^## (SB\d{3}): ", PAGES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(sections[1::2], sections[2::2], strict=True)}
