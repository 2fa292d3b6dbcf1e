"""How hypothesis runs where a test may start processes."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "property", deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("property")
