"""What ``statebake gc`` says to people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from statebake.check.garbage import CollectionPlan, Leftover
from statebake.cli import human
from statebake.model.settle import parse_time


def garbage_lines(project: str, plan: CollectionPlan, now: datetime, *, dry_run: bool) -> Iterator[Text]:
    """Yield a line for everything that was removed (with ``dry_run``: would be) or stays, and one for the whole."""
    for leftover in plan.remove:
        yield Text.assemble(("  - ", "red"), _describe(leftover, now))
    for kept in plan.keep:
        yield Text.assemble(("  ! ", "yellow"), f"{_describe(kept.leftover, now)}  kept: {kept.why}")
    count = len(plan.remove)
    if not count:
        what = "nothing to remove"
    else:
        directories = f"{count} key {'directory' if count == 1 else 'directories'}, {human.size(plan.bytes)}"
        what = f"{'would remove' if dry_run else 'removed'} {directories}"
    yield Text.assemble(("✓ ", "green"), f"{project}: {what}")


def _describe(leftover: Leftover, now: datetime) -> str:
    record = leftover.record
    parts = [leftover.path.name]
    if record:
        parts.append(human.clip(record.key, 200))
    if leftover.files is not None:
        parts.append(f"{human.count(leftover.files, 'file')}, {human.size(leftover.bytes)}")
    if record and (confirmed := record.checked_at or record.fetched_at):
        parts.append(f"confirmed {human.age((now - parse_time(confirmed)).total_seconds())} ago")
    return "  ".join(parts)
