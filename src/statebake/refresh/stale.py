"""Going on with old state when a fetch failed, where a key's settings allow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from statebake.config import Settings
from statebake.errors import Exit, StatebakeError
from statebake.model.record import Record, Stale, read_record
from statebake.model.settle import keep_stale, parse_time, rfc3339
from statebake.model.tree import go_on, read_each

_LONGEST_REASON = 500


def keep_old_state(
    place: Path,
    settings: Settings,
    error: StatebakeError,
    *,
    staging: Path,
    now: datetime,
    mask: Callable[[str], str],
    pulse: Callable[[], None] = go_on,
) -> Record | None:
    """Mark the state in ``place`` as stale because of ``error``, and return its record now.

    Returns ``None`` where the settings do not ask for it, where there is no state, or where what was fetched has a
    secret in it, which nothing excuses. ``mask`` takes secrets out of the reason that is written down; ``pulse`` is
    called again and again while the state is read. Raises ``StatebakeError``: ``error``, saying why the old state does
    not do.
    """
    if settings.on_failure == "fail" or error.code.exit is Exit.SECRET or not place.is_dir():
        return None
    try:
        record = read_record(place)
        confirmed = record and (record.checked_at or record.fetched_at)
        age_s = round((now - parse_time(confirmed)).total_seconds()) if confirmed else 0
        if record and confirmed and (settings.max_stale is None or 0 <= age_s <= settings.max_stale):
            stale = Stale(rfc3339(now), max(0, age_s), error.code.value, mask(error.message)[:_LONGEST_REASON])
            return keep_stale(record, stale, place, staging, partial(read_each, pulse=pulse))
    except StatebakeError as problem:
        raise error.saying(f"Its old state cannot be kept instead: {problem.message}") from error
    if confirmed is None:
        raise error.saying("Its old state cannot be kept instead: it has no record, so nobody knows how old it is.")
    if age_s < 0:
        raise error.saying(f"Its state was last confirmed at {confirmed}, which is still to come; max_stale is set.")
    limit = f"max_stale is {settings.max_stale:.0f} s"
    raise error.saying(f"Its state was last confirmed {age_s} s ago; {limit}.")
