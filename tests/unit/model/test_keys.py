"""Keys, the names of their directories, and keys that meet."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.model.keys import MAX_NAME_BYTES, collisions, key_problem, sanitize_key, show_key, why_collide

KEYS = st.text(max_size=12) | st.text("aA_/?. é\u0301", max_size=4)


@given(KEYS)
@example("C[https://x/y]")
def test_sanitizing_is_dagsters(key):
    """The directory's name is the one that Dagster 1.12 and 1.13 read (``get_local_state_dir``)."""
    assert sanitize_key(key) == re.sub(r"[^A-Za-z0-9._-]", "__", key)
    assert re.fullmatch(r"[A-Za-z0-9._-]*", sanitize_key(key))


@given(KEYS)
def test_a_key_without_a_problem_is_one_safe_path_component(key):
    """What ``key_problem`` lets pass is a name that stays inside the directory, fits, and is not statebake's own."""
    if key_problem(key) is None:
        name = sanitize_key(key)
        assert name not in {"", ".", ".."}
        assert "/" not in name
        assert len(name.encode()) <= MAX_NAME_BYTES
        assert name.lower() not in {".staging", ".gitignore", "statebake-manifest.json"}
        key.encode()  # a record can hold it


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".", "leaves the state directory"),
        ("..", "leaves the state directory"),
        ("a\nb", "control character"),
        ("a\x00b", "control character"),
        ("a\x7fb", "control character"),
        ("a\x85b", "control character"),
        ("a\ud800", "half of a character"),
        ("x" * 256, "256 bytes"),
        ("/" * 128, "256 bytes"),
        (".staging", "statebake uses itself"),
        (".Staging", "statebake uses itself"),
        (".gitignore", "statebake uses itself"),
        (".GITIGNORE", "statebake uses itself"),
        ("statebake-manifest.json", "statebake uses itself"),
        ("Statebake-Manifest.json", "statebake uses itself"),
    ],
)
def test_a_bad_key_is_told_why(key, why):
    """A key that cannot name a directory is refused with the reason."""
    assert why in key_problem(key)


@pytest.mark.parametrize("key", ["...", "../x", "x" * 255, "/" * 127, "ключ", "C[https://x/y?z=1]", " a ", "state"])
def test_an_odd_key_is_fine(key):
    """Odd keys are fine as long as their directory is."""
    assert key_problem(key) is None


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        (["C[https://x/y]", "C[https://x?y]", "C[z]"], [("C[https://x/y]", "C[https://x?y]")]),
        (["a/b", "a?b", "a__b"], [("a/b", "a?b", "a__b")]),
        (["Text[a]", "text[A]"], [("Text[a]", "text[A]")]),
        (["caf\u00e9", "cafe\u0301"], [("cafe\u0301", "caf\u00e9")]),
        (["cafe\u0301", "caf?"], []),
        (["b/", "b?", "a/", "a?"], [("a/", "a?"), ("b/", "b?")]),
        (["same", "same"], []),
        ([], []),
    ],
)
def test_collisions(keys, groups):
    """Keys that meet in one directory, differ by case only or by normal form only, are one group; others are not."""
    assert collisions(keys) == groups


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (["a/b", "a?b"], "share one directory, a__b"),
        (["\u212b", "\u00c5"], "share one directory, __"),
        (["Text[a]", "text[A]"], "differ only by case"),
        (["A/b", "a?b"], "have directories that differ only by case"),
        (["caf\u00e9", "cafe\u0301"], "differ only in how an accent is encoded"),
    ],
)
def test_why_keys_collide(keys, why):
    """What colliding keys have in common is said as it is: a directory, the case, or the normal form."""
    [group] = collisions(keys)
    assert why_collide(group).startswith(why)


def test_showing_keys_that_look_alike():
    """A key is shown as it is, unless another one looks the same."""
    one, other = "caf\u00e9", "cafe\u0301"
    assert [show_key(key, [one, other]) for key in (one, other)] == ["'caf\\xe9'", "'cafe\\u0301'"]
    assert show_key(one, [one, "x"]) == "'caf\u00e9'"


@given(st.lists(KEYS, max_size=8))
def test_keys_in_no_group_share_no_directory(keys):
    """Two keys that are in no group together have two directories, also where case does not count."""
    groups = collisions(keys)
    assert groups == sorted(tuple(sorted(set(group))) for group in groups)
    for one in set(keys):
        for other in set(keys) - {one}:
            together = any({one, other} <= set(group) for group in groups)
            same_name = sanitize_key(one).lower() == sanitize_key(other).lower()
            same_text = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
            assert together == (same_name or same_text)
