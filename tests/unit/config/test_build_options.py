"""What a frontend hands to the build backend, and the backends that pyproject.toml names."""

from __future__ import annotations

import pytest

from statebake.config import find_build_project, split_config_settings
from statebake.config.backends import backend_of, distribution_of
from statebake.errors import Code, StatebakeError


@pytest.mark.parametrize(
    ("given", "own", "others"),
    [
        (None, {}, None),
        ({}, {}, None),
        ({"statebake.on_build": "off"}, {"on_build": "off"}, None),
        ({"statebake.backend_path": "a, b"}, {"backend_path": ["a", "b"]}, None),
        ({"editable_mode": "strict", "statebake.on_build": "x"}, {"on_build": "x"}, {"editable_mode": "strict"}),
        ({"--global-option": ["a"]}, {}, {"--global-option": ["a"]}),
    ],
)
def test_split(given, own, others):
    """What begins with ``statebake.`` is ours; all else is for the wrapped backend, which gets none of ours."""
    assert split_config_settings(given) == (own, others)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"statebake.jobs": "3"}, Code.UNKNOWN_SETTING),
        ({"statebake.on_build": True}, Code.BAD_SETTING),
        ({"statebake.on_build": ["off", "check"]}, Code.BAD_SETTING),
    ],
)
def test_refused(given, code):
    """A setting that a build has not, or that is no text, is an error that names it."""
    with pytest.raises(StatebakeError) as caught:
        split_config_settings(given)
    assert caught.value.code is code
    assert (caught.value.where or "").startswith("-C statebake.")


@pytest.mark.parametrize(
    ("system", "own", "expected"),
    [
        ("hatchling.build", None, "hatchling.build"),
        ("statebake.backend", {"build-backend": "pdm.backend"}, "pdm.backend"),
        ("statebake.backend", {"build_backend": "pdm.backend"}, "pdm.backend"),
        ("statebake.backend", {}, None),
        ("hatchling.build", {"build-backend": "pdm.backend"}, "hatchling.build"),
        (None, None, None),
    ],
)
def test_backend(system, own, expected):
    """The backend of a project is the one that is wrapped, where statebake wraps one."""
    pyproject = {"build-system": {"build-backend": system}, "tool": {"statebake": own}}
    assert backend_of(pyproject) == expected


def test_distributions():
    """The distribution of a backend is known by its module, with or without an object."""
    assert distribution_of("poetry.core.masonry.api") == "poetry-core"
    assert distribution_of("flit_core:buildapi") == "flit-core"
    assert distribution_of("acme_build") is None


def test_a_workspace(tmp_path):
    """A workspace is no project that could be built."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one/pyproject.toml").write_text('[project]\nname = "one"\n')
    (tmp_path / "dg.toml").write_text('directory_type = "workspace"\n[[workspace.projects]]\npath = "one"\n')
    with pytest.raises(StatebakeError) as caught:
        find_build_project(tmp_path, {}, {})
    assert caught.value.code is Code.NO_PROJECT
