"""Slips of the pen in the names of settings, variables, keys."""

from __future__ import annotations


def did_you_mean(name: str, known: frozenset[str]) -> str:
    """Return ``; did you mean X?`` for the known name that is most like ``name``, or nothing."""
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
