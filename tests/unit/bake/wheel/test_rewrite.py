"""Writing wheels and sdists anew."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import time
import zipfile

import pytest

from statebake.bake.state_files import StateFile
from statebake.bake.wheel.contents import Contents
from statebake.bake.wheel.rewrite import complete_wheel
from statebake.bake.wheel.sdist import complete_sdist
from statebake.bake.wheel.version import LocalVersion
from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from support.builds import check_record

STATE = "shop/defs/.local_defs_state"
INFO = "shop-1.dist-info"


@pytest.fixture
def contents(tmp_path) -> Contents:
    """One file from a source, one from a text."""
    (tmp_path / "source").write_bytes(b"new" * 1000)
    return Contents(
        package="shop/defs",
        import_root="src",
        has_code=True,
        manifest=Manifest("shop", "statebake 1", "native 1", None, ()),
        state=(StateFile(f"{STATE}/.gitignore", text="*\n"), StateFile(f"{STATE}/K/state", source=tmp_path / "source")),
    )


def write_wheel(path, extra=(), *, record=True, prefix=b""):
    """Write a wheel with entries of every kind: stored, packed, with a comment, an extra field, a time, a mode."""
    with path.open("wb") as stream:
        stream.write(prefix)
        with zipfile.ZipFile(stream, "w") as archive:
            for number, name in enumerate(["shop/", "shop/__init__.py", "shop/defs/__init__.py", *extra]):
                info = zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 2 * number))
                info.compress_type = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
                info.external_attr = (0o40755 if name.endswith("/") else 0o100755) << 16
                info.comment, info.extra = b"a comment", b"\xff\xff\x02\x00ab"
                archive.writestr(info, b"" if name.endswith("/") else b"text" * 100)
            archive.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\n")
            if record:
                rows = "".join(f"{name},,\n" for name in archive.namelist() if not name.endswith("/"))
                archive.writestr(zipfile.ZipInfo(f"{INFO}/RECORD", (2001, 1, 1, 1, 1, 2)), f"{rows}{INFO}/RECORD,,\n")
    return path


def write_broken(path):
    """Write a wheel with a packed file that cannot be unpacked."""
    name = "pyproject.toml"
    packed = raw(write_wheel(path, [name]), name)
    at = 30 + len(name) + 6  # after the header, the name and the extra field: a kind of block that there is not
    path.write_bytes(path.read_bytes().replace(packed, packed[:at] + b"\xff" + packed[at + 1 :]))


def write_twice(path):
    """Write a wheel that has two files of one name."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_wheel(path, ["shop/__init__.py"])


def write_packed_badly(path, method, name="shop/bad.py"):
    """Write a wheel with a file that is packed in another way and cannot be unpacked."""
    with zipfile.ZipFile(write_wheel(path, record=name != f"{INFO}/RECORD"), "a") as archive:
        archive.writestr(name, bytes(range(256)) * 9, method)
    packed = raw(path, name)
    at = 30 + len(name) + 12  # after the header, the name, and what tells how it is packed
    path.write_bytes(path.read_bytes().replace(packed, packed[:at] + b"x" * 99 + packed[at + 99 :]))


def write_encrypted(path):
    """Write a wheel whose first entry says that it is encrypted."""
    data = bytearray(write_wheel(path).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)


def raw(path, name: str) -> bytes:
    """Return the bytes of an entry, its header included."""
    with zipfile.ZipFile(path) as archive:
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        starts = [info.header_offset for info in infos]
        at = archive.NameToInfo[name].header_offset
        end = next((start for start in starts if start > at), archive.start_dir)
    return path.read_bytes()[at:end]


