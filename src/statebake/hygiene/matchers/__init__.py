"""What finds literals in bytes: with hyperscan where it is installed, else with the standard library alone."""

from __future__ import annotations

from collections.abc import Sequence

from statebake.hygiene.matchers.base import Matcher, Needle
from statebake.hygiene.matchers.libc import LibcMatcher

__all__ = ["LibcMatcher", "Matcher", "Needle", "best_matcher", "hyperscan_matcher"]


def best_matcher(needles: Sequence[Needle]) -> Matcher:
    """Return the fastest matcher that this machine has."""
    return hyperscan_matcher(needles) or LibcMatcher(needles)


def hyperscan_matcher(needles: Sequence[Needle]) -> Matcher | None:
    """Return a matcher that uses hyperscan; None where it is not installed, or does not know the processor."""
    try:
        import hyperscan

        from statebake.hygiene.matchers.hyperscan import HyperscanMatcher
    except ImportError:
        return None
    try:
        return HyperscanMatcher(needles)
    except hyperscan.error:
        return None
