"""Where in the repository a finding belongs: what CI systems show beside the code."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from statebake.cli.reports.words import plain
from statebake.model.finding import Finding
from statebake.model.report import Report

_LINE = re.compile(r"(?P<path>.+):(?P<line>[1-9][0-9]{0,8})", re.DOTALL)
_ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


@dataclass(frozen=True)
class Place:
    """A file of the repository, its path relative to the root and with slashes; a line, where one is known."""

    path: str
    line: int | None = None


@dataclass(frozen=True)
class Scene:
    """Where and when reports are made: the repository's root, the current directory, and the time (UTC)."""

    root: Path
    cwd: Path
    now: datetime

    def place(self, report: Report, finding: Finding) -> Place | None:
        """Return the file that a finding is shown at: its own line, else that of its key's declaration, else its file.

        ``None`` where none of these is a file of the repository.
        """
        own = self._find(report, finding.where)
        if own and own.line:
            return own
        declared = (item.declared_at for item in report.keys if item.key == finding.key)
        return self._find(report, next(declared, None)) or own

    def at_its_line(self, report: Report, finding: Finding) -> bool:
        """Whether the place of a finding is the very line that it names."""
        own = self._find(report, finding.where)
        return own is not None and own.line is not None

    def path(self, report: Report, where: str) -> str | None:
        """Return a path relative to the repository's root; ``None`` where it is not inside, or not there."""
        for base in (report.directory, self.root, self.cwd):
            if base is None or "\0" in where:
                continue
            path = os.path.normpath(Path(base, where))
            if os.path.lexists(path) and (inside := _relative(path, self.root)):
                return inside
        return None

    def stand_in(self, report: Report) -> str:
        """Return a path for a finding that is at no file of the repository, where a format must have one."""
        for name in ("pyproject.toml", "statebake.toml"):
            if report.directory is not None and (path := self.path(report, f"{report.directory}/{name}")):
                return path
        return self.path(report, report.subject) or plain(report.subject).lstrip("/.") or report.kind

    def fingerprints(self, reports: Sequence[Report]) -> Iterator[tuple[Report, Finding, str]]:
        """Yield every finding with what identifies it, in this run and the next: not its line, its words, or the
        name of what was looked at, which all change while it stays the same finding.
        """
        import hashlib

        seen: Counter[tuple[str, ...]] = Counter()
        for report in reports:
            for finding in report.findings:
                place = self.place(report, finding)
                where = place.path if place else _without_line(finding.where or "")
                facts = (finding.code.value, finding.key or "", where)
                seen[facts] += 1
                text = "\0".join((*facts, str(seen[facts])))
                yield report, finding, hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

    def _find(self, report: Report, where: str | None) -> Place | None:
        if not where:
            return None
        if (parts := _LINE.fullmatch(where)) and (path := self.path(report, parts["path"])):
            return Place(path, int(parts["line"]))
        path = self.path(report, where)
        return Place(path) if path else None


def scene_of(reports: Sequence[Report], env: Mapping[str, str], cwd: Path, now: datetime) -> Scene:
    """Return the surroundings of ``reports``: the root is the CI system's, else git's, else the current directory."""
    directory = next((Path(item.directory) for item in reports if item.directory), cwd)
    named = (Path(env[name]) for name in _ROOTS if env.get(name))
    root = next((path for path in named if path.is_absolute() and _relative(str(directory), path)), None)
    if root is None:
        above = (directory, *directory.parents)
        root = next((path for path in above if (path / ".git").exists()), cwd)
    return Scene(root, cwd, now)


def _relative(path: str, root: Path) -> str | None:
    """Return ``path`` relative to ``root`` if it is inside, by its name or after following links."""
    for inner, outer in ((Path(path), root), (Path(os.path.realpath(path)), Path(os.path.realpath(root)))):
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    return None


def _without_line(where: str) -> str:
    parts = _LINE.fullmatch(where)
    return parts["path"] if parts else where