def test_a_version_of_its_own(tmp_path, contents):
    """Wherever code and metadata are in a wheel, all that has the version in its name or rows gets the new one."""
    data, long = "shop-1.data/purelib", "new" * 1000
    code = [f"{data}/shop/defs/__init__.py", f"{data}/{STATE}/old/state", "shop-1.data/data/big"]
    with zipfile.ZipFile(tmp_path / "built.whl", "w") as archive:
        names = [f"{INFO}/RECORD", *code, f"{INFO}/METADATA", f"{INFO}/WHEEL"]
        archive.writestr(names[0], "".join(f'"{name}",sha256=x,1\n' for name in names[1:]) + f"{names[0]},,\n")
        for name in names[1:]:
            archive.writestr(zipfile.ZipInfo(name, (2001, 2, 3, 4, 5, 6)), "Version: 1\n\nVersion: 1\n")
    complete_wheel(tmp_path / "built.whl", tmp_path / "out.whl", contents, "inner", LocalVersion("state.a"))
    info, data = "shop-1+state.a.dist-info", "shop-1+state.a.data"
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        assert archive.testzip() is None
        made = {entry.filename: archive.read(entry).decode() for entry in archive.infolist()}
        assert archive.getinfo(f"{data}/data/big").date_time == (2001, 2, 3, 4, 5, 6)
    rows = dict(line.split(",", 1) for line in made.pop(f"{info}/RECORD").splitlines())
    assert set(rows) == {*made, f"{info}/RECORD"}
    assert made[f"{info}/METADATA"] == "Version: 1+state.a\n\nVersion: 1\n"
    assert made[f"{data}/purelib/{STATE}/K/state"] == long
    assert rows[f"{data}/data/big"] == rows[f"{info}/WHEEL"]
    assert rows[f"{info}/WHEEL"].endswith(",23")
    assert rows[f"{info}/METADATA"].startswith("sha256=")
    assert rows[f"{info}/METADATA"].endswith(",31")
    check_record(tmp_path / "out.whl")
    assert not any("/old/" in name for name in made)


def test_entries_are_copied(tmp_path, contents):
    """What is kept is the same to the byte, in its order; what is put in has no time; the result is a zip file."""
    built = write_wheel(tmp_path / "built.whl", [f"{STATE}/", f"{STATE}/old/state"])
    complete_wheel(built, tmp_path / "out.whl", contents, "inner")
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        ours = [info for info in archive.infolist() if info.filename.startswith(STATE)]
        assert archive.read(f"{STATE}/K/state") == b"new" * 1000
        assert archive.getinfo(f"{INFO}/RECORD").date_time == (2001, 1, 1, 1, 1, 2)
        kept = archive.getinfo("shop/defs/__init__.py")
    assert names == [
        *("shop/", "shop/__init__.py", "shop/defs/__init__.py"),
        *(f"{STATE}/.gitignore", f"{STATE}/K/state", f"{INFO}/WHEEL", f"{INFO}/RECORD"),
    ]
    assert {(info.date_time, info.external_attr) for info in ours} == {((1980, 1, 1, 0, 0, 0), 0o100644 << 16)}
    assert (kept.comment, kept.extra, kept.external_attr) == (b"a comment", b"\xff\xff\x02\x00ab", 0o100755 << 16)
    for name in (*names[:3], f"{INFO}/WHEEL"):
        assert raw(tmp_path / "out.whl", name) == raw(built, name)


MENDED = ["", "\0\xff no row", f"{INFO}/RECORD,,\n" * 2, f"shop/,,\n{STATE}/K/state,,\n\n,,\ngone.py,sha256=x,1"]


@pytest.mark.parametrize("text", MENDED)
def test_a_record_that_is_wrong(tmp_path, contents, text):
    """Whatever the backend's ``RECORD`` says, that of the new wheel is right, and once it is, it stays as it is."""
    built = write_wheel(tmp_path / "built.whl", ['shop/ø,".py'], record=False)
    with zipfile.ZipFile(built, "a") as archive:
        archive.writestr(f"{INFO}/RECORD", text.encode("latin-1"))
    complete_wheel(built, tmp_path / "one.whl", contents, "inner")
    check_record(tmp_path / "one.whl")
    complete_wheel(tmp_path / "one.whl", tmp_path / "two.whl", contents, "inner")
    assert (tmp_path / "one.whl").read_bytes() == (tmp_path / "two.whl").read_bytes()


@pytest.mark.parametrize(("given", "expected"), [(0, 0o100644), (0o100600, 0o100600), (0o100664, 0o100664)])
def test_the_entry_of_the_record(tmp_path, contents, given, expected):
    """``RECORD`` keeps the time and the mode that the backend gave it; where that gave it no mode, it is 0644."""
    built = write_wheel(tmp_path / "built.whl", record=False)
    with zipfile.ZipFile(built, "a") as archive:
        archive.writestr(zipfile.ZipInfo(f"{INFO}/RECORD", (2001, 1, 1, 1, 1, 2)), f"{INFO}/RECORD,,\n")
        archive.getinfo(f"{INFO}/RECORD").external_attr = given << 16
    complete_wheel(built, tmp_path / "out.whl", contents, "inner")
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        record = archive.getinfo(f"{INFO}/RECORD")
    assert (record.date_time, record.external_attr >> 16) == ((2001, 1, 1, 1, 1, 2), expected)


