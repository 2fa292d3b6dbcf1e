"""Files that are made to mislead: each is refused with a code, soon, with little memory, and nothing of it runs."""

from __future__ import annotations

import io
import os
import resource
import struct
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import read_files

STATE = "shop/defs/.local_defs_state/Text__a__/state"
WHEEL = "shop-1.dist-info/WHEEL"


def zipped(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip file; a PEX if it has a PEX-INFO."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def pex(path: Path, members: dict[str, bytes], **options) -> Path:
    return zipped(path, {"PEX-INFO": b"{}", **members}, **options)


def refused(path: Path, code: Code = Code.NOT_AN_ARTIFACT) -> str:
    """Return why a file is refused, which must not take long or much memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    with pytest.raises(StatebakeError) as caught:
        read_files(path)
    assert time.monotonic() - begin < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kB
    assert caught.value.code is code
    assert str(path) in caught.value.where
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read as a zip file"),
        (b"#!/bin/sh\nrm -rf /\n", "cannot be read as a zip file"),
        (os.urandom(4096), "cannot be read as a zip file"),
        (b"PK\x05\x06" + bytes(18), "no PEX-INFO and no WHEEL"),
    ],
)
def test_what_is_no_artifact(tmp_path, content, why):
    """A file that is nothing of ours is told by what it lacks."""
    (tmp_path / "x").write_bytes(content)
    assert why in refused(tmp_path / "x")


def test_other_directories_and_devices(tmp_path):
    """A directory that is nothing of ours, no file at all, and a FIFO, which would never open, are refused."""
    assert "no PEX, OCI image layout or environment" in refused(tmp_path)
    assert "there is no such file" in refused(tmp_path / "none.pex")
    os.mkfifo(tmp_path / "fifo.pex")
    assert "it is no file" in refused(tmp_path / "fifo.pex")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, part):
    """A file that ends too early is refused wherever it ends."""
    path = pex(tmp_path / "x.pex", {STATE: os.urandom(100_000)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    assert "cannot be read as a zip file" in refused(path)


@pytest.mark.parametrize("name", [f"./{STATE}", STATE.replace("/defs", "//defs"), STATE.replace("/defs", "/./defs")])
def test_names_that_take_another_ones_place(tmp_path, name):
    """An entry that unpacks over another one by another name is refused."""
    path = pex(tmp_path / "x.pex", {STATE: b"1", name: b"2"})
    assert "could take another one's place" in refused(path)


@pytest.mark.parametrize("part", ["purelib", "platlib"])
def test_a_wheel_that_installs_a_file_twice(tmp_path, part):
    """What a wheel has in its ``.data`` directory must not be installed over what it has at its top."""
    members = {WHEEL: b"", WHEEL.replace("/WHEEL", "/RECORD"): b"", STATE: b"1", f"shop-1.data/{part}/{STATE}": b"2"}
    assert f"it has '{STATE}' twice" in refused(zipped(tmp_path / "shop-1-py3-none-any.whl", members))


def test_a_wheel_without_a_record(tmp_path):
    """No installer takes a wheel that does not say what is in it."""
    path = zipped(tmp_path / "shop-1-py3-none-any.whl", {WHEEL: b"", STATE: b"1"})
    assert "it has no shop-1.dist-info/RECORD" in refused(path)


def test_a_bomb(tmp_path):
    """Zeros that unpack to a thousand times their size are not read to their end."""
    path = tmp_path / "x.pex"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PEX-INFO", "{}")
        with archive.open(STATE, "w", force_zip64=True) as stream:
            for _ in range(400):
                stream.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    assert "unpacks to more than" in refused(path)


def test_many_bombs(tmp_path):
    """It is the whole that has a limit: many entries that are each small enough are too much together."""
    part = bytes(8 << 20)
    names = (f"shop/defs/.local_defs_state/Text__{number}__/state" for number in range(64))
    assert "unpacks to more than" in refused(pex(tmp_path / "x.pex", dict.fromkeys(names, part)))


def test_a_bomb_in_a_wheel(tmp_path):
    """What is in the wheels of a PEX counts as well."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(STATE, bytes(400 << 20))
    assert "unpacks to more than" in refused(pex(tmp_path / "x.pex", {".deps/shop-1.whl": inner.getvalue()}))


def header(path: Path, name: str, offset: int, form: str, value: int, *, both: bool = True) -> Path:
    """Change a field of an entry, in the directory (APPNOTE.TXT 4.3.12) and, with ``both``, in its own header."""
    data = bytearray(path.read_bytes())
    for signature, size, shift in ((b"PK\x01\x02", 46, 2), (b"PK\x03\x04", 30, 0)):
        at = data.find(signature)
        while at >= 0:
            if data[at + size : at + size + len(name)] == name.encode() and (shift or both):
                struct.pack_into(form, data, at + offset + shift, value)
            at = data.find(signature, at + 1)
    path.write_bytes(data)
    return path


CRC, PACKED, SIZE = 14, 18, 22


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED], ids=["deflated", "stored"])
@pytest.mark.parametrize(("size", "why"), [(10, "larger than it says"), (200_000, "not the size that it says")])
def test_sizes_that_lie(tmp_path, method, size, why):
    """An entry that is larger or smaller than it says is refused, even where its checksum fits what it says."""
    content = b"x" * 100_000
    path = pex(tmp_path / "x.pex", {STATE: content}, method=method)
    header(path, STATE, SIZE, "<I", size)
    header(path, STATE, CRC, "<I", zlib.crc32(content[:size]))
    assert why in refused(path)


