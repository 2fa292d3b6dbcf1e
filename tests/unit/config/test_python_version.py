"""Which Python a project wants."""

from __future__ import annotations

import pytest

from statebake.config.python_version import allowed_python, other_python, pinned_python


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.13\n", "3.13"),
        ("3.13.1", "3.13.1"),
        ("3.14.0rc1", "3.14"),
        ("3.13.10-dev", "3.13.10"),
        ("# 3.10\n\n cpython@3.12\n3.11\n", "3.12"),
        ("cpython-3.11.4-linux-x86_64-gnu\n", "3.11.4"),
        ("3.13t", None),
        ("pypy3.10\n", None),
        ("system\n", None),
        ("", None),
    ],
)
def test_pinned(text, version):
    """The first line that is no comment names the version, with a patch or without."""
    assert pinned_python(text) == version


@pytest.mark.parametrize("text", ["pypy3.10", "graalpy-24.1", "3.13t", "cpython-3.14.1t", "3.13.1+freethreaded"])
def test_another_python(text):
    """What no image of the usual Python has is told from what names none."""
    assert other_python(f"# ours\n{text}\n3.12\n") == text
    assert other_python(f"3.12\n{text}\n") is None


@pytest.mark.parametrize(
    ("specifier", "version"),
    [
        ("", "3.12"),
        (">=3.10", "3.12"),
        (">=3.13", "3.13"),
        ("==3.11.*", "3.11"),
        ("==3.11.4", "3.11.4"),
        ("~=3.11.4", "3.11"),
        (">=3.15", "3.15"),
        ("<3.10", "3.9"),
        (">=3.8,<3.9", "3.8"),
        ("===3.11.4", "3.11.4"),
        ("<3,>4", "3.12"),
        ("what", "3.12"),
    ],
)
def test_allowed(specifier, version):
    """A usual version is taken where one is allowed, else what the specifier itself names."""
    assert allowed_python(specifier) == version
