"""``statebake-manifest.json``: reading, writing, and refusing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.record import ComponentRef
from statebake.model.state_config import DefsStateManagementType

SAMPLE = Path(__file__).parent / "samples" / "manifest-format-1.json"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def manifest(build):
    return Manifest(
        project="shop",
        tool="statebake 0.1.0",
        host="native 0.1.0",
        revision="0123456789abcdef0123456789abcdef01234567-dirty",
        keys=(build.record("Text[a]").without_volatile(), build.record("Text[ü]", fetched_at=None).without_volatile()),
    )


def refused(text: str) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        Manifest.loads(text, "shop.pex!manifest")
    assert caught.value.where == "shop.pex!manifest"
    return caught.value


def test_the_format_is_pinned(manifest):
    """The bytes of format 1 are these: a change of them is a change of the format."""
    assert manifest.dumps().encode() == SAMPLE.read_bytes()
    assert Manifest.loads(SAMPLE.read_text(encoding="utf-8"), "sample") == manifest


@given(data=st.data(), texts=st.tuples(TEXT, TEXT, TEXT, st.none() | TEXT))
def test_round_trip(records, data, texts):
    """Whatever a manifest holds comes back from its text, without the volatile fields of its records."""
    keys = tuple(data.draw(st.lists(records, max_size=2)))
    manifest = Manifest(project=texts[0], tool=texts[1], host=texts[2], revision=texts[3], keys=keys)
    expected = replace(manifest, keys=tuple(record.without_volatile() for record in keys))
    assert Manifest.loads(manifest.dumps(), "x") == expected


def test_a_refetch_of_the_same_bytes_changes_nothing(manifest, build):
    """The text does not depend on when state was last confirmed, or on how long that took."""
    later = build.record("Text[a]", checked_at="2030-01-01T00:00:00Z", duration_s=60.0)
    assert replace(manifest, keys=(later, manifest.keys[1])).dumps() == manifest.dumps()


def test_a_newer_format_is_refused_by_name(manifest):
    """A manifest of a later format, or with a record of one, is refused with both numbers."""
    data = json.loads(manifest.dumps())
    for newer in ({**data, "format": 2}, {**data, "keys": [{**data["keys"][0], "format": 2}]}):
        error = refused(json.dumps(newer))
        assert error.code is Code.NEWER_FORMAT
        assert "Format 2 is newer than the format 1" in error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("project", "tool", "host") for value in (None, 1, [])),
        *(("revision", value) for value in (1, [], {})),
        *(("keys", value) for value in (None, 1, "ab", {}, [None], [{}], ["a"], [[]])),
        *(("format", value) for value in (None, 0, "1", True)),
    ],
)
def test_a_malformed_field_is_no_manifest(manifest, name, value):
    """A field of the wrong shape is found when it is read, not where it is used."""
    assert refused(json.dumps({**json.loads(manifest.dumps()), name: value})).code is Code.BAD_RECORD


@pytest.mark.parametrize("name", ["format", "project", "tool", "host", "revision", "keys"])
def test_a_missing_field_is_no_manifest(manifest, name):
    """Every field must be there."""
    data = json.loads(manifest.dumps())
    del data[name]
    assert refused(json.dumps(data)).code is Code.BAD_RECORD


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000])
def test_what_is_no_object_is_no_manifest(text):
    """Text that is no JSON object is refused with its place."""
    assert refused(text).code is Code.BAD_RECORD


RUNTIME = RuntimeKey(
    "Text[b]", DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS, (ComponentRef("shop.Text", "defs/x/defs.yaml:3"),)
)


def test_keys_that_are_fetched_at_run_time(manifest):
    """They come back from the text; without any it is the text that it was before there were such."""
    told = replace(manifest, runtime=(RUNTIME,))
    assert Manifest.loads(told.dumps(), "x") == told
    assert json.loads(told.dumps())["runtime_keys"][0]["management_type"] == "LEGACY_CODE_SERVER_SNAPSHOTS"
    assert "runtime_keys" not in json.loads(manifest.dumps())


@pytest.mark.parametrize("value", [None, 1, {}, [None], ["a"], [{}], [{**RUNTIME.to_json(), "management_type": "X"}]])
def test_malformed_runtime_keys(manifest, value):
    """What is no list of such keys is refused."""
    assert refused(json.dumps({**json.loads(manifest.dumps()), "runtime_keys": value})).code is Code.BAD_RECORD
