"""What a frontend puts into the environment for the build alone, and what a project requires."""

from __future__ import annotations

import pytest

from statebake.config import find_projects
from statebake.pipeline.build_python import _required, without_frontend


def test_without_frontend():
    """What hides an interpreter's packages in the build is not handed on; the user's own paths are."""
    overlay = "/tmp/pip-build-env-x1/site"
    env = {"VIRTUAL_ENV": "/v", "PYTHONNOUSERSITE": "1", "PYTHONPATH": f"{overlay}:/mine", "TOKEN": "t"}
    assert without_frontend(env) == {"PYTHONPATH": "/mine", "TOKEN": "t"}
    assert without_frontend({"PYTHONPATH": overlay}) == {}
    assert without_frontend({"PYTHONPATH": ""}) == {}


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ('dependencies = ["dagster>=1.12", "tomli; python_version < \'3.11\'", "acme.core[x] @ file:///x"]', True),
        ("", []),
        ('dynamic = ["version"]', []),
        ('dynamic = ["dependencies"]', None),
        (None, None),
    ],
)
def test_required(tmp_path, project, expected):
    """What is required in any case is known by name, or it is not known at all."""
    table = "[tool.statebake]\n" if project is None else f'[project]\nname = "a"\n{project}\n'
    (tmp_path / "pyproject.toml").write_text(table)
    [found] = find_projects([tmp_path], tmp_path)
    assert _required(found) == (["dagster", "acme.core"] if expected is True else expected)
