"""How often a fault that comes at random moments is tried: ``STATEBAKE_FAULT_ROUNDS``; 1000 is the full run."""

from __future__ import annotations

import os
import uuid

_ROUNDS = int(os.environ.get("STATEBAKE_FAULT_ROUNDS", "0"))
FULL = _ROUNDS >= 1000
KILLS = _ROUNDS or 50
POWER_CUTS = 50 if FULL else 8
SEED = int(os.environ.get("STATEBAKE_TEST_SEED", "0")) or uuid.uuid4().int % 2**32
"""Printed by every test that uses it."""
