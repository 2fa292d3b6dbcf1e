"""Doing a command's work for every project, side by side: one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from statebake.cli.view import View
from statebake.errors import Exit, StatebakeError

if TYPE_CHECKING:
    from statebake.pipeline import OpenProject, Target
    from statebake.refresh import Run

T = TypeVar("T")


async def refresh_before(opened: OpenProject, run: Run, view: View, *, dry_run: bool) -> int:
    """Refresh a project before it is baked, or with ``dry_run`` only show what would be; return the exit code."""
    from datetime import datetime, timezone

    from statebake.pipeline import refreshing
    from statebake.refresh import Selection

    target = opened.target
    plan = refreshing.plan(opened, Selection(), datetime.now(timezone.utc), run)
    if dry_run:
        view.refresh_plan(target, plan)
        return Exit.REFRESH if plan.blocked else Exit.OK
    view.refresh_started(target, plan)
    report = await refreshing.refresh(opened, plan, run, view.observer(target))
    view.refresh_report(target, report, opened.discovery_s)
    return report.exit


def for_each(
    targets: Sequence[Target],
    env: Mapping[str, str],
    view: View,
    work: Callable[[OpenProject], Awaitable[T]],
    then: Callable[[Target, T], int],
    *,
    run: Run | None = None,
    failed: Callable[[Target, StatebakeError], None] | None = None,
) -> int:
    """Discover every project and do ``work`` with it, side by side; ``then`` one after another; return the highest
    exit code. ``run`` has the deadline; ``failed`` hears of every project that an error ended the work on.

    With one project, its ``StatebakeError`` is the command's; with several, it is shown and the others go on.
    """
    from statebake import pipeline

    view.work_on(targets)
    for target in targets:
        view.warnings(target.config.warnings)
    code: int = Exit.OK
    for target, result in zip(targets, pipeline.side_by_side(targets, env, work, run=run), strict=True):
        try:
            if isinstance(result, StatebakeError):
                raise result
            code = max(code, then(target, result))
        except StatebakeError as error:
            if failed is not None:
                failed(target, error)
            if len(targets) == 1:
                raise
            view.error(error, target)
            code = max(code, error.code.exit)
    return code
