"""Headers of tar archives that are made to mislead ``tarfile``: each is refused with a code, soon."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import is_layout, read_layout, tar
from statebake.verify.blobs import open_blobs
from statebake.verify.layers import StateTree
from statebake.verify.tar import read_layer
from support.layers import Member
from support.layers import tar as packed

STATE = "app/.local_defs_state"


def header(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, body: bytes = b"") -> bytes:
    """Return an entry, which says that it has ``size`` bytes or those of ``body``."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size or len(body)
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def pax(values: dict[str, str], kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return a header with values for the next entry, or, with ``XGLTYPE``, for all."""
    records = b""
    for key, value in values.items():
        rest = f" {key}={value}\n".encode()
        size = len(rest) + next(d for d in range(1, 9) if len(str(len(rest) + d)) == d)
        records += str(size).encode() + rest
    return header("x", kind, body=records)


def read(data: bytes) -> StateTree:
    tree = StateTree("an image", "app:1")
    read_layer(tree, io.BytesIO(data + bytes(1024)))
    return tree


def refused(call, *args) -> str:
    with pytest.raises(StatebakeError) as caught:
        call(*args)
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    return caught.value.message


def test_an_entry_that_goes_far_beyond_the_end(monkeypatch):
    """What is behind the end is read a few times, not once for every part of what an entry says that it has."""
    ends = 0

    class Counted(io.BytesIO):
        def read(self, size=-1):
            nonlocal ends
            data = super().read(size)
            ends += not data
            if ends > 1000:
                raise KeyboardInterrupt
            return data

    monkeypatch.setattr(io, "BytesIO", Counted)
    assert "ends within an entry" in refused(read, header("x", size=1 << 60) + header("y"))
    assert ends < 100


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, b"Z"])
@pytest.mark.parametrize("size", [1 << 60, 1 << 80, -512, -1024])
def test_sizes_that_no_entry_has(tmp_path, size, kind):
    """The archive of a layout may say anything of its entries' sizes."""
    (tmp_path / "a.tar").write_bytes(header("oci-layout") + header("x", kind, size=size) + bytes(1024))
    refused(read_layout, tmp_path / "a.tar")


def test_headers_before_headers(tmp_path):
    """A chain of headers for one entry is an error, not a traceback."""
    chain = pax({"a": "b"}) * 3000 + header("x")
    (tmp_path / "a.tar").write_bytes(chain + bytes(1024))
    is_layout(tmp_path / "a.tar")
    with contextlib.suppress(StatebakeError):  # a Python may well read it
        read(chain)
    (tmp_path / "b.tar").write_bytes(header("oci-layout") + chain + bytes(1024))
    refused(read_layout, tmp_path / "b.tar")


@pytest.mark.parametrize("values", [{f"k{number}": "" for number in range(300)}, {"path": "/" * 100_000}])
def test_headers_for_all_entries(values):
    """Headers that every entry takes a copy of have a largest number and size; a few are usual."""
    assert "too many headers" in refused(read, pax(values, tarfile.XGLTYPE) + header("x"))
    read(pax({"comment": "0" * 40}, tarfile.XGLTYPE) + header("x"))


def sparse(name: str, size: int) -> bytes:
    """Return a file of one byte and a hole."""
    values = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(size), "GNU.sparse.name": name}
    return pax(values) + header("x", body=b"1")


def test_sparse_files(monkeypatch):
    """Sparse files of the state have a limit all together, and a sparse configuration file is not read."""
    monkeypatch.setattr("statebake.verify.layers.SPARSE_BYTES", 10_000)
    few, many = ([sparse(f"{STATE}/a/{number}", 1000) for number in range(count)] for count in (10, 11))
    [state] = read(b"".join(few)).states()
    assert state.directories["a"].bytes == 10_000
    assert "sparse files of more than 10000 bytes" in refused(read, b"".join(many))
    around = read(sparse("app/dg.toml", 1000)).surroundings()
    assert around.configs == {"/app/dg.toml": ""}


def test_what_ends_soon_is_read(monkeypatch):
    """A sound archive is read whatever the end is padded with."""
    monkeypatch.setattr(tar, "_MOST_ENDS", 3)
    data = packed([Member(f"{STATE}/a/state", content=b"1")]) + bytes(1 << 20)
    [state] = read(data).states()
    assert state.directories["a"].files == 1


def test_a_layout_is_opened(tmp_path):
    """So is the archive of a layout."""
    (tmp_path / "a.tar").write_bytes(packed([Member("oci-layout", content=b"{}")]))
    with open_blobs(tmp_path / "a.tar") as found:
        assert found.file("oci-layout").read() == b"{}"
