"""Files that are packed into others: what they unpack to, in pieces, whatever is wrong with them."""

from __future__ import annotations

from statebake.hygiene.unpack.base import Budget, Member, Tap, Unreadable

__all__ = ["Budget", "Member", "Tap", "Unreadable"]
