"""Strategies that several tests of the model share."""

from __future__ import annotations

from datetime import timezone

import pytest
from hypothesis import strategies as st

from statebake.model.record import ComponentRef, Record
from statebake.model.state_config import DefsStateManagementType

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.datetimes(timezones=st.just(timezone.utc)).map(lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KNOWN = {"format", *Record.__dataclass_fields__} - {"extra"}


@pytest.fixture(scope="session")
def records():
    """Any record."""
    return st.builds(
        Record,
        key=TEXT,
        components=st.lists(st.builds(ComponentRef, TEXT, TEXT), max_size=3).map(tuple),
        management_type=st.sampled_from(DefsStateManagementType),
        digest=TEXT,
        files=st.integers(0),
        bytes=st.integers(0),
        fetched_at=st.none() | TIMES,
        origin=TEXT,
        tool=TEXT,
        host=TEXT,
        checked_at=st.none() | TIMES,
        duration_s=st.none() | st.floats(0, 1e6),
        extra=st.dictionaries(TEXT.filter(lambda name: name not in KNOWN), JSON, max_size=3),
    )
