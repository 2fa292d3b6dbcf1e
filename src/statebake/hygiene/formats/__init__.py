"""What can be told by its looks: well-known tokens, private keys, URLs with credentials."""

from __future__ import annotations

from statebake.hygiene.formats.base import LONGEST, Rule
from statebake.hygiene.formats.keys import KEYS
from statebake.hygiene.formats.tokens import TOKENS

RULES = (*TOKENS, *KEYS)

__all__ = ["LONGEST", "RULES", "Rule"]
