"""Reading requirement files and locks as far as a bake must.

Formats: pip's requirements file format, and ``pylock.toml`` (PEP 751).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from statebake.config import load_toml

_OPTION_WITH_FILE = re.compile(r"^(-r|-c|--requirement|--constraint)[ =]\s*(\S+)")
_LOCAL = re.compile(
    r"^(?:-e\s+|--editable[ =])?(?:file:(?://)?)?(?P<path>[./~][^;\[#\s]*|\.)(?:\[[^\]]*\])?\s*(?:[;#].*)?$"
)


def names_statebake(requirement: str) -> bool:
    """Return whether a requirement is for statebake itself, with whatever extras."""
    try:
        return canonicalize_name(Requirement(requirement).name) == "statebake"
    except InvalidRequirement:
        return False


def own_lines_removed(path: Path, project: Path) -> str:
    """Return a requirements file's text without the project itself, its file references made absolute.

    The project goes in as sources: as a requirement, a cache would serve an old build of it.
    """
    kept = []
    for line in _logical_lines(path.read_text(encoding="utf-8")):
        local = _LOCAL.match(line)
        if local and (path.parent / local["path"]).resolve() == project.resolve():
            continue
        if reference := _OPTION_WITH_FILE.match(line):
            line = f"{reference[1]} {(path.parent / reference[2]).resolve()}"  # noqa: PLW2901
        kept.append(line)
    return "\n".join(kept) + "\n"


def pins_of(requirements: str) -> str:
    """Return the ``name==version; marker`` lines of a requirements text, usable as constraints, without statebake."""
    pins = []
    for line in _logical_lines(requirements):
        text = re.split(r"\s+--hash|\s+#", line)[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.specifier and not names_statebake(text):
            marker = f"; {requirement.marker}" if requirement.marker else ""
            pins.append(f"{requirement.name}{requirement.specifier}{marker}")
    return "\n".join(pins) + "\n"


def pinned_in_pylock(path: Path) -> str:
    """Return what ``pylock.toml`` pins as constraints, without statebake."""
    lines = []
    for package in load_toml(path).data.get("packages", []):
        if "version" in package and canonicalize_name(package["name"]) != "statebake":
            marker = f"; {package['marker']}" if "marker" in package else ""
            lines.append(f"{package['name']}=={package['version']}{marker}")
    return "\n".join(lines) + "\n"


def pylock_names_project(path: Path, project: str) -> bool:
    """Return whether ``pylock.toml`` has the project itself among its packages."""
    return any(
        canonicalize_name(package.get("name", "")) == canonicalize_name(project)
        for package in load_toml(path).data.get("packages", [])
    )


def _logical_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield stripped
