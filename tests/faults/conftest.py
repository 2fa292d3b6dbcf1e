"""A project for tests of one fault each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.versions import Versions


@pytest.fixture(scope="session")
def shared_project(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    return Versions(tmp_path_factory.mktemp("faults"), keys=6)


@pytest.fixture
def project(shared_project: Versions) -> Iterator[Versions]:
    """A project of six keys in its old version; the next refresh is one to the new version."""
    project = shared_project
    init, env = project.directory / "src/shop/__init__.py", dict(project.env)
    project.restore()
    try:
        yield project
    finally:
        project.end()
        project.env = env
        project.hook.unlink(missing_ok=True)
        init.write_text("")
