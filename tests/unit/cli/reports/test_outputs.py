"""``--output``: what a value names, and what is refused before any work is done."""

from __future__ import annotations

import os
import socket

import pytest

from statebake.cli.reports import NAMES, Output, read_outputs
from statebake.errors import Code, StatebakeError


@pytest.mark.parametrize(
    ("value", "name", "file"),
    [
        ("report.json", "json", "report.json"),
        ("report.sarif", "sarif", "report.sarif"),
        ("report.sarif.json", "sarif", "report.sarif.json"),
        ("out/TEST-state.XML", "junit", "out/TEST-state.XML"),
        ("report.txt", "text", "report.txt"),
        ("gitlab=gl-code-quality-report.json", "gitlab", "gl-code-quality-report.json"),
        ("json=a=b", "json", "a=b"),
        ("./a=b.json", "json", "a=b.json"),
        ("github=-x", "github", "-x"),
    ],
)
def test_a_value(value, name, file, tmp_path):
    """A format is named, or told by the extension; the file is taken from the current directory."""
    assert read_outputs([value], tmp_path) == (Output(name, tmp_path / file),)


def test_every_format_can_be_written(tmp_path):
    """Every format of standard output can go into a file, several at once."""
    outputs = read_outputs([f"{name}=report.{name}" for name in NAMES], tmp_path)
    assert [output.format for output in outputs] == list(NAMES)


@pytest.mark.parametrize("value", ["report", "report.md", "sarf=x.sarif", "sarif=", "sarif=-", "-", "", "=x.json"])
def test_what_names_nothing(value, tmp_path):
    """What names no format, or no file, is refused; a misspelt format is no part of a file's name."""
    if value == "=x.json":
        assert read_outputs([value], tmp_path) == (Output("json", tmp_path / value),)
        return
    with pytest.raises(StatebakeError) as caught:
        read_outputs([value], tmp_path)
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == f"--output {value}"


def test_two_into_one(tmp_path):
    """Two reports cannot be one file."""
    with pytest.raises(StatebakeError) as caught:
        read_outputs(["x.json", f"sarif={tmp_path}/x.json"], tmp_path)
    assert caught.value.code is Code.BAD_SETTING


def test_what_is_no_file(tmp_path):
    """A directory, a device, a FIFO or a socket is refused, and is what it was."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        for name in (".", "fifo", "socket", "/dev/null", "/dev/full"):
            with pytest.raises(StatebakeError) as caught:
                read_outputs([f"json={name}"], tmp_path)
            assert caught.value.code is Code.OUTPUT_FAILED
            assert caught.value.next_step
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "socket"]