def test_names_in_the_old_code_page(tmp_path, contents):
    """A name that is not marked as UTF-8 is read as ``zipfile`` reads it, and can still be read afterwards."""
    built = write_wheel(tmp_path / "built.whl", ["shop/é.py"])
    data = bytearray(built.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            flags = int.from_bytes(data[start + at : start + at + 2], "little") & ~0x800
            data[start + at : start + at + 2] = flags.to_bytes(2, "little")
    built.write_bytes(data)
    complete_wheel(built, tmp_path / "out.whl", contents, "inner")
    check_record(tmp_path / "out.whl")
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        assert "shop/é.py".encode().decode("cp437") in archive.namelist()


def test_again(tmp_path, contents):
    """A wheel that has the state already becomes the same file, whenever that is."""
    built = write_wheel(tmp_path / "built.whl")
    complete_wheel(built, tmp_path / "one.whl", contents, "inner")
    time.sleep(0.01)
    complete_wheel(tmp_path / "one.whl", tmp_path / "two.whl", contents, "inner")
    assert (tmp_path / "one.whl").read_bytes() == (tmp_path / "two.whl").read_bytes()


def test_descriptors(tmp_path, contents):
    """Entries that a stream was written with, whose sizes come behind them, are copied whole."""

    class Stream(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("shop/defs/__init__.py", f"{INFO}/RECORD"):
            archive.writestr(name, f"{INFO}/RECORD,,\n")
    (tmp_path / "built.whl").write_bytes(stream.data)
    complete_wheel(tmp_path / "built.whl", tmp_path / "out.whl", contents, "inner")
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        assert archive.testzip() is None
        assert archive.read("shop/defs/__init__.py") == f"{INFO}/RECORD,,\n".encode()


def test_a_prefix(tmp_path, contents):
    """Bytes before the first entry, as a script has them, do not move anything."""
    built = write_wheel(tmp_path / "built.whl", prefix=b"#!/bin/sh\n" * 9)
    complete_wheel(built, tmp_path / "out.whl", contents, "inner")
    with zipfile.ZipFile(tmp_path / "out.whl") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(write_wheel(path).read_bytes()[:-30]), "cannot be read"),
        (write_broken, "cannot be read"),
        (lambda path: write_wheel(path, record=False), "it has no RECORD"),
        (lambda path: write_wheel(path, ["other.dist-info/RECORD"]), "it has several RECORDs"),
        (lambda path: write_wheel(path, [f"{INFO}/RECORD.jws"]), "its RECORD is signed"),
        (write_twice, "it has shop/__init__.py twice"),
        (write_encrypted, "shop/ is encrypted"),
    ],
)
def test_no_wheel(tmp_path, contents, make, why):
    """What is no wheel, or must not be changed, is refused by name."""
    make(tmp_path / "built.whl")
    with pytest.raises(StatebakeError) as caught:
        complete_wheel(tmp_path / "built.whl", tmp_path / "out.whl", contents, "inner")
    assert caught.value.code is Code.BACKEND_FAILED
    assert caught.value.message.startswith("What inner made is no wheel that can be read: ")
    assert why in caught.value.message


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["shop/bad.py", "pyproject.toml", f"{INFO}/RECORD", f"{INFO}/METADATA"])
def test_what_cannot_be_unpacked(tmp_path, contents, name, method):
    """Whichever file of a wheel cannot be unpacked, and however it is packed, the wheel is refused with its name."""
    local = LocalVersion("state.a") if name.endswith("METADATA") else None
    write_packed_badly(tmp_path / "built.whl", method, name)
    with pytest.raises(StatebakeError, match=re.escape(f"cannot be read ({name}: ")) as caught:
        complete_wheel(tmp_path / "built.whl", tmp_path / "out.whl", contents, "inner", local)
    assert caught.value.code is Code.BACKEND_FAILED


