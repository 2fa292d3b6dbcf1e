"""Keeping secrets, and what else should not ship, out of state and artifacts."""

from __future__ import annotations

from statebake.hygiene.judge import LOCAL_PATH, STAGING_PATH, Place, judge
from statebake.hygiene.scrub import scrub
from statebake.hygiene.search import Hit, Literal, Searcher
from statebake.hygiene.secrets import Secret, SecretsAtHand, secrets_at_hand
from statebake.hygiene.unwanted import SCRUBBED, unwanted

__all__ = [
    "LOCAL_PATH",
    "SCRUBBED",
    "STAGING_PATH",
    "Hit",
    "Literal",
    "Place",
    "Searcher",
    "Secret",
    "SecretsAtHand",
    "judge",
    "scrub",
    "secrets_at_hand",
    "unwanted",
]
