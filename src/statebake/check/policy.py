"""Holding state to the project's policy; no I/O. The rules are the same for a work tree and for an artifact."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from statebake.check.snapshot import Snapshot
from statebake.config import Kind, PolicySettings, Settings, selects, settings_for, show
from statebake.errors import Code
from statebake.model.discovery import Discovery
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import ComponentRef, Record
from statebake.model.settle import parse_time
from statebake.model.state_config import DefsStateManagementType
from statebake.model.units import show_age, show_bytes

_SKEW_S = 300.0
"""How far ahead the clock of the machine that fetched may be; a time later than that is no time to go by."""


@dataclass(frozen=True)
class KeyFacts:
    """What policy goes by, of one key.

    Attributes:
        key: its defs state key.
        type: the class of its first component.
        where: ``file:line`` of that component.
        strategies: of each of its components, with the place that declares it.
        size: the bytes of its state; ``None``: there is none, and nothing to judge.
        at: when its state was last confirmed by a fetch, RFC 3339; ``None`` where nobody knows.
        first_fetch: ``at`` is when its state was first fetched, for the last confirmation is not known.
    """

    key: str
    type: str
    where: str
    strategies: tuple[tuple[DefsStateManagementType, str], ...]
    size: int | None
    at: str | None
    first_fetch: bool = False


def facts_of_project(discovery: Discovery, snapshot: Snapshot) -> tuple[KeyFacts, ...]:
    """Return the facts of every key of a work tree."""
    facts = []
    for key in discovery.keys:
        components = discovery.components_of(key)
        found = snapshot.key_dirs.get(sanitize_key(key))
        local = components[0].management_type is DefsStateManagementType.LOCAL_FILESYSTEM
        summary = found.summary if found and local else None
        record = found.record if found and found.record and found.record.key == key else None
        facts.append(
            KeyFacts(
                key=key,
                type=components[0].type,
                where=components[0].declared_at,
                strategies=tuple((item.management_type, item.declared_at) for item in components),
                size=summary.bytes if summary and not summary.empty else None,
                at=_confirmed(record) if record else None,
            )
        )
    return tuple(facts)


def facts_of_manifest(
    manifest: Manifest, sizes: Mapping[str, int], confirmed: Mapping[str, str] | None = None
) -> tuple[KeyFacts, ...]:
    """Return the facts of every expected key of an artifact.

    ``sizes``: the bytes of its state that were found, by key. ``confirmed``: when a fetch last confirmed it, by key,
    from records of a work tree with the same digest; a manifest only knows when a state was first fetched.
    """
    return facts_of_records(manifest.keys, sizes, confirmed)


def facts_of_records(
    records: Iterable[Record], sizes: Mapping[str, int], confirmed: Mapping[str, str] | None = None
) -> tuple[KeyFacts, ...]:
    """Return the facts of every key that ``records`` tell of; see ``facts_of_manifest``."""
    known = confirmed or {}
    facts = []
    for record in records:
        first = record.components[0] if record.components else ComponentRef("", "")
        facts.append(
            KeyFacts(
                key=record.key,
                type=first.type,
                where=first.declared_at,
                strategies=((record.management_type, first.declared_at),),
                size=sizes.get(record.key),
                at=known.get(record.key) or _confirmed(record),
                first_fetch=record.key not in known and record.checked_at is None,
            )
        )
    return tuple(facts)


def facts_by_project(
    project: Sequence[KeyFacts], own: Sequence[KeyFacts], sizes: Mapping[str, int], same: Collection[str]
) -> tuple[KeyFacts, ...]:
    """Return the facts of an artifact without a manifest: what its ``project`` declares, with what there is of it.

    ``own``: of the records in the artifact. ``same``: the keys whose state is that of the work tree, which then knows
    when it was confirmed.
    """
    told = {one.key: one for one in own}
    facts = []
    for one in project:
        known = one if one.key in same and one.at else told.get(one.key)
        at, first_fetch = (known.at, known.first_fetch) if known else (None, False)
        facts.append(replace(one, size=sizes.get(one.key), at=at, first_fetch=first_fetch))
    return (*facts, *(one for one in own if one.key not in {declared.key for declared in project}))


def policy_findings(
    facts: Sequence[KeyFacts], settings: Settings, now: datetime, *, where: str | None = None, again: str | None = None
) -> list[Finding]:
    """Return what breaks the policy in ``settings``: age, size, strategies, and keys that must be there.

    ``where``: what a rule about the whole points at, the line that sets it. ``again``: the command that makes the
    artifact anew; ``None``: the facts are those of a work tree.
    """
    findings = list(_required(facts, settings.policy, where))
    for one in facts:
        policy = settings_for(settings, one.key, one.type).policy
        findings += _forbidden(one, policy)
        if one.size is not None:
            findings += _age(one, policy, now, again)
            findings += _size(one, one.size, policy)
    return findings


def definition_findings(
    counts: Mapping[str, int],
    facts: Sequence[KeyFacts],
    settings: Settings,
    *,
    total: int | None = None,
    where: str | None = None,
) -> list[Finding]:
    """Return where a load made fewer definitions than ``policy`` asks for.

    ``counts``: how many each key yielded; one that is not named yielded none. ``total``: how many there are in all,
    where that is more than the sum. ``where`` is as in ``policy_findings``.
    """
    findings = []
    for one in facts:
        wanted = settings_for(settings, one.key, one.type).policy.min_definitions
        if wanted is not None and counts.get(one.key, 0) < wanted:
            message = f"The key yields {_definitions(counts.get(one.key, 0))}; policy.min_definitions is {wanted}."
            step = f"look at what was fetched, then: statebake refresh --key {shlex.quote(one.key)}"
            findings.append(_broken(Code.TOO_FEW_DEFINITIONS, one, message, step))
    wanted, have = settings.policy.min_total_definitions, sum(counts.values()) if total is None else total
    if wanted is not None and have < wanted:
        findings.append(
            Finding(
                Code.TOO_FEW_DEFINITIONS,
                Severity.ERROR,
                None,
                f"There are {_definitions(have)} in all; policy.min_total_definitions is {wanted}.",
                where,
                "look at what was fetched: statebake status",
            )
        )
    return findings


def _confirmed(record: Record) -> str | None:
    return record.checked_at or record.fetched_at


def _required(facts: Sequence[KeyFacts], policy: PolicySettings, where: str | None) -> Iterator[Finding]:
    for pattern in policy.require_keys:
        if not any(selects(pattern, one.key, one.type) for one in facts):
            yield Finding(
                Code.REQUIRED_KEY,
                Severity.ERROR,
                None,
                f"No key matches {pattern!r}, which policy.require_keys asks for.",
                where,
                "look which keys there are: statebake status",
            )


def _forbidden(one: KeyFacts, policy: PolicySettings) -> Iterator[Finding]:
    for strategy, where in one.strategies:
        if strategy in policy.forbid_strategies:
            yield Finding(
                Code.FORBIDDEN_STRATEGY,
                Severity.ERROR,
                one.key,
                f"The strategy is {strategy.value}, which policy.forbid_strategies excludes.",
                where,
                "set another management_type: attributes: {defs_state: {management_type: …}}",
            )


def _age(one: KeyFacts, policy: PolicySettings, now: datetime, again: str | None) -> Iterator[Finding]:
    if policy.max_age is None:
        return
    limit = f"policy.max_age is {show(Kind.DURATION, policy.max_age)}"
    step = f"statebake refresh --key {shlex.quote(one.key)}"
    step = f"{step}, then: {again}" if again else step
    age = (now - parse_time(one.at)).total_seconds() if one.at else None
    if age is None:
        yield _broken(Code.TOO_OLD, one, f"The age of the state is not known; {limit}.", step)
    elif age < -_SKEW_S:
        yield _broken(Code.TOO_OLD, one, f"The state was fetched at {one.at}, which is in the future; {limit}.", step)
    elif age > policy.max_age and one.first_fetch:
        message = f"The state was first fetched {show_age(age)} ago, and nothing says that it was confirmed; {limit}."
        yield _broken(Code.TOO_OLD, one, message, step)
    elif age > policy.max_age:
        yield _broken(Code.TOO_OLD, one, f"The state was last confirmed {show_age(age)} ago; {limit}.", step)


def _size(one: KeyFacts, size: int, policy: PolicySettings) -> Iterator[Finding]:
    if policy.max_size is not None and size > policy.max_size:
        yield _broken(
            Code.TOO_LARGE,
            one,
            f"The state has {show_bytes(size)} ({size} bytes); policy.max_size is {show_bytes(policy.max_size)}.",
            "leave out what is no state with `exclude`, or raise policy.max_size",
        )


def _broken(code: Code, one: KeyFacts, message: str, next_step: str) -> Finding:
    return Finding(code, Severity.ERROR, one.key, message, one.where, next_step)


def _definitions(count: int) -> str:
    return "1 definition" if count == 1 else f"{count} definitions"
