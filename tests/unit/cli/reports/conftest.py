"""A repository with a project in it, and the surroundings that reports are rendered in."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from statebake.cli.reports import Scene
from statebake.cli.reports.words import cleaned
from statebake.model.report import Report
from support.verified import broken, shop, sound

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a repository, whose root is the current directory."""
    root = tmp_path / "repo"
    root.mkdir()
    monkeypatch.chdir(root)
    return shop(root)


@pytest.fixture
def scene(project: Path) -> Scene:
    root = project.parents[1]
    return Scene(root, root, NOW)


@pytest.fixture
def reports(project: Path) -> list[Report]:
    """A report with everything in it, and one with nothing wrong."""
    return [cleaned(broken(project), {}), cleaned(sound(project), {})]
