"""Amounts as messages show them."""

from __future__ import annotations


def show_bytes(count: int) -> str:
    """Return bytes in SI units: ``532 B``, ``1.2 kB``, ``25.4 MB``."""
    if count < 1000:
        return f"{count} B"
    units = ("kB", "MB", "GB", "TB")
    power = next((n for n in range(1, len(units)) if round(count / 1000**n, 1) < 1000), len(units))
    return f"{count / 1000**power:.1f} {units[power - 1]}"


def show_age(seconds: float) -> str:
    """Return how long something took, or is ago: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{max(0.0, seconds) / divisor:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
