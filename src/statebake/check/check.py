"""Deciding whether every expected key has its state; no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from statebake.check.doctor import collision_findings, difference_findings, source_finding, strategy_finding
from statebake.check.snapshot import KeyDir, Snapshot
from statebake.errors import Code, Exit
from statebake.model.discovery import Component, Discovery
from statebake.model.finding import Finding, Severity, exit_of
from statebake.model.keys import OTHER_KEY, key_problem, sanitize_key
from statebake.model.patterns import matches
from statebake.model.state_config import DefsStateManagementType


@dataclass(frozen=True)
class CheckReport:
    """Every finding, errors first, and how many keys were expected."""

    findings: tuple[Finding, ...]
    keys: int

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail the check."""
        return tuple(item for item in self.findings if item.severity is Severity.ERROR)

    def plus(self, more: Iterable[Finding]) -> CheckReport:
        """Return a report of these findings and ``more``."""
        every = sorted((*self.findings, *more), key=lambda item: item.severity is Severity.WARNING)
        return replace(self, findings=tuple(every))

    @property
    def exit(self) -> Exit:
        """The exit code of a check that found this."""
        return exit_of(self.findings)


def check(
    discovery: Discovery,
    snapshot: Snapshot,
    allow_runtime_fetch: Sequence[str] = (),
    allow_differences: Sequence[str] = (),
) -> CheckReport:
    """Return what is wrong with the state in ``snapshot`` for the components in ``discovery``.

    ``allow_runtime_fetch``: patterns of the keys whose strategy may fetch at run time. ``allow_differences``: of those
    whose components may differ.
    """
    keys = discovery.keys
    findings = [
        *_nothing(discovery),
        *_unloadable(discovery),
        *collision_findings(discovery),
        *(finding for key in keys for finding in difference_findings(discovery, key, allow_differences)),
        *(finding for key in keys for finding in _key(discovery, snapshot, key, allow_runtime_fetch)),
        *_orphans(snapshot, keys, discovery),
        *_directory(snapshot),
    ]
    return CheckReport((), keys=len(keys)).plus(findings)


def _nothing(discovery: Discovery) -> Iterator[Finding]:
    if not discovery.components and not discovery.failures:
        # A Dagster project may have none; a native one is made of nothing else.
        native = discovery.host.startswith("native ")
        yield Finding(
            Code.NO_COMPONENTS,
            Severity.ERROR if native else Severity.WARNING,
            None,
            "There are no state-backed components in this project, so nothing is refreshed, checked or baked.",
            str(discovery.defs_dir),
            "look whether this is the right module: statebake config",
        )


def _unloadable(discovery: Discovery) -> Iterator[Finding]:
    for failure in discovery.failures:
        yield Finding(
            Code.UNKNOWN_COMPONENT_KEY,
            Severity.ERROR,
            None,
            f"A component's key is not known, because it cannot be loaded. {failure.error.message}",
            failure.declared_at,
            failure.error.next_step,
        )


def _key(discovery: Discovery, snapshot: Snapshot, key: str, allowed: Sequence[str]) -> Iterator[Finding]:
    components = discovery.components_of(key)
    where = components[0].declared_at
    if problem := key_problem(key):
        yield Finding(
            Code.BAD_KEY,
            Severity.ERROR,
            key,
            f"The key cannot name a directory: {problem}.",
            where,
            f"give the component another key: {OTHER_KEY}",
        )
        return
    if finding := source_finding(discovery, key):
        yield finding
        return
    runtime = [item for item in components if item.management_type is not DefsStateManagementType.LOCAL_FILESYSTEM]
    if runtime:
        yield _fetches_at_run_time(runtime[0], allowed)
    found = snapshot.key_dirs.get(sanitize_key(key))
    if found is not None and (changed := strategy_finding(found, components[0])):
        yield changed
    if components[0] in runtime:  # the first component's strategy is what a refresh and a bake go by
        return
    expected = snapshot.state_dir / sanitize_key(key) / "state"
    command = f"statebake refresh --key {shlex.quote(key)}"
    if found is None or (found.summary and found.summary.files == 0):
        yield Finding(Code.MISSING_STATE, Severity.ERROR, key, f"No state: {expected} is missing.", where, command)
        return
    if found.content_error:
        yield Finding.of_error(found.content_error, key)
        return
    assert found.summary is not None
    if found.summary.empty:
        yield Finding(
            Code.EMPTY_STATE,
            Severity.ERROR,
            key,
            f"The state has no content: {found.summary.empty}.",
            str(found.path),
            command,
        )
        return
    yield from _record(found, key, command)


