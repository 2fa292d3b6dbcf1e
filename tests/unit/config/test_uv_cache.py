"""Which ``cache-keys`` uv needs, and whether they are there."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from statebake.config.uv_cache import cache_keys_with, state_is_in_cache_keys

STATE = PurePosixPath("src/pkg/defs/.local_defs_state")
OWN = {"file": f"{STATE}/**/*"}


def with_keys(*entries):
    return {"tool": {"uv": {"cache-keys": list(entries)}}}


@pytest.mark.parametrize(
    "glob",
    [
        *("**", "**/*", "src/**", "./src/**/*", "src//pkg/**", "src/***", "*/pkg/**", "src/[p]kg/**/*"),
        *("{src,lib}/**/*", "**/.local_defs_state/**", "src/**/.*/**", "src/pkg/**/defs/**/*", "src/**/[!x]*"),
        f"{STATE}/**",
    ],
)
def test_entries_that_notice_the_state(glob):
    """A glob that matches a state directory's files at any depth is enough, as a table or as a string."""
    assert state_is_in_cache_keys(with_keys({"file": glob}), STATE)
    assert state_is_in_cache_keys(with_keys(glob), STATE)
    assert cache_keys_with(with_keys({"file": glob}), STATE) == [{"file": glob}]


@pytest.mark.parametrize(
    "entry",
    [
        *({"file": "*"}, {"file": "src/*"}, {"file": "src"}, {"file": "src/"}, {"file": "**/state"}, {"file": "state"}),
        *({"file": str(STATE)}, {"file": f"{STATE}/*"}, {"file": f"{STATE}/*/*"}, {"file": "src/**/*.json"}),
        *({"file": "src/**x/*"}, {"file": f"{STATE}/**/state*"}, {"file": "other/**/*"}, {"file": "[/**"}),
        *({"dir": str(STATE)}, {"dir": f"{STATE}/**"}, {"env": "X"}, {"git": {"commit": True}}, {"file": 3}, 3),
    ],
)
def test_entries_that_do_not(entry):
    """What matches some of the files only, or a directory, does not notice all; what matches all is put behind it."""
    assert not state_is_in_cache_keys(with_keys(entry), STATE)
    assert cache_keys_with(with_keys(entry), STATE)[-1] == OWN


def test_several_entries_together():
    """Entries that match all files only together are enough."""
    assert state_is_in_cache_keys(with_keys({"file": f"{STATE}/*/state"}, {"file": f"{STATE}/*/*/**"}), STATE)


@pytest.mark.parametrize(
    "pyproject", [{}, {"tool": {"uv": {}}}, {"tool": 3}, with_keys(), {"tool": {"uv": {"cache-keys": 3}}}]
)
def test_none(pyproject):
    """The defaults do not notice the state, nor does what is no list."""
    assert not state_is_in_cache_keys(pyproject, STATE)


def test_defaults_are_kept():
    """Where nothing is set, uv's defaults are written down with the state's entry, as far as they can apply."""
    assert cache_keys_with({}, STATE) == [
        {"file": "pyproject.toml"},
        {"file": "setup.py"},
        {"file": "setup.cfg"},
        {"dir": "src"},
        OWN,
    ]
    hatchling = {"build-system": {"build-backend": "hatchling.build"}}
    flat = PurePosixPath("pkg/.local_defs_state")
    assert cache_keys_with(hatchling, flat) == [{"file": "pyproject.toml"}, {"file": f"{flat}/**/*"}]
    wrapped = {
        "build-system": {"build-backend": "statebake.backend"},
        "tool": {"statebake": {"build-backend": "setuptools.build_meta"}},
    }
    assert {"file": "setup.py"} in cache_keys_with(wrapped, flat)


def test_what_is_there_is_kept():
    """Entries of the user's come first, as they are; an empty list has no defaults."""
    given = with_keys("setup.py", {"git": {"commit": True}})
    assert cache_keys_with(given, STATE) == [{"file": "setup.py"}, {"git": {"commit": True}}, OWN]
    assert cache_keys_with(with_keys(), STATE) == [OWN]
