"""Reading the state in a PEX without running it."""

from __future__ import annotations

import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.errors import Code, StatebakeError
from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.tree import summarize_dir
from statebake.verify import read_pex
from statebake.verify.compare import mismatches
from support.trees import write_tree

STATE = "shop/defs/.local_defs_state"
FILES = {"state": b"", "project/manifest.json": b"{}" * 500, "project/back-up/a": b"1"}


@pytest.fixture
def manifest(build, tmp_path):
    """The manifest of a key ``Dbt[a/b]`` with ``FILES``, digested in a work tree."""
    root = tmp_path / "key"
    write_tree(root, {name: data.decode() for name, data in FILES.items()})
    record = build.record("Dbt[a/b]", digest=summarize_dir(root).digest, files=3, bytes=1001)
    return Manifest(project="shop", tool="t", host="h", revision=None, keys=(record.without_volatile(),))


@pytest.fixture
def members(manifest):
    """The members of a sound PEX."""
    key = sanitize_key("Dbt[a/b]")
    return {
        "PEX-INFO": b"{}",
        "shop/__init__.py": b"",
        f"{STATE}/.gitignore": b"*\n",
        f"{STATE}/statebake-manifest.json": manifest.dumps().encode(),
        f"{STATE}/{key}/.statebake.json": b"{}",
        **{f"{STATE}/{key}/{name}": data for name, data in FILES.items()},
    }


def write_pex(path: Path, members, *, shebang: bytes = b"#!/usr/bin/env python3\n") -> Path:
    """Write ``members``, a mapping or pairs, as a PEX is laid out."""
    with warnings.catch_warnings(), path.open("wb") as stream:
        warnings.simplefilter("ignore")  # of duplicate names
        stream.write(shebang)
        with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items() if isinstance(members, dict) else members:
                archive.writestr(name, data)
    return path


def refused(path: Path) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        read_pex(path)
    assert str(path) in caught.value.where
    return caught.value


def test_a_sound_pex(tmp_path, members, manifest):
    """Every key's files are digested as in the work tree; the record beside them does not count."""
    (state,) = read_pex(write_pex(tmp_path / "shop.pex", members))
    assert (state.path, state.manifest, state.has_ignore_file, state.unexpected) == (STATE, manifest, True, ())
    assert state.keys[0].summary.digest == manifest.keys[0].digest
    assert (state.keys[0].summary.files, state.keys[0].summary.empty) == (3, None)
    assert mismatches(state) == []


def test_the_order_in_the_archive_does_not_count(tmp_path, members):
    """Files are digested in bytewise order of their paths, in whatever order the archive has them."""
    one, other = (
        read_pex(write_pex(tmp_path / name, items))
        for name, items in (("one", list(members.items())), ("other", list(members.items())[::-1]))
    )
    assert one == other


def test_explicit_directories_do_not_count(tmp_path, members, manifest):
    """Directory entries, which some tools write, change nothing."""
    key = sanitize_key("Dbt[a/b]")
    with_dirs = {f"{STATE}/": b"", f"{STATE}/{key}/": b"", f"{STATE}/{key}/project/": b"", **members}
    (state,) = read_pex(write_pex(tmp_path / "shop.pex", with_dirs))
    assert (mismatches(state), state.unexpected) == ([], ())


def test_what_is_missing_changed_or_too_much(tmp_path, members):
    """A key without files, with other bytes, and a directory without a key are all found."""
    key = f"{STATE}/{sanitize_key('Dbt[a/b]')}"
    changed = read_pex(write_pex(tmp_path / "a", {**members, f"{key}/project/manifest.json": b"{}"}))
    assert "has the digest" in mismatches(changed[0])[0]
    added = read_pex(write_pex(tmp_path / "b", {**members, f"{key}/project/.env": b"TOKEN"}))
    assert "has the digest" in mismatches(added[0])[0]
    missing = read_pex(write_pex(tmp_path / "c", {n: d for n, d in members.items() if not n.startswith(f"{key}/")}))
    assert mismatches(missing[0]) == ["the state of Dbt[a/b] is missing"]
    orphan = read_pex(write_pex(tmp_path / "d", {**members, f"{STATE}/old/state": b"1"}))
    assert mismatches(orphan[0]) == ["no expected key explains old"]
    ignored = read_pex(write_pex(tmp_path / "e", {n: d for n, d in members.items() if n != f"{STATE}/.gitignore"}))
    assert ignored[0].has_ignore_file is False


def test_state_at_the_top_and_twice(tmp_path, members, manifest):
    """A state directory at the top is found, and so is a second one."""
    top = {".local_defs_state/statebake-manifest.json": manifest.dumps().encode()}
    states = read_pex(write_pex(tmp_path / "shop.pex", {**members, **top}))
    assert [state.path for state in states] == [".local_defs_state", STATE]


