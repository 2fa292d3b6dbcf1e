"""The measure of what was lost, on any documents."""

from __future__ import annotations

import copy

from hypothesis import assume, given
from hypothesis import strategies as st

from statebake.refresh.documents import count_elements
from statebake.refresh.shrink import Measure, find_losses, show_losses

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "value-a", "value-b", "value\nc"])
NAMES = st.sampled_from(["id", "name", "key", "a", "b c", "é", ""])
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=25
)


def lost_elements(before, after) -> list[str]:
    return show_losses(find_losses(before, after))


def containers(document, path=()):
    """Yield every list and object of a document that has something in it."""
    if isinstance(document, (dict, list)) and document:
        yield path, document
        for step in document if isinstance(document, dict) else range(len(document)):
            yield from containers(document[step], (*path, step))


def by_recursion(document) -> int:
    return sum(len(inside) for _, inside in containers(document))


@given(DOCUMENTS)
def test_the_count(document):
    """Every array item and every object member counts once."""
    assert count_elements(document) == by_recursion(document)


@given(DOCUMENTS)
def test_nothing_is_lost_from_a_document_to_itself(document):
    """The same document has lost nothing."""
    assert lost_elements(document, copy.deepcopy(document)) == []


@given(DOCUMENTS, st.data())
def test_whatever_is_taken_out_is_missed(document, data):
    """Taking any one element out lowers the count by it and what is in it, and is a line that says so."""
    found = [path for path, _ in containers(document)]
    assume(found)
    path = data.draw(st.sampled_from(found))
    less = copy.deepcopy(document)
    place = less
    for step in path:
        place = place[step]
    step = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    gone = place.pop(step)
    assert count_elements(document) - count_elements(less) == 1 + count_elements(gone)
    assert lost_elements(document, less)


@given(DOCUMENTS, DOCUMENTS)
def test_a_smaller_document_has_a_line(before, after):
    """Where there are fewer elements in all, some place is named; lines are few, short, and single."""
    lines = lost_elements(before, after)
    if count_elements(after) < count_elements(before):
        assert lines
    assert len(lines) <= 9
    assert all(line.isprintable() and len(line) < 300 for line in lines)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_the_fraction(before, after):
    """The fraction that is gone is between 0 and 1, and 0 where nothing is."""
    measure = Measure("bytes", before, after)
    assert 0 <= measure.shrunk_by() <= 1
    assert (measure.shrunk_by() == 0) == (after >= before)
