"""``RECORD``, changed line by line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.bake.wheel.record import changed_record, row

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=8)


def lines(*paths: str, end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows((path, "sha256=x", "1") for path in paths)
    return out.getvalue()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows(end):
    """New rows come before those of the metadata, with the line ends that are there; others stay to the letter."""
    text = (
        lines("shop/a.py", "s/old", "s/new", "shop-1.dist-info/METADATA", end=end) + f"shop-1.dist-info/RECORD,,{end}"
    )
    new = changed_record(text, lambda path: path.startswith("s/"), [("s/new", "sha256=y", "2")])
    assert new == text.replace(lines("s/old", "s/new", end=end), "").replace(
        "shop-1.dist-info/METADATA", f"s/new,sha256=y,2{end}shop-1.dist-info/METADATA"
    )


def test_row():
    """The hash is URL-safe base 64 without padding."""
    assert row("a", b"\xfb\xff" + b"\0" * 30, 7) == ("a", "sha256=-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "7")


@given(kept=st.lists(NAMES, unique=True), added=st.lists(NAMES, unique=True))
def test_any_names(kept, added):
    """Whatever files are called, the rows are read as they were meant."""
    text = lines(*(f"k/{name}" for name in kept), "x.dist-info/RECORD")
    new = changed_record(text, lambda path: path.startswith("s/"), [row(f"s/{name}", b"", 0) for name in added])
    found = [cells[0] for cells in csv.reader(io.StringIO(new, newline=""))]
    assert found == [*(f"k/{name}" for name in kept), *(f"s/{name}" for name in added), "x.dist-info/RECORD"]


@pytest.mark.parametrize("text", ["", "a,,\n", 'a"b"c,"x\n'])
def test_garbage(text):
    """What has no row for its own metadata is no ``RECORD``."""
    with pytest.raises(ValueError, match="row"):
        changed_record(text, lambda _: False, [])