def test_a_pex_without_state(tmp_path):
    """A PEX that statebake did not bake has no state, and that is no error here."""
    assert read_pex(write_pex(tmp_path / "a.pex", {"PEX-INFO": b"{}", "x/statebake-manifest.json": b"{}"})) == ()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "there is no such file"),
        (Path.mkdir, "it is a directory"),
        (lambda path: path.write_bytes(b""), "cannot be read as a zip file"),
        (lambda path: path.write_text("#!/bin/sh\nexit 0\n"), "cannot be read as a zip file"),
        (lambda path: write_pex(path, {"README": b"no PEX"}), "it has no PEX-INFO"),
    ],
)
def test_what_is_no_pex(tmp_path, make, why):
    """Anything that is no PEX is told by what it is."""
    make(tmp_path / "x")
    error = refused(tmp_path / "x")
    assert error.code is Code.NOT_AN_ARTIFACT
    assert why in error.message


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "shop/../../x", "shop/..", "\\x", "..\\x", "a\\..\\..\\b"])
def test_a_name_that_leaves_the_archive_is_refused(tmp_path, members, name):
    """Absolute names and ``..`` are refused, also where a backslash separates for some readers only."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    error = refused(write_pex(tmp_path / "shop.pex", [*members.items(), (info, b"")]))
    assert error.code is Code.NOT_AN_ARTIFACT
    assert "an entry that leaves it" in error.message


def test_a_backslash_in_a_name_is_a_letter(tmp_path, build):
    """State may have files with a backslash in their names; they are digested as in the work tree."""
    root = write_tree(tmp_path / "key", {"state": "1", "back\\slash": "2"})
    record = build.record("a", digest=summarize_dir(root).digest)
    manifest = Manifest(project="shop", tool="t", host="h", revision=None, keys=(record,))
    files = {"PEX-INFO": b"{}", f"{STATE}/statebake-manifest.json": manifest.dumps().encode()}
    path = write_pex(tmp_path / "a.pex", {**files, f"{STATE}/a/state": b"1", f"{STATE}/a/back\\slash": b"2"})
    assert mismatches(read_pex(path)[0]) == []


def test_two_entries_of_one_name_are_refused(tmp_path, members):
    """Readers differ in which of two entries they take, so what is proved may not be what is loaded."""
    first = next(iter(members))
    error = refused(write_pex(tmp_path / "shop.pex", [*members.items(), (first, b"other")]))
    assert "two entries" in error.message


def test_a_link_in_the_state_is_refused(tmp_path, members):
    """A symbolic link would be digested as its text and loaded as what it points to."""
    info = zipfile.ZipInfo(f"{STATE}/{sanitize_key('Dbt[a/b]')}/link")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    error = refused(write_pex(tmp_path / "shop.pex", [*members.items(), (info, b"/etc/passwd")]))
    assert error.code is Code.NOT_AN_ARTIFACT
    assert "symbolic link" in error.message


@pytest.mark.parametrize(
    ("text", "code"), [(b"{", Code.BAD_RECORD), (b"\xff", Code.BAD_RECORD), (b'{"format": 2}', Code.NEWER_FORMAT)]
)
def test_a_manifest_that_cannot_be_read(tmp_path, members, text, code):
    """A manifest that is broken, or of a later format, is refused with its place in the archive."""
    name = f"{STATE}/statebake-manifest.json"
    error = refused(write_pex(tmp_path / "shop.pex", {**members, name: text}))
    assert error.code is code
    assert error.where.endswith(f"shop.pex!{name}")


def flagged(path: Path, *, offset: int, value: int) -> Path:
    """Set a 16-bit field of every entry, in its own header and in the directory (APPNOTE.TXT 4.3.7, 4.3.12)."""
    data = bytearray(path.read_bytes())
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = data.find(signature)
        while at >= 0:
            struct.pack_into("<H", data, at + offset + shift, value)
            at = data.find(signature, at + 1)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)], ids=["encrypted", "unknown compression"])
def test_entries_that_cannot_be_unpacked(tmp_path, members, offset, value):
    """An entry with a password or of an unknown compression is an error with a code."""
    path = flagged(write_pex(tmp_path / "shop.pex", members), offset=offset, value=value)
    assert refused(path).code is Code.NOT_AN_ARTIFACT


@given(st.data())
def test_no_damage_is_read_as_something_else(tmp_path_factory, data):
    """With any one byte changed, a PEX is refused with a code, or carries the same state, or says that it differs."""
    root = tmp_path_factory.mktemp("pex")
    content = b"x" * 200
    from statebake.model.record import ComponentRef, Record
    from statebake.model.state_config import DefsStateManagementType as Strategy

    write_tree(root, {"key/state": content.decode()})
    digest = summarize_dir(root / "key").digest
    record = Record(
        "a", (ComponentRef("T", "f:1"),), Strategy.LOCAL_FILESYSTEM, digest, 1, 200, None, "fetched", "t", "h"
    )
    manifest = Manifest(project="p", tool="t", host="h", revision=None, keys=(record,))
    members = {
        "PEX-INFO": b"{}",
        "d/.local_defs_state/statebake-manifest.json": manifest.dumps().encode(),
        "d/.local_defs_state/a/state": content,
    }
    path = write_pex(root / "x.pex", members)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        states = read_pex(path)
    except StatebakeError:
        return
    for state in states:
        for key in state.keys:
            assert key.summary is None or key.summary.digest == digest or mismatches(state)