def _record(found: KeyDir, key: str, command: str) -> Iterator[Finding]:
    assert found.summary is not None
    if found.record_error:
        yield Finding.of_error(found.record_error, key)
    elif found.record is None:
        yield Finding(
            Code.UNRECORDED,
            Severity.WARNING,
            key,
            "The state has no record: something else than statebake wrote it, and its age is not known.",
            str(found.path),
            command,
        )
    elif found.record.key != key:
        yield Finding(
            Code.KEY_COLLISION,
            Severity.ERROR,
            key,
            f"The directory holds the state of another key, {found.record.key!r}.",
            str(found.path),
            command,
        )
    elif found.record.digest != found.summary.digest:
        yield Finding(
            Code.DIGEST_MISMATCH,
            Severity.ERROR,
            key,
            "The state is not what was fetched: its digest is "
            f"{short(found.summary.digest)}, the record says {short(found.record.digest)}.",
            str(found.path),
            command,
        )
    elif stale := found.record.stale:
        yield Finding(
            Code.STALE_STATE,
            Severity.WARNING,
            key,
            f"The state is older than was wanted: it was confirmed {stale.age_s} s before the fetch at "
            f"{stale.failed_at} failed. {stale.reason}",
            str(found.path),
            command,
        )


def _fetches_at_run_time(component: Component, allowed: Sequence[str]) -> Finding:
    permitted = any(matches(pattern, component.key) for pattern in allowed)
    return Finding(
        Code.FETCHES_AT_RUN_TIME,
        Severity.WARNING if permitted else Severity.ERROR,
        component.key,
        f"The strategy {component.management_type.value} fetches at run time: this key cannot be baked.",
        component.declared_at,
        "set management_type: LOCAL_FILESYSTEM, or allow it by name in allow_runtime_fetch",
    )


def _orphans(snapshot: Snapshot, keys: Sequence[str], discovery: Discovery) -> Iterator[Finding]:
    expected = {sanitize_key(key) for key in keys}
    for name, found in snapshot.key_dirs.items():
        if name in expected or (found.summary and found.summary.files == 0 and found.record is None):
            continue
        whose = f" (key {found.record.key!r})" if found.record else ""
        unsure = "; a component that cannot be loaded may" if discovery.failures else ""
        yield Finding(
            Code.ORPHAN,
            Severity.WARNING,
            None,
            f"No component uses the state in {name}{whose}{unsure}. It is not baked.",
            str(found.path),
            _how_to_collect(found, discovery),
        )


def _how_to_collect(found: KeyDir, discovery: Discovery) -> str:
    if discovery.failures:
        return "mend the component that cannot be loaded, then see: statebake gc --dry-run"
    return "statebake gc" if found.record else "statebake gc --unrecorded"


def _directory(snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.exists and not snapshot.has_ignore_file:
        yield Finding(
            Code.NO_IGNORE_FILE,
            Severity.WARNING,
            None,
            "The state directory has no .gitignore: git would take state in, and Dagster would write the file at "
            "run time, which fails on a read-only file system.",
            str(snapshot.state_dir),
            "statebake refresh",
        )


def short(digest: str) -> str:
    """Return the first 12 hex digits of a digest, as people compare them."""
    return digest.removeprefix("sha256:")[:12]
