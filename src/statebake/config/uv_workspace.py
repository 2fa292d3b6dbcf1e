"""Which projects a workspace of uv has, as ``members`` and ``exclude`` of ``[tool.uv.workspace]`` say; no I/O.

Source: uv's documentation, "Using workspaces"; the globs are those of the Rust crate ``glob``, in which there are no
braces. Tried with uv 0.13: ``members`` are looked for on disk, so that only ``**`` goes beyond a ``/``, but the globs
of ``exclude`` are matched with whole paths, so that ``*`` and ``?`` do as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"(?P<any>\*+)(?P<slash>/?)|(?P<one>\?)|\[(?:(?P<no>!)|(?!!))(?P<set>\][^\]]*|[^\]]+)\]|(?P<bad>\[)|.", re.DOTALL
)
_OF_A_SET = re.compile("(?P<low>.)-(?P<high>.)|(?P<single>.)", re.DOTALL)


def is_member(workspace: object, path: str) -> bool:
    """Return whether a project is in a workspace; ``path``: of its directory, below that of the workspace.

    ``workspace`` is what ``[tool.uv.workspace]`` says. What uv could not read has no members.
    """
    table = workspace if isinstance(workspace, Mapping) else {}
    members, excluded = (_globs(table.get(name, [])) for name in ("members", "exclude"))
    return any(_matches(glob, path, r"[^/]") for glob in members) and not any(
        _matches(glob, path, ".") for glob in excluded
    )


def _globs(given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(glob, str) for glob in given):
        return []
    return [posixpath.normpath(glob) for glob in given]


def _matches(glob: str, path: str, character: str) -> bool:
    """Return whether a glob matches a path; ``character``: the expression for what a ``?`` stands for."""
    parts = []
    for token in _TOKEN.finditer(glob):
        if token["bad"]:
            return False
        if token["any"] is None:
            parts.append(_of_one(token, character))
        elif len(token["any"]) == 1:
            parts.append(f"{character}*{token['slash']}")
        elif len(token["any"]) == 2 and _is_component(glob, token):
            parts.append("(?:.*/)?" if token["slash"] else ".*")
        else:
            return False
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None


def _is_component(glob: str, token: re.Match[str]) -> bool:
    before, after = glob[: token.start()], glob[token.end() :]
    return (not before or before.endswith("/")) and (bool(token["slash"]) or not after)


def _of_one(token: re.Match[str], character: str) -> str:
    if token["one"]:
        return character
    if token["set"] is not None:
        return f"(?={character})(?{'!' if token['no'] else '='}{_one_of(token['set'])})."
    return re.escape(token[0])


def _one_of(characters: str) -> str:
    """Return the expression for what a set has; a range that ends before it begins has nothing, as in uv."""
    parts = []
    for part in _OF_A_SET.finditer(characters):
        if part["single"]:
            parts.append(re.escape(part["single"]))
        elif part["low"] <= part["high"]:
            parts.append(f"[{re.escape(part['low'])}-{re.escape(part['high'])}]")
    return "|".join(parts) or "(?!)"
