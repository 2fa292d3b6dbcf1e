"""``[tool.uv] cache-keys``: the files by which uv tells that a wheel in its cache is old (uv's docs, "Caching").

uv takes the latest time of change of all files that the entries match. So the state is noticed by an entry that matches
every file of it, at any depth. An entry with ``dir`` does not notice it: it is about the directory itself. That a file
is gone is noticed by no entry, unless it was the last one that changed; but the lock in ``.staging`` is written by
every refresh and every ``statebake gc``, so what these remove is noticed as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from statebake.config.backends import backend_of
from statebake.config.toml_file import table_at

STATE_FILES = ("C__k__/state", "C__k__/state/a/b.json", "C__k__/project/.a/b")
"""Files such as there are in a state directory: what matches all of them matches any."""
_GLOB = re.compile(r"[*?\[{]")
_TOKEN = re.compile(r"\*\*+/|\*+|\?|\[(!?)((?:\](?!$))?[^\]]*)\]|\{([^{}]*)\}|.", re.DOTALL)


def state_is_in_cache_keys(pyproject: Mapping[str, Any], state_dir: PurePosixPath) -> bool:
    """Return whether uv builds the project anew when a file in ``state_dir``, relative to the project, is a new one.

    What is no list of ``cache-keys`` counts as none. uv's own defaults do not notice the state.
    """
    given = _given(pyproject)
    patterns = [_pattern(path) for entry in given or () if (path := _file_of(entry)) and _GLOB.search(path)]
    return all(any(pattern.fullmatch(f"{state_dir}/{probe}") for pattern in patterns) for probe in STATE_FILES)


def cache_keys_with(pyproject: Mapping[str, Any], state_dir: PurePosixPath) -> list[dict[str, Any]]:
    """Return the entries of ``cache-keys`` by which uv notices the state in ``state_dir``, relative to the project.

    The ones that are there come first. Where there are none, uv's defaults do, as far as they can apply to the project:
    to set the key is to replace them.
    """
    given = _given(pyproject)
    entries: list[dict[str, Any]] = _defaults(pyproject, state_dir) if given is None else []
    for entry in given or ():
        if isinstance(entry, str):
            entries.append({"file": entry})  # how uv reads it
        elif isinstance(entry, Mapping):
            entries.append(dict(entry))
    return entries if state_is_in_cache_keys(pyproject, state_dir) else [*entries, state_entry(state_dir)]


def state_entry(state_dir: PurePosixPath) -> dict[str, str]:
    """Return the entry that matches every file in ``state_dir``."""
    return {"file": f"{state_dir}/**/*"}


def _given(pyproject: Mapping[str, Any]) -> list[Any] | None:
    found = table_at(pyproject, "tool", "uv", "cache-keys")
    return found if isinstance(found, list) else None


def _defaults(pyproject: Mapping[str, Any], state_dir: PurePosixPath) -> list[dict[str, Any]]:
    """Return uv's defaults (uv's documentation, "Settings", ``cache-keys``) without those that can never apply."""
    backend = backend_of(pyproject)
    of_setuptools = ["setup.py", "setup.cfg"] if backend is None or backend.startswith("setuptools") else []
    files: list[dict[str, Any]] = [{"file": name} for name in ("pyproject.toml", *of_setuptools)]
    return [*files, {"dir": "src"}] if state_dir.parts[:1] == ("src",) else files


def _file_of(entry: object) -> str | None:
    path = entry.get("file") if isinstance(entry, Mapping) else entry
    return path if isinstance(path, str) else None


def _pattern(glob: str) -> re.Pattern[str]:
    """Return what a glob of uv matches: only ``**`` goes beyond a ``/``, and hidden names are like any other."""
    path = "/".join(part for part in glob.split("/") if part not in {"", "."})
    try:
        return re.compile(_expression(path), re.DOTALL)
    except re.error:
        return re.compile(r"(?!)")


def _expression(glob: str) -> str:
    def one(token: re.Match[str]) -> str:
        text = token[0]
        if token[3] is not None:
            return f"(?:{'|'.join(_expression(part) for part in token[3].split(','))})"
        if token[2] is not None:
            return f"(?!/)[{'^' if token[1] else ''}{_in_set(token[2])}]"
        if text.startswith("**"):
            alone = token.start() == 0 or glob[token.start() - 1] == "/"
            if text.endswith("/"):
                return "(?:[^/]+/)*" if alone else "[^/]*/"
            return ".*" if alone and token.end() == len(glob) else "[^/]*"
        return {"*": "[^/]*", "?": "[^/]"}.get(text, re.escape(text))

    return _TOKEN.sub(one, glob)


def _in_set(text: str) -> str:
    return re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", text)
