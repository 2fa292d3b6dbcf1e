"""What is packed into files is searched as well."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import tarfile
import zipfile
import zlib

import pytest

from statebake.hygiene.search import Searcher


class Once(io.RawIOBase):
    """A stream that can be read once only."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._data.readinto(buffer)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(("name", "inner"), [("a.json.PACKED", "a.json"), ("abc", "unpacked")])
def test_compressed_files(search, made, pack, name, inner):
    """What a compressed file unpacks to is named as the file is, without what says that it is compressed."""
    secret = made.secret()
    suffix = {gzip: "gz", bz2: "bz2", lzma: "xz"}[
        next(module for module in (gzip, bz2, lzma) if module.compress is pack)
    ]
    name = name.replace("PACKED", suffix)
    assert search.places(pack(b"abc" + secret.value.encode()), secret, path=name) == [(f"{name}!{inner}", 3)]
    assert search.unread == []


def test_several_streams_in_one_file(search, made):
    """gzip files of several members, and with what does not belong to them at their end, are unpacked as one."""
    secret = made.secret()
    value = secret.value.encode()
    data = gzip.compress(b"abc" + value[:5]) + gzip.compress(value[5:] + b"x" * 3_000_000) + gzip.compress(value)
    length = 3 + len(value) + 3_000_000
    assert search.places(data + b"garbage", secret, path="a.gz") == [("a.gz!a", 3), ("a.gz!a", length)]
    assert search.unread == []


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("before", [b"", b"#!/usr/bin/env python3\n"])
@pytest.mark.parametrize("stream", [io.BytesIO, Once])
def test_zip_archives(made, method, before, stream):
    """The members of wheels and of PEXes are searched, whether a stream can be sought in or not."""
    secret = made.secret()
    data = before + made.zip({"pkg/a.json": b"abc" + secret.value.encode(), "pkg/b.json": b"{}", "c/": b""}, method)
    searcher = Searcher([secret])
    hits = list(searcher.search("shop.pex", stream(data)))
    assert [(hit.path, hit.offset) for hit in hits] == [("shop.pex!pkg/a.json", 3)]
    assert searcher.unread == []


@pytest.mark.parametrize("before", [b"x", b"#!/bin/sh\n" + b"exec true\n" * 500, b"\x89PNG\r\n" + bytes(200_000)])
@pytest.mark.parametrize("after", [b"", b"x" * 100])
@pytest.mark.parametrize("count", [1, 100_000])
def test_zip_archives_behind_something_else(search, made, before, after, count):
    """What can be read as a zip archive is searched as one, whatever comes before it: a PEX may begin as a script."""
    secret = made.secret()
    noise = random.Random(1).randbytes(count)
    data = before + made.zip({"pkg/noise": noise, "pkg/a.json": b"abc" + secret.value.encode()}) + after
    assert zipfile.is_zipfile(io.BytesIO(data))
    assert search.places(data, secret, path="x.bin") == [("x.bin!pkg/a.json", 3)]
    assert search.unread == []
    # Where a stream cannot be sought in, only what is likely to be one is kept to be read again.
    for name in ("x.whl", "x.bin"):
        searcher = Searcher([secret])
        hits = list(searcher.search(name, Once(data)))
        if name == "x.whl" or before.startswith(b"#!") or len(data) < 65_557:
            assert [(hit.path, hit.offset) for hit in hits] == [(f"{name}!pkg/a.json", 3)]
            assert searcher.unread == []
        else:
            assert hits == []
            assert searcher.unread == [
                "x.bin has a zip archive at its end, which could not be unpacked; its bytes were searched as they are."
            ]


def test_an_archive_that_a_compressed_file_ends_with(search, made):
    """A wheel that is stored at the end of another archive is a file in that one, and told of once."""
    secret = made.secret()
    wheel = made.zip({"a.json": secret.value.encode()})
    assert search.places(gzip.compress(wheel, 0), secret, path="x.gz") == [("x.gz!x!a.json", 0)]
    assert search.places(made.tar({"x.whl": wheel}), secret, path="x.tar") == [("x.tar!x.whl!a.json", 0)]


