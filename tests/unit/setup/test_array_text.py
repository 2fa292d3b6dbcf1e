"""One more entry at the end of an array's text."""

from __future__ import annotations

import sys

import pytest

from statebake.setup.array_text import with_entry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        ('["a"]', '["a", "new"]'),
        ('["a", ]', '["a", "new", ]'),
        ('[ "a" ]', '[ "a", "new" ]'),
        ("[]", '["new"]'),
        ("[ ]", '["new"]'),
        ("[\n]", '[\n    "new",\n]'),
        ("[ # none\n]", '[ # none\n    "new",\n]'),
        ('[\n  "a",\n  "b",\n]', '[\n  "a",\n  "b",\n  "new",\n]'),
        ('[\n  "a",\n  "b"\n]', '[\n  "a",\n  "b",\n  "new"\n]'),
        ('[\n\t"a",  # why, "really"\n\t# last\n]', '[\n\t"a",  # why, "really"\n\t"new",\n\t# last\n]'),
        ('[\n  "a"  # why\n]', '[\n  "a",  # why\n  "new"\n]'),
        ('[\r\n  "a",\r\n]', '[\r\n  "a",\r\n  "new",\r\n]'),
        ('["a",\n "b"]', '["a",\n "b", "new"]'),
        ('["a", # c\n]', '["a", # c\n    "new",\n]'),
        ("['#', \"\\\"]\", '''\n]''', [1]]", "['#', \"\\\"]\", '''\n]''', [1], \"new\"]"),
        ('[{ file = "#" }]', '[{ file = "#" }, "new"]'),
    ],
)
def test_written_as_the_others_are(array, wanted):
    """Lines, commas, comments and the ends of lines stay as they are, and the array has one more entry."""
    assert with_entry(array, '"new"') == wanted
    before, after = (tomllib.loads(f"x = {text}")["x"] for text in (array, wanted))
    assert after == [*before, "new"]
