"""``.statebake.json``: reading, writing, and refusing."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.errors import Code, StatebakeError
from statebake.model.keys import RECORD_NAME
from statebake.model.record import ComponentRef, Record, dump_json, read_record
from statebake.model.state_config import DefsStateManagementType

SAMPLE = Path(__file__).parent / "samples" / "record-format-1.json"
RECORD = Record(
    key="Sales[https://shop.example/ü]",
    components=(
        ComponentRef("shop.components.Sales", "src/shop/defs/north/defs.yaml:1"),
        ComponentRef("shop.components.Sales", "src/shop/defs/south/defs.yaml:12"),
    ),
    management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
    digest="sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    files=3,
    bytes=4096,
    fetched_at="2026-01-02T03:04:05Z",
    origin="fetched",
    tool="statebake 0.1.0",
    host="native 0.1.0",
    checked_at="2026-01-03T03:04:05Z",
    duration_s=1.25,
    extra={"later": {"field": [1, None]}},
)


def refused(data: object) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        Record.from_json(data, "x/.statebake.json")
    assert caught.value.where == "x/.statebake.json"
    return caught.value


def test_the_format_is_pinned():
    """The bytes of format 1 are these: a change of them is a change of the format."""
    assert dump_json(RECORD.to_json()).encode() == SAMPLE.read_bytes()
    assert Record.from_json(json.loads(SAMPLE.read_bytes()), "sample") == RECORD


@given(data=st.data())
def test_round_trip(records, data):
    """Whatever a record holds, unknown fields too, comes back from its text."""
    record = data.draw(records)
    assert Record.from_json(json.loads(dump_json(record.to_json())), "x") == record


def test_unknown_fields_are_kept():
    """Fields that this version does not know are written back as they were read."""
    data = {**RECORD.to_json(), "note": "from later", "nested": {"a": [1]}}
    assert Record.from_json(data, "x").to_json() == data


def test_an_artifacts_record_tells_no_time_of_confirmation():
    """Without its volatile fields a record is the same after a refetch of the same bytes, and does not name them."""
    later = replace(RECORD, checked_at="2027-01-01T00:00:00Z", duration_s=9.0)
    assert later.without_volatile() == RECORD.without_volatile()
    assert not {"checked_at", "duration_s"} & set(RECORD.without_volatile().to_json())


def test_state_without_a_time_says_so():
    """The record of state that Dagster wrote has no time, and the field is there to say it."""
    assert replace(RECORD, fetched_at=None).to_json()["fetched_at"] is None
    assert Record.from_json(replace(RECORD, fetched_at=None).to_json(), "x").fetched_at is None


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_format_is_refused_by_name(version):
    """A record of a later format is refused with both numbers, not misread."""
    error = refused({"format": version})
    assert error.code is Code.NEWER_FORMAT
    assert f"Format {version} is newer than the format 1" in error.message
    assert error.next_step == "pip install --upgrade statebake"


@pytest.mark.parametrize("data", [None, [], "text", 1, {}, *({"format": it} for it in (None, "1", 0, -1, True, 1.0))])
def test_what_has_no_format_is_no_record(data):
    """JSON without a whole format number from 1 on is no record."""
    assert refused(data).code is Code.BAD_RECORD


MALFORMED = [
    *((name, value) for name in ("key", "digest", "origin", "tool", "host") for value in (None, 1, ["a"], "\ud800")),
    *((name, value) for name in ("files", "bytes") for value in (None, "3", 1.5, -1, True, float("inf"))),
    *((name, value) for name in ("fetched_at", "checked_at") for value in (5, "yesterday", "2026-01-02T03:04:05", [])),
    *(("duration_s", value) for value in ("1", True, -1, float("inf"), float("nan"), [])),
    *(("management_type", value) for value in (None, "ELSEWHERE", [], {})),
    *(("components", value) for value in (None, 5, "ab", {"a": 1}, [None], [{}], [{"type": "a"}])),
    ("components", [{"type": 1, "declared_at": "a"}]),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED, ids=ascii)
def test_a_malformed_field_is_no_record(name, value):
    """A field of the wrong shape is found when it is read, not where it is used."""
    assert refused({**RECORD.to_json(), name: value}).code is Code.BAD_RECORD


@pytest.mark.parametrize("name", sorted(set(RECORD.to_json()) - {"checked_at", "duration_s", "later"}))
def test_a_missing_field_is_no_record(name):
    """Every field but the volatile ones must be there."""
    data = RECORD.to_json()
    del data[name]
    assert refused(data).code is Code.BAD_RECORD


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_any_value_in_any_field_is_read_or_refused(value):
    """No value of a field makes reading fail with anything but a code."""
    for name in RECORD.to_json():
        try:
            record = Record.from_json({**copy.deepcopy(RECORD.to_json()), name: value}, "x")
        except StatebakeError:
            continue
        assert Record.from_json(record.to_json(), "x") == record


def test_reading_a_key_directory(tmp_path):
    """A key directory's record is read; without one there is none."""
    assert read_record(tmp_path) is None
    (tmp_path / RECORD_NAME).write_text(dump_json(RECORD.to_json()), encoding="utf-8")
    assert read_record(tmp_path) == RECORD


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"format": 1, "files": NaN}', b"null", b"\x00"],
)
def test_a_file_that_is_no_record(tmp_path, content):
    """Half-written, binary, and hostile files are refused with their path and a next step."""
    (tmp_path / RECORD_NAME).write_bytes(content)
    with pytest.raises(StatebakeError) as caught:
        read_record(tmp_path)
    assert caught.value.code is Code.BAD_RECORD
    assert caught.value.where == str(tmp_path / RECORD_NAME)
    assert caught.value.next_step == "statebake refresh"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/hostname")])
def test_a_record_that_is_no_file(tmp_path, make):
    """A directory, a FIFO or a link in the record's place is refused, and none of them is waited for."""
    make(tmp_path / RECORD_NAME)
    with pytest.raises(StatebakeError) as caught:
        read_record(tmp_path)
    assert caught.value.code is Code.BAD_RECORD