def test_a_header_that_disagrees(tmp_path):
    """Readers that go by the entries' own headers would see something else than those that go by the directory."""
    path = header(pex(tmp_path / "x.pex", {STATE: b"x" * 100}), STATE, SIZE, "<I", 99, both=False)
    assert "says something else than the directory" in refused(path)
    other = pex(tmp_path / "y.pex", {STATE: b"x"})
    other.write_bytes(other.read_bytes().replace(STATE.encode(), STATE.replace("Text", "Next").encode(), 1))
    assert "says something else than the directory" in refused(other)


def test_overlapping_entries(tmp_path):
    """Two entries with the same bytes, of which a small file can have any number, are refused."""
    path = pex(tmp_path / "x.pex", {STATE: os.urandom(1000), STATE.replace("__a__", "__b__"): os.urandom(1000)})
    data = path.read_bytes()
    first = data.find(STATE.encode()) - 30
    header(path, STATE.replace("__a__", "__b__"), 40, "<I", first, both=False)
    assert "entries overlap" in refused(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "shop/../../x", "..\\x"])
def test_names_that_leave(tmp_path, name):
    """Absolute names and ``..`` are refused in wheels too."""
    path = zipped(tmp_path / "x.whl", {WHEEL: b"", "x" * len(name): b""})
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    assert "an entry that leaves it" in refused(path)


def test_duplicates(tmp_path):
    """Two entries of one name are refused: readers differ in which they take."""
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        warnings.simplefilter("ignore")
        for content in ("1", "2"):
            archive.writestr(STATE, content)
    assert "two entries called" in refused(tmp_path / "x.whl")


def test_links_out(tmp_path):
    """A symbolic link in the state of a loose PEX is refused, wherever it leads; nothing behind it is read."""
    (tmp_path / "PEX-INFO").write_text("{}")
    state = tmp_path / STATE
    state.parent.mkdir(parents=True)
    state.symlink_to("/etc/passwd")
    assert "a symbolic link" in refused(tmp_path)
    state.unlink()
    os.mkfifo(state)
    assert "no regular file" in refused(tmp_path)


def test_a_state_directory_that_is_a_link(tmp_path):
    """The state directory itself may not be a link either."""
    (tmp_path / "PEX-INFO").write_text("{}")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/.local_defs_state").symlink_to("/tmp")
    assert "a symbolic link" in refused(tmp_path)


def test_many_entries(tmp_path):
    """70,000 entries, which need a zip64 directory, are read, and what is among them is found."""
    path = tmp_path / "x.pex"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("PEX-INFO", "{}")
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"lib/m{number}.py"), b"")
        archive.writestr(STATE, b"1")
    begin = time.monotonic()
    [state] = read_files(path).states
    assert time.monotonic() - begin < 20
    assert state.directories["Text__a__"].files == 1


def test_many_state_directories(tmp_path):
    """So are thousands of state directories: what it costs does not grow with their square."""
    names = {f"p{number}/.local_defs_state/a/state": b"1" for number in range(8_000)}
    begin = time.monotonic()
    assert len(read_files(pex(tmp_path / "x.pex", names)).states) == 8_000
    assert time.monotonic() - begin < 20


def test_a_manifest_that_is_too_large(tmp_path):
    """A manifest has a largest size, whatever it is packed to."""
    name = "shop/defs/.local_defs_state/statebake-manifest.json"
    assert "too many for what it should be" in refused(pex(tmp_path / "x.pex", {name: bytes(65 << 20)}))


@pytest.mark.parametrize("text", [b"", b"[", b"[]", b"[" * 100_000, b"\xff"])
def test_a_bad_pex_info(tmp_path, text):
    """A PEX-INFO that is no JSON object is an error, not a traceback."""
    assert "its PEX-INFO is no" in refused(zipped(tmp_path / "x.pex", {"PEX-INFO": text}))


def test_a_bad_record_of_a_wheel(tmp_path):
    """A RECORD that is no CSV is an error, not a traceback."""
    members = {WHEEL: b"", "shop-1.dist-info/RECORD": b'"' + b"x" * 200_000, STATE: b"1"}
    assert "cannot be read" in refused(zipped(tmp_path / "x.whl", members))


def test_several_wheels_in_one(tmp_path):
    """A wheel has one WHEEL file."""
    assert "several WHEEL files" in refused(zipped(tmp_path / "x.whl", {WHEEL: b"", "other-1.dist-info/WHEEL": b""}))