def write_sdist(path, names, *, links=(), kind=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w:gz", format=kind, pax_headers={"comment": "for all"}) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 700, 1234567890.25
            archive.addfile(info, io.BytesIO(b"x" * 700))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/elsewhere"
            archive.addfile(info)
    return path


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_sdist(tmp_path, contents, kind):
    """Members are kept as they are, with long names and times; old state, or a link in its place, is not."""
    long = f"shop-1/{'long/' * 60}ø.py"
    kept = ["shop-1/PKG-INFO", long, "shop-1/src/shop/defs/x.py"]
    old = [f"shop-1/src/{STATE}/old/state"]
    built = write_sdist(tmp_path / "built.tar.gz", [*kept[:2], *old, kept[2]], kind=kind)
    complete_sdist(built, tmp_path / "out.tar.gz", contents, "inner")
    with tarfile.open(tmp_path / "out.tar.gz") as archive, tarfile.open(built) as before:
        assert archive.getnames() == [*kept, f"shop-1/src/{STATE}/.gitignore", f"shop-1/src/{STATE}/K/state"]
        for name in kept:
            assert archive.getmember(name).get_info() == before.getmember(name).get_info()
        assert archive.extractfile(f"shop-1/src/{STATE}/K/state").read() == b"new" * 1000
    built = write_sdist(tmp_path / "link.tar.gz", kept, links=[f"shop-1/src/{STATE}"], kind=kind)
    complete_sdist(built, tmp_path / "again.tar.gz", contents, "inner")
    with tarfile.open(tmp_path / "again.tar.gz") as archive:
        assert f"shop-1/src/{STATE}" not in archive.getnames()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tar") == []


def test_sdist_bytes(tmp_path, contents):
    """The same members and state make the same file, whenever and from wherever it is packed."""
    built = write_sdist(tmp_path / "built.tar.gz", ["shop-1/PKG-INFO", "shop-1/src/shop/defs/x.py"])
    complete_sdist(built, tmp_path / "one.tar.gz", contents, "inner")
    plain = gzip.decompress(built.read_bytes())
    (tmp_path / "other.tar.gz").write_bytes(gzip.compress(plain, 1, mtime=5))
    complete_sdist(tmp_path / "other.tar.gz", tmp_path / "two.tar.gz", contents, "inner")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_sdist_version_and_times(tmp_path, contents, kind):
    """Every path, ``PKG-INFO`` and no other file get the version; what is dated too late is dated as it should be."""
    long = f"shop-1/{'long/' * 60}ø.py"
    built = tmp_path / "built.tar.gz"
    with tarfile.open(built, "w:gz", format=kind, pax_headers={"mtime": "1800000000"}) as archive:
        for name, mtime in (("shop-1", 1900000000.5), ("shop-1/PKG-INFO", 1234567890.25), (long, 1700000001)):
            info = tarfile.TarInfo(name)
            data = b"" if name == "shop-1" else b"Version: 1\n\nVersion: 1\n"
            info.type = tarfile.REGTYPE if data else tarfile.DIRTYPE
            info.size, info.mtime = len(data), mtime
            archive.addfile(info, io.BytesIO(data))
        for name, kind_of_link in (("hard", tarfile.LNKTYPE), ("src/shop/defs/x.py", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(f"shop-1/{name}")
            info.type, info.linkname = kind_of_link, long if kind_of_link == tarfile.LNKTYPE else "shop-1/y"
            archive.addfile(info)
    local = LocalVersion("state.0a1b")
    complete_sdist(built, tmp_path / "out.tar.gz", contents, "inner", local=local, latest=1700000000)
    top = "shop-1+state.0a1b"
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        moved = [f"{top}{name[6:]}" for name in ("shop-1", "shop-1/PKG-INFO", long, "shop-1/hard")]
        assert archive.getnames()[:4] == moved
        assert {name.partition("/")[0] for name in archive.getnames()} == {top}
        assert [archive.getmember(name).mtime for name in moved[:3]] == [1700000000, 1234567890, 1700000000]
        assert archive.getmember(moved[0]).isdir()
        assert archive.extractfile(moved[1]).read() == b"Version: 1+state.0a1b\n\nVersion: 1\n"
        assert archive.extractfile(moved[3]).read() == b"Version: 1\n\nVersion: 1\n"
        assert archive.getmember(f"{top}/src/shop/defs/x.py").linkname == "shop-1/y"
        assert archive.extractfile(f"{top}/src/{STATE}/K/state").read() == b"new" * 1000
    sdist = write_sdist(tmp_path / "bare.tar.gz", ["shop-1/src/shop/defs/x.py"])
    with pytest.raises(StatebakeError, match="it has no PKG-INFO"):
        complete_sdist(sdist, tmp_path / "x.tar.gz", contents, "inner", local=local)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"text"),
        lambda path: path.write_bytes(gzip.compress(b"text" * 1000)),
        lambda path: path.write_bytes(write_sdist(path, ["shop-1/a"]).read_bytes()[:100]),
        lambda path: write_sdist(path, []),
        lambda path: write_sdist(path, ["shop-1/a", "other/b"]),
    ],
)
def test_no_sdist(tmp_path, contents, make):
    """What is no source distribution is refused by name, and nothing is left beside it."""
    make(tmp_path / "built.tar.gz")
    with pytest.raises(StatebakeError) as caught:
        complete_sdist(tmp_path / "built.tar.gz", tmp_path / "out.tar.gz", contents, "inner")
    assert caught.value.code is Code.BACKEND_FAILED
    assert not (tmp_path / "built.tar.gz.tar").exists()
