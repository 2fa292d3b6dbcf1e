"""``RECORD``: what of a backend's is kept, and that the result is right."""

from __future__ import annotations

import base64
import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.bake.wheel.members import member_of
from statebake.bake.wheel.record import Member, algorithms_in, right_record

ALL = ("sha256", "sha384", "sha512")
CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.sampled_from('\r\n,"\x1c/')
NAMES = st.text(CHARACTERS, min_size=1, max_size=8)
RECORD = "x.dist-info/RECORD"


def member(path: str, algorithms=("sha256",)) -> Member:
    """Return a file whose content is its path."""
    return member_of(path, io.BytesIO(path.encode()), algorithms)


def members(*paths: str, algorithms=("sha256",)) -> list[Member]:
    """Return the files of a wheel and its ``RECORD``."""
    return [*(member(path, algorithms) for path in paths), Member(RECORD, 0, {})]


def lines(*paths: str, end: str = "\n", algorithm: str = "sha256") -> str:
    """Return rows that are right."""
    out = io.StringIO()
    rows = (member(path, ALL).row(algorithm) for path in paths)
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue()


def verify(text: str, *paths: str) -> None:
    """Assert that ``text`` lists every file once, with one of its digests and its size, and ``RECORD`` without."""
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert sorted(row[0] for row in rows) == sorted([*paths, RECORD])
    for path, digest, size in rows:
        if path == RECORD:
            assert (digest, size) == ("", "")
            continue
        algorithm, _, value = digest.partition("=")
        assert algorithm in ALL
        hashed = hashlib.new(algorithm, path.encode()).digest()
        assert value == base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        assert size == str(len(path.encode()))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows(end):
    """New rows come before those of the metadata, with the line ends that are there; others stay to the letter."""
    text = lines("shop/b.py", "s/old", "s/new", "shop/a.py", end=end) + f'"x.dist-info/RECORD",,{end}'
    kept = members("shop/a.py", "shop/b.py", "shop/lost.py")
    right = right_record(text, kept, [member("s/more"), member("s/new")])
    new = lines("shop/lost.py", "s/more", "s/new", end=end)
    assert right == text.replace(lines("s/old", "s/new", end=end), "").replace('"x.dist-info', f'{new}"x.dist-info')
    assert right_record(right, kept, [member("s/more"), member("s/new")]) == right


def test_row():
    """The hash is URL-safe base 64 without padding."""
    row = Member("a", 7, {"sha256": b"\xfb\xff" + b"\0" * 30}).row()
    assert row == ["a", "sha256=-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "7"]


@given(kept=st.lists(NAMES, unique=True), added=st.lists(NAMES, unique=True))
def test_any_names(kept, added):
    """Whatever files are called, the rows are read as they were meant."""
    kept, added = [f"k/{name}" for name in kept], [f"s/{name}" for name in added]
    text = lines(*kept) + f"{RECORD},,\n"
    right = right_record(text, members(*kept), [member(path) for path in added])
    verify(right, *kept, *added)
    if not any({"\n", "\r"} & set(name) for name in kept):
        assert [cells[0] for cells in csv.reader(io.StringIO(right, newline=""))] == [*kept, *added, RECORD]


@pytest.mark.parametrize("algorithm", ALL)
def test_algorithms(algorithm):
    """A digest of another algorithm that is secure is right as well, where it is that of the file."""
    text = lines("a", algorithm=algorithm) + f"{RECORD},,\n"
    assert set(algorithms_in(text)) == {"sha256", algorithm}
    assert right_record(text, members("a", algorithms=algorithms_in(text))) == text
    wrong = text.replace(f"{algorithm}=", f"{algorithm}=A")
    assert right_record(wrong, members("a", algorithms=algorithms_in(wrong))) == text


def test_an_insecure_digest():
    """MD5 and SHA-1 may not be in a wheel: the row gets a digest that may."""
    md5 = f"a,md5={base64.urlsafe_b64encode(hashlib.md5(b'a').digest()).rstrip(b'=').decode()},1\n"
    for text in (md5, "a,,\n", "a,sha256=,\n", "a\n", "a,x,y,z\n"):
        assert right_record(f"{text}{RECORD},,\n", members("a")) == f"{lines('a')}{RECORD},,\n"


def test_renamed():
    """A file that gets another path keeps its row, with the new path."""
    text = lines("y/a", "y/b", algorithm="sha512").replace("y/", "x.dist-info/")
    renamed = [Member(f"z.dist-info/{path[2:]}", 3, member(path, ALL).digests) for path in ("y/a", "y/b")]
    right = right_record(text, renamed, renamed=lambda path: path.replace("x.", "z."))
    assert right == text.replace("x.", "z.")


PATHS = ["shop/a.py", "shop/ø,.py", 'q"', "x.dist-info/METADATA", "x.dist-info/WHEEL"]
ROWS = st.one_of(
    st.sampled_from([*PATHS, RECORD, "gone.py", "shop/", "./shop/a.py", "x.dist-info/RECORD.jws"]).map(lines),
    st.builds(
        lambda path, algorithm, value, size, end: f"{path},{algorithm}={value},{size}{end}",
        st.sampled_from([*PATHS, RECORD]),
        st.sampled_from([*ALL, "md5", "SHA256", ""]),
        st.text("aA-_=", max_size=3),
        st.sampled_from(["1", "-1", "", "x"]),
        st.sampled_from(["\n", "\r\n", "", ",\n"]),
    ),
    st.sampled_from(PATHS).flatmap(lambda path: st.sampled_from(ALL).map(lambda name: lines(path, algorithm=name))),
    st.sampled_from(["\n", "\r\n", "\r", " \n", ",,\n", '"\n', 'a"b"c,"x\n', "\0", "\ufeff", f"{RECORD},,\n"]),
    st.text(max_size=10),
)


@given(rows=st.lists(ROWS, max_size=12))
def test_any_rows(rows):
    """Whatever a backend wrote, with rows that are no rows, doubled, missing or wrong, the result is right."""
    text = "".join(rows)
    kept = members(*PATHS, algorithms=algorithms_in(text))
    right = right_record(text, kept, [member("s/new")])
    verify(right, *PATHS, "s/new")
    assert right_record(right, kept, [member("s/new")]) == right
