"""Searching one file: windows, overlaps, names."""

from __future__ import annotations

import base64
import io
import tracemalloc

import pytest

from statebake.hygiene.search import Hit, Literal, Searcher
from statebake.hygiene.secrets import Secret
from statebake.hygiene.sweep import CHUNK


class Dripping(io.RawIOBase):
    """A stream that gives few bytes at a time, and cannot be sought in."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._data.read(min(len(buffer), self._most))
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("most", [1 << 12, 300_007, CHUNK, 1 << 24])
@pytest.mark.parametrize("form", [lambda data: data, base64.b64encode, lambda data: data.hex().encode()])
def test_across_the_borders_of_windows(made, most, form):
    """What lies across any border of what is read or searched at once is found once, at its place."""
    secret = made.secret()
    data = bytearray(b"." * (3 * CHUNK))
    encoded = form(secret.value.encode())
    core = encoded.rstrip(b"=")[:-1]
    step = CHUNK // 4
    places = [number * step + shift for number, shift in enumerate(range(-25, -25 + 11), 1)]
    for at in places:
        data[at : at + len(core) + 1] = encoded[: len(core) + 1]
    hits = list(Searcher([secret]).search("x", Dripping(bytes(data), most)))
    assert [hit.offset for hit in hits] == places


def test_memory_is_constant(made):
    """A large file takes no more memory than a window of it does."""

    class Zeros(io.RawIOBase):
        left = 64 * CHUNK

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    searcher = Searcher([made.secret()])
    tracemalloc.start()
    try:
        assert list(searcher.search("x", Zeros())) == []
        assert tracemalloc.get_traced_memory()[1] < 10 * CHUNK
    finally:
        tracemalloc.stop()


def test_values_in_values(search):
    """Of values that lie in each other the longest is told of; what stands alone is told of as well."""
    short, long = Secret("SHORT", "hunter22" + "xyz"), Secret("LONG", "abc:hunter22" + "xyz:def")
    data = f"{long.value} {short.value}".encode()
    assert [(hit.offset, hit.rule) for hit in search(data, short, long)] == [
        (0, "LONG"),
        (len(long.value) + 1, "SHORT"),
    ]


def test_a_value_that_overlaps_itself(search):
    """Many overlapping places are told of once each, and take no time that grows with their square."""
    secret = Secret("A_TOKEN", "abab" * 3)
    assert len(search(b"ab" * 100_000, secret)) == 100_000 - 5


def test_further_literals(search):
    """Literals count as they are, and have their own rule and words."""
    literal = Literal(b"/home/bob/shop", "machine-path", "a path of this machine")
    hits = search(b"x/home/bob/shop/y", literals=[literal])
    assert hits == [Hit("a.txt", 1, "machine-path", "a path of this machine")]
    assert b"bob" not in repr(literal).encode()


def test_names_of_files(search):
    """A file that is bad by its name is told of without an offset, empty or not."""
    judge = {".env": "a file of secrets"}.get
    assert search(b"", path=".env", judge_name=judge) == [Hit(".env", None, "file-name", "a file of secrets")]
    assert search(b"", path="env", judge_name=judge) == []


def test_what_is_found_is_named(search, made):
    """A hit names the variable and the encoding, never the value."""
    secret = made.secret()
    [hit] = search(b"x" + base64.b64encode(secret.value.encode()), secret)
    assert hit == Hit("a.txt", 1, "DB_PASSWORD", "the value of DB_PASSWORD, as base64", "DB_PASSWORD")


def test_a_stream_from_its_middle(made):
    """A stream is searched from where it stands, and offsets count from there."""
    secret = made.secret()
    stream = io.BytesIO(secret.value.encode() * 2)
    stream.seek(len(secret.value))
    assert [hit.offset for hit in Searcher([secret]).search("x", stream)] == [0]


def test_paths_can_be_printed(search, made):
    """Control characters in a file's name are escaped."""
    [hit] = search(made.secret().value.encode(), made.secret(), path="a\x1b[31m\nb\udcff")
    assert hit.path == "a\\x1b[31m\\nb\\udcff"


def test_many_files_at_once(made):
    """Small files that are searched together have their own hits, and nothing is found from one to the next."""
    secret = made.secret()
    value = secret.value.encode()
    contents = [b"abc" + value, value[:10], value[10:], b"", b"x" * (2 * CHUNK) + value, value]
    given = []

    def files():
        for number, content in enumerate(contents):
            stream = io.BytesIO(content)
            yield str(number), stream, None
            given.append(stream.read())

    hits = Searcher([secret]).search_all(files())
    assert sorted((hit.path, hit.offset) for hit in hits) == [("0", 3), ("4", 2 * CHUNK), ("5", 0)]
    assert given == [b""] * len(contents), "each was read to its end before the next was asked for"


def test_many_searches(made):
    """One searcher can search any number of files."""
    secret = made.secret()
    searcher = Searcher([secret])
    for name in ("a", "b"):
        assert [hit.path for hit in searcher.search(name, io.BytesIO(secret.value.encode()))] == [name]


@pytest.mark.parametrize("name", ["state/{}.json", "{}", "state/{}/a.json", "a\x1b{}", "a" * 1019 + "/{}"])
def test_a_secret_in_a_file_s_name(search, made, name):
    """A value or a token that a file is called by is found, and no path that is told of has it."""
    secret = made.secret()
    token = f"ghp_{made.letters(36, seed=3)}"
    for value, rule in ((secret.value, secret.name), (token, "github-token")):
        for content in (b"", b"x" + value.encode(), made.tar({name.format(value): value.encode()})):
            hits = search(content, secret, path=name.format(value))
            assert [hit.rule for hit in hits if hit.what.endswith("in its name")] == [rule]
            assert all(hit.rule == rule and hit.offset is not None for hit in hits)
            assert not any(value[:4] in hit.path for hit in hits)
            assert all("****" in hit.path for hit in hits)


def test_a_secret_in_a_name_in_an_archive(search, made):
    """The name of a file in an archive is found too, and so is what cannot be unpacked told of without it."""
    secret = made.secret()
    for data in (made.tar({secret.value: b"\x1f\x8b\x08"}), made.zip({secret.value: b"\x1f\x8b\x08"})):
        hits = search(data, secret)
        assert hits
        assert not any(secret.value in hit.path for hit in hits)
        [sentence] = search.unread
        assert sentence.startswith("a.txt!**** ")


def test_a_literal_in_a_file_s_name(search):
    """What may be seen is no matter in a name."""
    literal = Literal(b"/home/bob/shop", "local-path", "a path")
    assert search(b"", literals=[literal], path="home/home/bob/shop/a") == []


@pytest.mark.parametrize("columns", [64, 76])
@pytest.mark.parametrize("count", [12, 40, 300])
def test_base64_in_lines(search, made, columns, count):
    """A value that is broken by the ends of lines is found, whatever comes before it."""
    secret = made.secret(count=count)
    for before in range(120):
        packed = base64.b64encode(b"x" * before + secret.value.encode() + b"y" * 50)
        data = b"\n".join(packed[at : at + columns] for at in range(0, len(packed), columns))
        [hit] = search(b"-" * 10 + data, secret, formats=False)
        assert hit.what.endswith("as base64")
        wrong = bytearray(data.replace(b"\n", b""))
        wrong[(before + count // 2) * 4 // 3] ^= 1
        assert search(b"\n".join(wrong[at : at + columns] for at in range(0, len(wrong), columns)), secret) == []
