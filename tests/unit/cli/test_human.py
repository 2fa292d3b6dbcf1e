"""Sizes and ages as people read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.cli import human


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (999_999, "1.0 MB"),
        (25_400_000, "25.4 MB"),
        (999_999_999, "1.0 GB"),
        (2**40, "1.1 TB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(count, text):
    """Bytes are shown in SI units with one decimal, and never as a thousand of one."""
    assert human.size(count) == text


@given(st.integers(0, 10**15 - 10**12))
def test_a_size_is_near_the_truth(count):
    """The size shown is right to half of its last digit, and below a thousand."""
    number, unit = human.size(count).split()
    power = ["B", "kB", "MB", "GB", "TB"].index(unit)
    assert float(number) < 1000
    assert abs(float(number) * 1000**power - count) <= 0.0501 * 1000**power


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (-5, "0 s"),
        (0, "0 s"),
        (12.4, "12 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3600, "60 min"),
        (7200, "2 h"),
        (86400, "24 h"),
        (172800, "2 d"),
        (864000, "10 d"),
    ],
)
def test_ages(seconds, text):
    """Ages are shown in the unit that fits; a clock that went back shows none below zero."""
    assert human.age(seconds) == text


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_ages_never_shrink(one, other):
    """Of two ages, the longer one is never shown as the shorter."""

    def seconds(text: str) -> float:
        number, unit = text.split()
        return float(number) * {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit]

    low, high = sorted((one, other))
    assert seconds(human.age(low)) <= seconds(human.age(high))


def test_counts():
    """One is singular, everything else plural."""
    assert [human.count(number, "key") for number in (0, 1, 2)] == ["0 keys", "1 key", "2 keys"]


def test_paths(tmp_path, monkeypatch):
    """A path inside the current directory is shown as one would type it there, any other in full."""
    monkeypatch.chdir(tmp_path)
    assert human.path(Path.cwd() / "dist/a.pex") == "dist/a.pex"
    assert human.path(Path("/elsewhere/a.pex")) == "/elsewhere/a.pex"
    assert re.fullmatch(r"\.|", human.path(Path.cwd()))


def test_a_path_from_the_root_directory(monkeypatch):
    """It keeps its slash, without which it would be taken for the name of an image."""
    monkeypatch.chdir("/")
    assert human.path(Path("/tmp/shop.pex")) == "/tmp/shop.pex"
