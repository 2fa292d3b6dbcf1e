"""Which keys failed when they were last refreshed: ``.staging/last.json``, for ``--failed``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from statebake.errors import StatebakeError
from statebake.model.keys import LAST_NAME, STAGING_NAME
from statebake.model.transaction import replace_file


@dataclass(frozen=True)
class LastFailure:
    """A key that did not become new: when (RFC 3339 UTC), and the code of its error.

    There is none where it was held back, or its fetch had not ended when the refresh was interrupted or killed.
    """

    at: str
    code: str | None


def read_failures(state_dir: Path) -> dict[str, LastFailure] | None:
    """Return the keys that failed last, or ``None`` where what was written down cannot be read."""
    try:
        failed = json.loads((state_dir / STAGING_NAME / LAST_NAME).read_text(encoding="utf-8"))["failed"]
        return {str(key): LastFailure(str(item["at"]), item["code"]) for key, item in failed.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_failures(
    state_dir: Path, staging: Path, failed: Mapping[str, LastFailure], ended: Iterable[str], known: Iterable[str]
) -> None:
    """Remember which of the keys that ``ended`` failed; of keys that are not ``known`` any more nothing is kept."""
    before = read_failures(state_dir)
    after = {key: item for key, item in (before or {}).items() if key not in set(ended)} | dict(failed)
    kept = {key: item for key, item in after.items() if key in set(known)}
    if kept == before:
        return
    text = json.dumps({"failed": {key: asdict(item) for key, item in sorted(kept.items())}}, ensure_ascii=False)
    try:
        replace_file(state_dir / STAGING_NAME / LAST_NAME, text + "\n", staging)
    except StatebakeError:  # there is no space, for example: what is written already says at least as much
        return
