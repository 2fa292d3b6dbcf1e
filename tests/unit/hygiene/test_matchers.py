"""Finding literals, with each of the matchers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from statebake.hygiene.matchers import LibcMatcher, Needle, best_matcher, hyperscan_matcher

HAYSTACKS = st.lists(
    st.sampled_from([b"a", b"b", b"A", b"+", b"-", b"/", b"_", b"\0", b"\1", b"\xff"]), max_size=60
).map(b"".join)
NEEDLES = st.lists(HAYSTACKS.filter(lambda data: 0 < len(data) < 8), min_size=1, max_size=8)
MATCHERS = {
    "strstr": LibcMatcher,
    "bytes.find": lambda needles: LibcMatcher(needles, portable=True),
    "hyperscan": hyperscan_matcher,
    "best": best_matcher,
}


def _matcher(name: str, needles: list[Needle]):
    if name == "hyperscan":
        pytest.importorskip("hyperscan", exc_type=ImportError)
    return MATCHERS[name](needles)


def _places(haystack: bytes, needle: bytes) -> list[int]:
    return [at for at in range(len(haystack)) if haystack.startswith(needle, at)]


@pytest.mark.parametrize("name", MATCHERS)
@given(data=NEEDLES, haystack=HAYSTACKS)
@example(data=[b"AB", b"ab", b"+/", b"-_", b"\0"], haystack=b"ABab+/-_\0\1")
@example(data=[b"aaa"], haystack=b"aaaaaa")
def test_every_place_is_found(name, data, haystack):
    """Every occurrence of every needle is told of, overlapping ones too, and nothing else."""
    found = sorted(_matcher(name, [Needle(text) for text in data]).find(haystack))
    assert found == sorted((number, at) for number, text in enumerate(data) for at in _places(haystack, text))


@pytest.mark.parametrize("name", MATCHERS)
@given(data=NEEDLES, haystack=HAYSTACKS)
def test_the_first_place_only(name, data, haystack):
    """Of a needle that is looked for once the first place is told of."""
    found = sorted(_matcher(name, [Needle(text, once=True) for text in data]).find(haystack))
    assert found == sorted((number, _places(haystack, text)[0]) for number, text in enumerate(data) if text in haystack)


@pytest.mark.parametrize("name", MATCHERS)
def test_long_needles(name):
    """A needle of kilobytes is found, and what differs from it in one byte only is not."""
    text = bytes(range(256)) * 40
    matcher = _matcher(name, [Needle(text), Needle(text[:100], once=True)])
    assert sorted(matcher.find(b"x" + text + b"y")) == [(0, 1), (1, 1)]
    assert (0, 0) not in list(matcher.find(text[:-1] + b"\0"))


@pytest.mark.parametrize("name", MATCHERS)
def test_nothing_to_find(name):
    """Without needles nothing is found, and in nothing neither."""
    assert list(_matcher(name, []).find(b"abc")) == []
    assert list(_matcher(name, [Needle(b"abc")]).find(b"")) == []


@pytest.mark.parametrize("name", MATCHERS)
def test_several_threads(name):
    """Threads that search at the same time find what each would find alone."""
    matcher = _matcher(name, [Needle(b"abcdefgh")])
    haystack = b"x" * (1 << 20) + b"abcdefgh"
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: list(matcher.find(haystack)), range(64)))
    assert found == [[(0, 1 << 20)]] * 64
