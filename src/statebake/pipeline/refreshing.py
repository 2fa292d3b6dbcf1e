"""Between discovery and check, where there is to be new state: the plan of a refresh, and doing it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from statebake.check import read_snapshot, sound_ages, unmatched_patterns, unused_max_stale
from statebake.config import ResolvedConfig
from statebake.config.schema import key_setting
from statebake.model.discovery import Discovery, unknown_keys
from statebake.pipeline import TOOL, OpenProject, Target, hidden_of
from statebake.pipeline.secrets import secrets_of, state_searcher
from statebake.progress import Observer
from statebake.redact import redact
from statebake.refresh import (
    Meeting,
    RefreshPlan,
    RefreshReport,
    Run,
    Selection,
    Slots,
    execute_refresh,
    must_be_schema,
    plan_refresh,
    read_failures,
    unmatched,
)
from statebake.refresh.ignore import parse_rules


def plan(
    opened: OpenProject, selection: Selection, now: datetime, run: Run, *, only_failed: bool = False
) -> RefreshPlan:
    """Return what a refresh of the selected keys would do.

    Raises ``StatebakeError``: ``UNKNOWN_KEY``; ``BAD_SETTING`` for a schema or an ``exclude`` that is none, or
    ``EXTRA_NOT_INSTALLED``.
    """
    settings = opened.target.settings
    must_be_patterns(opened.target.config)
    if only_failed and (failed := read_failures(opened.state_dir)) is not None:
        selection = replace(selection, failed=frozenset(failed))
    timed = settings.max_age is not None or any("max_age" in section.values for section in settings.keys)
    ages = sound_ages(read_snapshot(opened.state_dir), now) if timed else {}
    if not opened.target.config.by_flag("max_age"):  # whoever names a key wants it fetched
        ages = {key: age for key, age in ages.items() if key not in selection.keys}
    refresh_plan = plan_refresh(opened.discovery, settings, selection, ages)
    for schema in dict.fromkeys(fetch.settings.schema for fetch in refresh_plan.fetches):
        if schema is not None:
            must_be_schema(schema)
    alone = run.alone and opened.target.project.workspace is None
    config = opened.target.config
    idle = (*unmatched_patterns(config, opened.discovery, alone=alone), *unused_max_stale(config, opened.discovery))
    return replace(refresh_plan, findings=idle)


def must_be_patterns(config: ResolvedConfig) -> None:
    """Raise ``BAD_SETTING`` where an ``exclude`` has a pattern that is none: before the fetches, not after them."""
    parse_rules(config.settings.exclude, config.origins["exclude"])
    for section in config.settings.keys:
        parse_rules(section.values.get("exclude", ()), config.origins.get(key_setting(section.pattern, "exclude")))


async def selected_here(opened: OpenProject, selection: Selection, run: Run) -> Selection | None:
    """Return the part of a selection for several projects that is about this one.

    That is when somebody is known to have each of its keys and patterns, or all have been discovered. ``None``: nothing
    is about this one, and nobody need wait for it. Raises ``StatebakeError`` (``UNKNOWN_KEY``) for what none has.
    """
    if not selection.keys and not selection.patterns:
        return selection
    told = await run.discovered.come(
        opened.target.project.directory, opened.discovery, lambda told: not _unknown(told, selection)
    )
    found = [one for one in told if one]
    if unknown := _unknown(found, selection):
        known = {key for one in found for key in one.keys}
        raise unknown_keys(unknown, known, [failure for one in found for failure in one.failures])
    foreign = set(unmatched(opened.discovery, selection))
    here = replace(
        selection,
        keys=tuple(key for key in selection.keys if key not in foreign),
        patterns=tuple(pattern for pattern in selection.patterns if pattern not in foreign),
    )
    if (selection.keys and not here.keys) or (selection.patterns and not here.patterns):
        run.fetched.leave(opened.target.project.directory, True)
        return None
    return here


def _unknown(discoveries: Iterable[Discovery | None], selection: Selection) -> list[str]:
    """Return what of a selection none of the projects has, of which at least one was discovered."""
    return sorted(set.intersection(*(set(unmatched(one, selection)) for one in discoveries if one)))


def start_run(
    targets: Sequence[Target], env: Mapping[str, str], *, all_or_nothing: bool = False, allow_shrink: bool = False
) -> Run:
    """Return what the refreshes of ``targets`` share; its deadline counts from now."""
    deadlines = [target.settings.deadline for target in targets if target.settings.deadline is not None]
    limits = [limit for target in targets for limit in target.settings.limits]
    return Run(
        tool=TOOL,
        slots=Slots(max(target.settings.jobs for target in targets), limits),
        ends_at=time.monotonic() + min(deadlines) if deadlines else None,
        all_or_nothing=all_or_nothing,
        allow_shrink=allow_shrink,
        mask=partial(redact, env={**env, **hidden_of(targets, env)}),
        env=env,
        alone=len(targets) == 1,
        discovered=Meeting(target.project.directory for target in targets),
        fetched=Meeting(target.project.directory for target in targets),
    )


async def refresh(opened: OpenProject, refresh_plan: RefreshPlan, run: Run, observer: Observer) -> RefreshReport:
    """Do what the plan says; see ``execute_refresh``.

    What is fetched is searched for the secrets of ``run.env``, those that components read among them, and so they are
    hidden from what is shown or written down.
    """
    project = opened.target.project
    at_hand = await asyncio.to_thread(secrets_of, project, opened.target.settings, run.env)
    hidden = {f"SECRET_{number}": secret.value for number, secret in enumerate(at_hand.secrets)}
    observer.hide(hidden.values())
    report = await execute_refresh(
        refresh_plan,
        opened.worker,
        opened.state_dir,
        run=replace(run, mask=lambda text: run.mask(redact(text, hidden))),
        observer=observer,
        searcher=state_searcher(project, opened.state_dir, at_hand, run.env),
        agree=partial(run.agree, project.directory),
    )
    return replace(report, notes=at_hand.ignored)
