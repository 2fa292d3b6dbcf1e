"""Which file of the repository a finding is shown at."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from statebake.cli.reports import Place, Scene
from statebake.cli.reports.places import scene_of
from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
THINGS = "projects/shop/src/shop/defs/things/defs.yaml"


def place(project: Path, scene: Scene, where: str | None, key: str | None = None) -> Place | None:
    finding = Finding(Code.MISSING_STATE, Severity.ERROR, key, "No.", where, None)
    keys = (KeyResult("a", "src/shop/defs/things/defs.yaml:3", "ok"), KeyResult("b", "gone.yaml:1", "ok"))
    return scene.place(Report("check", "x", "pex", (), (finding,), keys, directory=str(project)), finding)


@pytest.mark.parametrize(
    ("where", "key", "expected"),
    [
        ("src/shop/defs/things/defs.yaml:5", None, Place(THINGS, 5)),
        ("src/shop/defs/things/defs.yaml:5", "a", Place(THINGS, 5)),
        ("src/shop/defs/things", "a", Place(THINGS, 3)),
        ("src/shop/defs/things", "b", Place("projects/shop/src/shop/defs/things")),
        ("inside/of/an/artifact:7", "a", Place(THINGS, 3)),
        ("inside/of/an/artifact:7", None, None),
        (None, "a", Place(THINGS, 3)),
        (None, None, None),
        ("/etc/passwd:1", None, None),
        ("../../../../../../../../etc/passwd", None, None),
        ("src/shop/defs/things/defs.yaml:0", None, None),
        ("a\0b:1", None, None),
    ],
)
def test_a_place(where, key, expected, project, scene):
    """A finding's own line counts, then the declaration of its key, then its file; nothing outside is named."""
    assert place(project, scene, where, key) == expected


def test_an_absolute_path(project, scene):
    """An absolute path inside the repository is named from its root, also where the repository is behind a link."""
    assert place(project, scene, f"{project}/pyproject.toml:2") == Place("projects/shop/pyproject.toml", 2)
    link = project.parents[2] / "link"
    link.symlink_to(project.parents[1])
    linked = Scene(link, link, NOW)
    assert place(project, linked, f"{project}/pyproject.toml:2") == Place("projects/shop/pyproject.toml", 2)


def test_the_root(project, tmp_path):
    """The root is the CI system's if the project is in it, else where git's directory is, else the current one."""
    reports = [Report("check", "x", "project", (), (), (), directory=str(project))]
    repo, elsewhere = project.parents[1], tmp_path / "elsewhere"

    def root(**env: str) -> Path:
        return scene_of(reports, env, elsewhere, NOW).root

    assert root() == repo
    assert root(GITHUB_WORKSPACE=str(tmp_path)) == tmp_path
    assert root(CI_PROJECT_DIR=str(project)) == project
    assert root(GITHUB_WORKSPACE="/another/machine") == repo
    assert root(GITHUB_WORKSPACE="") == repo
    (repo / ".git").rmdir()
    assert root() in {elsewhere, *tmp_path.parents}
