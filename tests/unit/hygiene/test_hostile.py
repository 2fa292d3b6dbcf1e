"""Archives that are broken, or made to harm, end no search."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import time
import zipfile
import zlib

import pytest

from statebake.hygiene import walk
from statebake.hygiene.search import Searcher
from statebake.hygiene.unpack import base

LEFT = "; its bytes were searched as they are."


def _samples(made) -> dict[str, bytes]:
    value = made.secret().value.encode()
    files = {"a.json": value * 3, "b/c.bin": random.Random(3).randbytes(3000), "d": b"x" * 5000}
    tar, archive = made.tar(files), made.zip(files)
    return {
        "a.tar": tar,
        "a.zip": archive,
        "stored.zip": made.zip(files, zipfile.ZIP_STORED),
        "a.tar.gz": gzip.compress(tar),
        "a.tar.xz": lzma.compress(tar),
        "a.tar.bz2": bz2.compress(tar),
        "nested.tar": made.tar({"x.zip": archive, "y.gz": gzip.compress(value)}),
        "objects/ab/" + "c" * 38: zlib.compress(b"blob 3\0" + value),
        "p.pack": b"PACK\0\0\0\2\0\0\0\2\x33"
        + zlib.compress(b"abc")
        + b"\x6f\x01"
        + zlib.compress(b"\1\1\x03abc\x91\1\2"),
    }


@pytest.mark.parametrize("seed", range(60))
def test_broken_archives(search, made, seed):
    """An archive with wrong bytes, or cut anywhere, is searched to its end, and nothing is raised."""
    chosen = random.Random(seed)
    secret = made.secret()
    for name, whole in _samples(made).items():
        data = bytearray(whole)
        for _ in range(chosen.choice([0, 1, 4, 40])):
            at = chosen.randrange(len(data))
            data[at : at + chosen.choice([0, 1, 4])] = chosen.choice([b"\xff", b"\0\0\0\0", chosen.randbytes(3)])
        data = data[: chosen.choice([len(data), chosen.randrange(len(data))])] + secret.value.encode()
        assert search(bytes(data), secret, path=name), "the secret after the archive is found"


def test_cut_archives_are_told_of(search, made):
    """What cannot be unpacked to its end is told of, and what came before that is searched."""
    secret = made.secret()
    content = secret.value.encode() + random.Random(1).randbytes(100_000).hex().encode()
    assert search.places(gzip.compress(content)[:5000], secret, path="a.gz") == [("a.gz!a", 0)]
    assert search.unread == [f"a.gz ends too early{LEFT}"]
    assert search.places(made.tar({"b": content})[:5000], secret, path="a.tar") == [("a.tar!b", 0)]
    assert search.unread == [f"a.tar!b ends too early{LEFT}"]
    search(made.zip({"b": content})[:5000], secret, path="a.zip")
    assert search.unread == [f"a.zip has no directory at its end{LEFT}"]


def test_encrypted_members(search, made):
    """An encrypted member is told of."""
    data = bytearray(made.zip({"a": b"abc"}))
    for at in (6, data.rindex(b"PK\x01\x02") + 8):
        data[at] |= 1
    search(bytes(data), path="a.zip")
    assert search.unread == [f"a.zip!a is encrypted{LEFT}"]


def test_bombs(search, monkeypatch):
    """What unpacks to far more than it has ends early, at any depth, and is told of."""
    monkeypatch.setattr(base, "FREE_BYTES", 1 << 20)
    data = gzip.compress(bytes(50 << 20), 9)
    assert search(data, path="a.gz") == []
    assert search.unread == [f"a.gz unpacks to more than 100 times its size{LEFT}"]
    assert search(gzip.compress(data), path="a.gz.gz") == []
    assert search.unread == [f"a.gz.gz!a.gz unpacks to more than 100 times its size{LEFT}"]


@pytest.mark.parametrize("count", [1, 20])
def test_a_bomb_takes_only_itself_away(search, made, monkeypatch, count):
    """The members after one that unpacks to too much are searched as ever, however many bombs there are."""
    monkeypatch.setattr(base, "FREE_BYTES", 1 << 20)
    secret = made.secret()
    bombs = {f"{number}.bin": bytes(5 << 20) for number in range(count)}
    state = secret.value.encode() + random.Random(1).randbytes(3_000).hex().encode() * 20
    data = made.zip({**bombs, "state.json": state})
    assert search.places(data, secret, path="a.zip") == [("a.zip!state.json", 0)]
    assert search.unread == [f"a.zip!{name} unpacks to more than 100 times its size{LEFT}" for name in bombs]
    data = made.tar({**{name: gzip.compress(bomb) for name, bomb in bombs.items()}, "s.gz": gzip.compress(state)})
    assert search.places(data, secret, path="a.tar") == [("a.tar!s.gz!s", 0)]


def test_much_that_is_empty_in_a_compressed_archive(search, made, monkeypatch):
    """A file of zeros that cannot be left out is read, so that what comes after it is found."""
    monkeypatch.setattr(base, "FREE_BYTES", 1 << 20)
    secret = made.secret()
    data = gzip.compress(made.tar({"zeros": bytes(5 << 20), "state.json": secret.value.encode()}))
    assert search.places(data, secret, path="a.tgz") == [("a.tgz!state.json", 0)]
    assert search.unread == []


def test_overlapping_members(search, made, monkeypatch):
    """Many members that are the same bytes count each time."""
    monkeypatch.setattr(base, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(base, "LARGEST_RATIO", 3)
    one = made.zip({"a": bytes(100_000)}, zipfile.ZIP_STORED)
    at = one.rindex(b"PK\x01\x02")
    end = one.rindex(b"PK\x05\x06")
    entries = one[at:end] * 1000
    tail = bytearray(one[end:])
    tail[8:12] = (1000).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    assert search(one[:at] + entries + bytes(tail), path="a.zip") == []
    assert f"a.zip!a unpacks to more than 3 times its size{LEFT}" in search.unread


def test_depth(search, made):
    """Archives in archives are unpacked to some depth, and what is deeper is told of."""
    secret = made.secret()
    data = secret.value.encode()
    for _ in range(walk._DEEPEST):
        data = made.zip({"a": data})
    [hit] = search(data, secret, path="x")
    assert hit.path.count("!") == walk._DEEPEST
    assert search.unread == []
    assert search(made.zip({"a": data}), secret, path="x") == []
    [sentence] = search.unread
    assert sentence.endswith(f"is packed too deep to be unpacked{LEFT}")


def test_an_archive_that_is_in_itself(search):
    """A gzip file that unpacks to itself ends at some depth: zeros that unpack to zeros stand for it."""
    data = bytes(10)
    for _ in range(40):
        data = gzip.compress(data)
    search(data, path="x")
    assert len(search.unread) == 1


@pytest.mark.parametrize(
    "size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777\0", b"-0000000001\0", b"nonsense....", b"\0" * 12]
)
def test_sizes_that_cannot_be(search, made, size):
    """A member that is said to be huge, or smaller than nothing, ends with the archive."""
    secret = made.secret()
    data = bytearray(made.tar({"a": secret.value.encode()}))
    data[124:136] = size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert len(search(bytes(data), secret)) == 1


def test_names_that_lead_out(search, made, tmp_path, monkeypatch):
    """A name is never a place to write to, and is told so that it can be printed."""
    monkeypatch.chdir(tmp_path)
    secret = made.secret()
    names = ["../../../escaped", "/etc/escaped", "a\x1b]0;x\x07b", "c" * 5000]
    for data in (
        made.tar(dict.fromkeys(names, secret.value.encode())),
        made.zip(dict.fromkeys(names, secret.value.encode())),
    ):
        hits = search(data, secret)
        assert [hit.path for hit in hits][:3] == [f"a.txt!{name}" for name in (*names[:2], "a\\x1b]0;x\\x07b")]
        assert all(hit.path.isprintable() and len(hit.path) < 2000 for hit in hits)
    assert list(tmp_path.iterdir()) == []


def test_no_space_for_what_is_kept(made, monkeypatch):
    """A zip archive that cannot be kept is searched as it is."""

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(walk.tempfile, "SpooledTemporaryFile", lambda _: Full())
    secret = made.secret()
    data = made.tar({"x.zip": made.zip({"a": secret.value.encode()}, zipfile.ZIP_STORED)})
    searcher = Searcher([secret])
    [hit] = searcher.search("t", io.BytesIO(data))
    assert hit.path == "t!x.zip"
    assert searcher.unread == [f"t!x.zip has no directory at its end{LEFT}"]


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"") * 50_000,
        ("-----BEGIN PRIVATE " + "KEY-----" + "aaaa: " * 40).encode() * 4000,
        b"eyJ" + b"a" * 10 + b".eyJ" * 250_000,
        b"://a:b" + b"@c" * 500_000,
        b"x://" * 250_000 + b"@",
        b"sk-" * 200_000 + b"T3BlbkFJ" * 20_000,
        b"\x90" * 10 + b"PK\x05\x06" * 250_000,
        b"https://password" + b"password" * 30 + b":" + b"password" * 24 + b"Q@h.net/",
    ],
    ids=["empty members", "headers", "dots", "at signs", "schemes", "keys", "ends", "words"],
)
def test_what_might_take_long(search, data):
    """No content takes long: 20 s would be a thousand times more than it should, on any machine."""
    begin = time.process_time()
    search(data)
    assert time.process_time() - begin < 20


def test_many_members(search, made):
    """Members that are too many to tell of are not all told of."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(3000):
            member = tarfile.TarInfo(f"{number}.gz")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"\x1f\x8b\x08\0\0"))
    assert search(out.getvalue(), made.secret()) == []
    assert len(search.unread) == 1000


def test_errors_of_the_stream_are_raised(made):
    """A file that cannot be read is no matter of the search: its error comes through."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(Searcher([made.secret()]).search("x", Broken()))
