"""Holding the state that is there to the ``schema`` of its key, as a refresh holds what it fetches."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from statebake.check import Snapshot
from statebake.config import Settings, settings_for
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Discovery
from statebake.model.finding import Finding, Severity
from statebake.model.keys import STATE_NAME, sanitize_key
from statebake.model.state_config import DefsStateManagementType

Judge = Callable[[Path], "tuple[str | None, list[str]]"]
"""Compares a key's ``state`` with a schema file, as ``judge_state`` and ``judge_content`` do."""


@dataclass(frozen=True)
class StateToJudge:
    """A key's ``state``: where findings point, the schema that is set for it, and how to compare the two."""

    key: str
    where: str
    schema: Path
    judge: Judge


def states_of_project(discovery: Discovery, snapshot: Snapshot, settings: Settings) -> Iterator[StateToJudge]:
    """Yield what there is in a work tree of keys with a schema; where none is set, nothing is read."""
    if not has_schemas(settings):
        return
    from statebake.refresh.json_schema import judge_state  # few projects have schemas

    for key in discovery.keys:
        first = discovery.components_of(key)[0]
        found = snapshot.key_dirs.get(sanitize_key(key))
        schema = settings_for(settings, key, first.type).schema
        local = first.management_type is DefsStateManagementType.LOCAL_FILESYSTEM
        if schema is not None and local and found is not None and found.summary and not found.summary.empty:
            yield StateToJudge(key, first.declared_at, schema, partial(judge_state, found.path / STATE_NAME))


def has_schemas(settings: Settings) -> bool:
    """Return whether a schema is set for any key."""
    return settings.schema is not None or any("schema" in section.values for section in settings.keys)


def schema_findings(states: Iterable[StateToJudge]) -> list[Finding]:
    """Return which of ``states`` break their schemas, without a value of them; a schema that is none is one finding."""
    findings = []
    sound: set[Path] = set()
    useless: set[Path] = set()
    for state in states:
        if state.schema in useless:
            continue
        from statebake.refresh.json_schema import must_be_schema

        try:
            if state.schema not in sound:
                must_be_schema(state.schema)
                sound.add(state.schema)
            problem, violations = state.judge(state.schema)
        except StatebakeError as error:
            useless.add(state.schema)
            findings.append(Finding.of_error(error))
            continue
        if problem or violations:
            what = f"`state` {problem}, so it cannot satisfy" if problem else "`state` does not satisfy"
            places = f": {'; '.join(violations)}" if violations else ""
            findings.append(
                Finding(
                    Code.SCHEMA_VIOLATED,
                    Severity.ERROR,
                    state.key,
                    f"The {what} {state.schema.name}{places}.",
                    state.where,
                    f"see what the source returns, or correct {shlex.quote(str(state.schema))}; then: "
                    f"statebake refresh --key {shlex.quote(state.key)}",
                )
            )
    return findings
