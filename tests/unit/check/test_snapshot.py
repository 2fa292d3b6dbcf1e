"""Reading a state directory as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from statebake.check import read_snapshot
from statebake.errors import Code, StatebakeError
from statebake.model.record import dump_json
from support.trees import read_tree, write_tree


def test_a_state_directory(tmp_path, build):
    """Every key directory is digested and its record read; staging and loose files are no keys; nothing is written."""
    write_tree(tmp_path, {".gitignore": "*\n", "a/state": "1", "b/state": "2", ".staging/x/c/state": "3", "loose": "4"})
    record = build.record("a")
    (tmp_path / "a/.statebake.json").write_text(dump_json(record.to_json()))
    before = read_tree(tmp_path)
    snapshot = read_snapshot(tmp_path)
    assert (snapshot.exists, snapshot.has_ignore_file) == (True, True)
    assert list(snapshot.key_dirs) == ["a", "b"]
    assert snapshot.key_dirs["a"].record == record
    assert snapshot.key_dirs["b"].record is None
    assert snapshot.key_dirs["b"].summary.files == 1
    assert read_tree(tmp_path) == before


def test_no_state_directory(tmp_path):
    """A directory that is not there is a value, not an error, and is not made."""
    snapshot = read_snapshot(tmp_path / "none")
    assert (snapshot.exists, snapshot.has_ignore_file, dict(snapshot.key_dirs)) == (False, False, {})
    assert not (tmp_path / "none").exists()


def test_one_bad_key_does_not_hide_the_others(tmp_path):
    """What cannot be read of one key is kept beside it; the other keys are read."""
    write_tree(tmp_path, {"a/state": "1", "a/.statebake.json": "{", "b/x": "1", "c/state": "1"})
    os.mkfifo(tmp_path / "b/state")
    key_dirs = read_snapshot(tmp_path).key_dirs
    assert key_dirs["a"].record_error.code is Code.BAD_RECORD
    assert key_dirs["a"].summary is not None
    assert key_dirs["b"].content_error.code is Code.FOREIGN_FILE
    assert key_dirs["b"].summary is None
    assert (key_dirs["c"].content_error, key_dirs["c"].record_error) == (None, None)


def test_a_key_that_may_not_be_read(tmp_path, monkeypatch):
    """A file that the user may not read is an error that names it."""
    write_tree(tmp_path, {"a/state": "1"})

    def denied(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", denied)
    error = read_snapshot(tmp_path).key_dirs["a"].content_error
    assert error.code is Code.FOREIGN_FILE
    assert error.where == str(tmp_path / "a/state")
    assert "Permission denied" in error.message


def test_a_state_directory_that_may_not_be_read(tmp_path, monkeypatch):
    """A state directory that the user may not list is an error with a code, not a traceback."""

    def denied(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(StatebakeError) as caught:
        read_snapshot(tmp_path)
    assert caught.value.where == str(tmp_path)
