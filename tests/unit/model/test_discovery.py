"""What a project is made of."""

from __future__ import annotations

import pytest

from statebake.errors import Code
from statebake.model.discovery import refs, unknown_keys
from statebake.model.record import ComponentRef


def test_keys_and_their_components(build):
    """Every key comes once and sorted; its components come in the order of their declarations."""
    discovery = build.discovery("b", "a", "b")
    assert discovery.keys == ["a", "b"]
    assert [item.id for item in discovery.components_of("b")] == [0, 2]
    assert discovery.components_of("c") == ()


def test_refs(build):
    """A record names the class and the place of each component."""
    assert refs(build.discovery("a").components) == (
        ComponentRef("shop.components.Text", "src/shop/defs/things/defs.yaml:1"),
    )


@pytest.mark.parametrize(
    ("key", "known", "text"),
    [
        ("Text[nort]", ["Text[north]", "Sales[x]"], "Did you mean: Text[north]"),
        ("zzz", ["b", "a"], "Known keys: a, b"),
        ("zzz", [], "Known keys: none"),
    ],
)
def test_an_unknown_key(key, known, text):
    """The error names the nearest keys, else the known ones."""
    error = unknown_keys([key], known)
    assert error.code is Code.UNKNOWN_KEY
    assert error.message.endswith(text)
