"""Replacing files: links stay, and what is no file is written to."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from statebake.bake.files import replace_file, try_output
from statebake.errors import Code, StatebakeError


def test_a_link_stays(tmp_path):
    """What a symbolic link leads to is replaced, with its mode; the link is still one."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"target", "link"}


def test_what_is_no_file_is_written_to(tmp_path):
    """A FIFO, as a device would, gets the content, and is what it was."""
    fifo, read = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    replace_file(fifo, b"content")
    reader.join(10)
    assert read == [b"content"]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_trying_a_path(tmp_path):
    """A path that can be written is found so without a trace; one that cannot is refused as a write would be."""
    (tmp_path / "old").write_text("old")
    for path in (tmp_path / "old", tmp_path / "new"):
        try_output(path)
    try_output(Path("/dev/null"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "old"}
    for path in (tmp_path, tmp_path / "old" / "below", tmp_path / ("n" * 256)):
        with pytest.raises(StatebakeError) as caught:
            try_output(path)
        assert caught.value.code is Code.OUTPUT_FAILED