def test_signs_of_an_archive_in_other_files(search, made):
    """A file that only has the signs of an archive's end in it is searched as it is, without a word."""
    secret = made.secret()
    for data in (b"PK\x05\x06" + bytes(18), b"x" * 50 + b"PK\x05\x06" + b"\1" * 40, b"#!/bin/sh\n" + b"# x\n" * 30_000):
        for stream in (io.BytesIO, Once):
            searcher = Searcher([secret])
            hits = list(searcher.search("x.pyz", stream(data + secret.value.encode())))
            assert [(hit.path, hit.offset) for hit in hits] == [("x.pyz", len(data))]
            assert searcher.unread == []


def test_what_is_in_a_zip_archive_but_in_no_member(search, made):
    """Comments and the names of members are searched as well."""
    secret = made.secret()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", secret.value)
        archive.comment = secret.value.encode()
    found = search.places(out.getvalue(), secret, path="x.zip")
    assert [path for path, _ in found] == ["x.zip", "x.zip!a"]
    assert found[0][1] == out.getvalue().rindex(secret.value.encode())


def test_zip64(made):
    """Sizes and offsets that are written in 64 bits are read."""
    secret = made.secret()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(secret.value.encode())
    data = bytearray(out.getvalue())
    # The directory says that size and offset are elsewhere: an extra field of it has them.
    at = data.rindex(b"PK\x01\x02")
    size = len(secret.value)
    extra = (
        (1).to_bytes(2, "little")
        + (24).to_bytes(2, "little")
        + b"".join(n.to_bytes(8, "little") for n in (size, size, 0))
    )
    data[at + 20 : at + 28] = b"\xff" * 8
    data[at + 42 : at + 46] = b"\xff" * 4
    data[at + 30 : at + 32] = len(extra).to_bytes(2, "little")
    data[at + 47 : at + 47] = extra
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = (end - at).to_bytes(4, "little")
    assert zipfile.ZipFile(io.BytesIO(data)).read("a") == secret.value.encode()
    assert [(hit.path, hit.offset) for hit in Searcher([secret]).search("x", io.BytesIO(data))] == [("x!a", 0)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tar_archives(search, made, form):
    """Members of tar archives are searched as they come, those with long names too."""
    secret = made.secret()
    value = secret.value.encode()
    name = "d" * 90 + "/" + "n" * 90
    data = made.tar({"app/a": b"abc" + value, "empty": b"", name: value, "last": b"x" * 700 + value}, format=form)
    assert search.places(data, secret) == [("a.txt!app/a", 3), (f"a.txt!{name}", 0), ("a.txt!last", 700)]
    assert search.unread == []


def test_what_is_in_a_tar_archive_but_in_no_member(search, made):
    """The headers of a tar archive are searched: a link's target may have a secret."""
    secret = made.secret()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, f"x/{secret.value}"
        archive.addfile(link)
    assert search.places(out.getvalue(), secret) == [("a.txt", out.getvalue().index(secret.value.encode()))]


def test_sparse_members(search, made):
    """What comes after a sparse member of GNU's tar is found at its place."""
    secret = made.secret()
    header = tarfile.TarInfo("sparse")
    header.size = 0
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[482] = 1  # a further header comes
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = bytes(block) + bytes(512) + made.tar({"a": secret.value.encode()})
    assert search.places(data, secret) == [("a.txt!a", 0)]


def test_archives_in_archives(search, made):
    """Archives are searched in archives; a compressed archive is one archive."""
    secret = made.secret()
    wheel = made.zip({"pkg/a.json": secret.value.encode(), "pkg/b.json.gz": gzip.compress(secret.value.encode())})
    layer = gzip.compress(made.tar({"app/x.whl": wheel}))
    image = made.tar({"layer.tar": layer, "blobs/sha256/ab": layer})
    found = search.places(image, secret, path="image.tar")
    assert found == [
        (f"image.tar!{layer}!app/x.whl!{path}", 0)
        for layer in ("blobs/sha256/ab", "layer.tar")
        for path in ("pkg/a.json", "pkg/b.json.gz!b.json")
    ]


def test_stored_bytes_are_told_of_once(search, made):
    """What is packed without being compressed is told of where it is unpacked only."""
    secret = made.secret()
    data = made.zip({"a.gz": gzip.compress(secret.value.encode(), 0)}, zipfile.ZIP_STORED)
    assert secret.value.encode() in data
    assert search.places(data, secret, path="x.zip") == [("x.zip!a.gz!a", 0)]


def test_many_bytes_that_are_stored(search, made):
    """What is stored in a large file is told of once, too, where windows and pieces of it end at any place."""
    secret = made.secret()
    value = secret.value.encode()
    content = random.Random(1).randbytes(1_048_000) + value + random.Random(2).randbytes(700_000) + value + b"x"
    data = gzip.compress(content, 0)
    assert [path for path, _ in search.places(data, secret, path="a.gz")] == ["a.gz!a"] * 2
    packed = made.zip({"a": content, "b.gz": gzip.compress(value, 0)}, zipfile.ZIP_STORED)
    assert [path for path, _ in search.places(packed, secret, path="z")] == ["z!a", "z!a", "z!b.gz!b"]


def test_names_in_archives_are_judged(search, made):
    """The name of every file in an archive is judged, within the archive."""
    judged: list[str] = []
    judge = judged.append
    search(made.tar({"app/.env": b"", "x.zip": made.zip({"a/": b"", "a/b.gz": gzip.compress(b"")})}), judge_name=judge)
    assert judged == ["a.txt", "app/.env", "x.zip", "a/b.gz", "b"]


def test_git_objects(search, made):
    """Loose objects of git are unpacked, without their header."""
    secret = made.secret()
    path = ".git/objects/ab/" + "c" * 38
    data = zlib.compress(b"blob %d\0" % len(secret.value) + secret.value.encode())
    assert search.places(data, secret, path=path) == [(f"{path}!blob", 0)]


def test_zlib_streams(search, made):
    """A zlib stream anywhere is unpacked; text that begins like one is text."""
    secret = made.secret()
    assert search.places(zlib.compress(b"abc" + secret.value.encode()), secret) == [("a.txt!unpacked", 3)]
    assert search.places(b"x^2 + " + secret.value.encode(), secret) == [("a.txt", 6)]
    assert search.unread == []


def _object(kind: int, content: bytes, more: bytes = b"") -> bytes:
    size = len(content)
    head = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + more + zlib.compress(content)


def test_git_packs(search, made):
    """The objects of a pack are unpacked one after another; of deltas, what they insert."""
    secret = made.secret()
    value = secret.value.encode()
    insert = b"\x90\x20" + bytes([10]) + value[:10] + bytes([len(value) - 10]) + value[10:] + b"\x91\x01\x02"
    objects = [
        _object(3, b"blob " * 1000),
        _object(3, value),
        _object(6, b"\x80\x01\x80\x01" + insert, b"\x85\x10"),
        _object(7, b"\x10\x10" + insert, b"i" * 20),
        _object(1, b"tree x\n" + value),
    ]
    starts = [12 + sum(map(len, objects[:number])) for number in range(len(objects))]
    data = b"PACK\0\0\0\2\0\0\0\5" + b"".join(objects) + b"d" * 20
    assert search.places(data, secret, path="p.pack") == sorted(
        [
            (f"p.pack!blob@{starts[1]}", 0),
            (f"p.pack!delta@{starts[2]}", 1),
            (f"p.pack!delta@{starts[3]}", 1),
            (f"p.pack!commit@{starts[4]}", 7),
        ]
    )
    assert search.unread == []


def test_zstandard(search, made):
    """Zstandard is unpacked by a Python that has it, and told of otherwise."""
    secret = made.secret()
    if sys.version_info >= (3, 14):
        from compression import zstd

        assert search.places(zstd.compress(secret.value.encode()), secret, path="a.zst") == [("a.zst!a", 0)]
    else:
        search(b"\x28\xb5\x2f\xfd" + b"x" * 20, secret, path="a.zst")
        assert search.unread == [
            "a.zst is compressed with Zstandard, which this Python cannot unpack; its bytes were searched as they are."
        ]
