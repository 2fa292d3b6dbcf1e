"""Which layers of images were searched before, for the same secrets of the same project, and had nothing in them.

A new image differs from the last one in a layer or two; its base and its dependencies need not be read again. What is
kept is a mark for each layer, made of the layer's digest and of all that was searched for, with a key that only this
user can read: from the marks nobody can tell a secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from statebake import __version__
from statebake.bake.files import replace_file
from statebake.hygiene import SecretsAtHand

_NAME = "clean-layers.json"
_KEY_BYTES = 32
_MOST_MARKS = 2_000


class CleanLayers:
    """The marks in a cache directory, for one set of secrets; a file that cannot be read or written counts as none.

    ``places`` are the project's own: what is a credential of its own there is published with a package elsewhere.
    """

    def __init__(self, cache_dir: Path, at_hand: SecretsAtHand, places: Sequence[str]) -> None:
        self._path = cache_dir / _NAME
        self._key, self._marks = self._load()
        values = sorted((secret.name, secret.value) for secret in at_hand.secrets)
        self._searched_for = hashlib.sha256(json.dumps([__version__, values, *places]).encode()).digest()

    def knows(self, diff_id: str) -> bool:
        """Return whether the layer with this digest is known to be clean."""
        return self._mark(diff_id) in self._marks

    def add(self, diff_ids: Iterable[str]) -> None:
        """Remember that these layers are clean."""
        new = [mark for diff_id in diff_ids if (mark := self._mark(diff_id)) not in self._marks]
        if not new:
            return
        self._marks = dict.fromkeys([*self._marks, *new][-_MOST_MARKS:])
        text = json.dumps({"key": self._key.hex(), "marks": list(self._marks)})
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                self._path.touch(mode=0o600)
            replace_file(self._path, text.encode())

    def _mark(self, diff_id: str) -> str:
        return hmac.new(self._key, self._searched_for + diff_id.encode(), hashlib.sha256).hexdigest()

    def _load(self) -> tuple[bytes, dict[str, None]]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            key, marks = bytes.fromhex(found["key"]), [str(mark) for mark in found["marks"]]
            if len(key) == _KEY_BYTES:
                return key, dict.fromkeys(marks)
        return secrets.token_bytes(_KEY_BYTES), {}
