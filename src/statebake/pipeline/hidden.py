"""What must not be shown although the environment does not say so: what a project's settings and ``.env`` call secret.

Nothing of the search for secrets is imported here: every command needs this, and few search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from statebake.config import Project, Settings
from statebake.model.patterns import matches
from statebake.redact import looks_secret

# As python-dotenv reads a line: what comes after a space and a # is a comment, but between quotation marks.
_VARIABLE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*(?:(?P<mark>["'])(?P<quoted>.*?)(?P=mark)|(?P<bare>.*?))"""
    r"""\s*(?:\s\#.*)?"""
)


def hidden_variables(projects: Iterable[tuple[Project, Settings]], env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of projects that are secret, by names that say so, to be redacted with those of ``env``."""
    found: dict[str, str] = {}
    for project, settings in projects:
        for variables in (dotenv(project.directory / ".env"), env):
            for name, value in variables.items():
                if looks_secret(name) or any(matches(pattern, name) for pattern in settings.secrets.names):
                    found[f"SECRET_{len(found)}"] = value
    return found


def dotenv(path: Path) -> dict[str, str]:
    """Return what a ``.env`` file sets."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    except OSError:
        return {}
    found = (_VARIABLE.fullmatch(line) for line in lines)
    return {one["name"]: one["bare"].strip("\"'") if one["quoted"] is None else one["quoted"] for one in found if one}
