"""Which projects a workspace of uv has: each case here is what uv 0.13 itself made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.config.uv_workspace import is_member


@pytest.mark.parametrize(
    ("members", "path", "there"),
    [
        (["*"], "shop", True),
        ([], "shop", False),
        (["apps/*"], "apps/shop", True),
        (["apps/*"], "libs/shop", False),
        (["apps/*"], "apps/a/shop", False),
        (["*"], "apps/shop", False),
        (["apps/**"], "apps/a/shop", True),
        (["apps/**"], "apps", False),
        (["**"], "apps/shop", True),
        (["**/shop"], "apps/shop", True),
        (["**/shop"], ".h/shop", True),
        (["**/shop/**"], "apps/shop", False),
        (["apps/**/shop"], "apps/shop", True),
        (["apps/shop"], "apps/shop", True),
        (["apps/shop/"], "apps/shop", True),
        (["apps/*/"], "apps/shop", True),
        (["apps//shop"], "apps/shop", True),
        (["./apps/*"], "apps/shop", True),
        (["x/../apps/*"], "apps/shop", True),
        (["*"], ".shop", True),
        (["sho?"], "shop", True),
        (["apps?shop"], "apps/shop", False),
        (["apps[/]shop"], "apps/shop", False),
        (["[a-t]hop"], "shop", True),
        (["[!a]hop"], "shop", True),
        (["a[[]b"], "a[b", True),
        (["a[]]b"], "a]b", True),
        (["a[!]]b"], "axb", True),
        (["a[^x]b"], "ayb", False),
        (["a[^x]b"], "a^b", True),
        (["[]"], "shop", False),
        (["[!]"], "!", False),
        (["a[]b"], "ab", False),
        (["[z-a]x"], "zx", False),
        (["[z-a]x"], "-x", False),
        (["[!z-a]x"], "zx", True),
        (["a[a--b]"], "aa", False),
        (["a[a--b]"], "a-", False),
        (["a[a--b]"], "ab", True),
        (["a[+--b]"], "a,", True),
        (["[a-\\]x"], "ax", False),
        (["[\\-a]x"], "^x", True),
        (["[-a]x"], "-x", True),
        (["[a-]x"], "-x", True),
        (["[a-c-e]x"], "dx", False),
        (["[a-c-e]x"], "-x", True),
        (["[&&a]x"], "&x", True),
        (["[]-a]x"], "^x", True),
        (["[!-a]x"], "-x", False),
        (["[!]a]x"], "bx", True),
        (["[!!]x"], "ax", True),
        (["{shop,x}"], "shop", False),
        (["SHOP"], "shop", False),
        (["**p"], "shop", False),
        (["***"], "shop", False),
        (["[s"], "shop", False),
        ([""], "shop", False),
        ([1, "shop"], "shop", False),
        ("*", "shop", False),
        (None, "shop", False),
    ],
)
def test_members(members, path, there):
    """A project is a member that a glob of ``members`` matches, of which only ``**`` goes beyond a slash."""
    assert is_member({"members": members}, path) is there


@pytest.mark.parametrize(
    ("exclude", "path", "there"),
    [
        (["apps/shop"], "apps/shop", False),
        (["./apps/shop/"], "apps/shop", False),
        (["apps/s*"], "apps/shop", False),
        (["apps"], "apps/shop", True),
        (["shop"], "apps/shop", True),
        (["*shop"], "apps/shop", False),
        ([""], "apps/shop", True),
        (["*"], "apps/a/shop", False),
        (["apps/*"], "apps/a/shop", False),
        (["apps?a/shop"], "apps/a/shop", False),
        (["apps[/]a/shop"], "apps/a/shop", False),
        (["apps[!x]a/shop"], "apps/a/shop", False),
        (["apps/**"], "apps/a/shop", False),
        (["apps/**"], "apps", True),
        (["apps/**/shop"], "apps/shop", False),
    ],
)
def test_excluded(exclude, path, there):
    """What ``exclude`` matches is no member, and in there every wildcard goes beyond a slash."""
    assert is_member({"members": ["**"], "exclude": exclude}, path) is there


def test_no_table():
    """What is no table has no members."""
    assert not is_member(None, "shop")
    assert not is_member(3, "shop")


@given(st.text("[]!-^\\&~|#(a-z*?/ \n", max_size=9) | st.text(max_size=9), st.text("a-]z/", max_size=3))
def test_any_glob(glob, path):
    """Whatever stands in somebody's workspace, a project is in it or not."""
    table = {"members": [glob], "exclude": [glob]}
    assert is_member(table, path) in (True, False)
