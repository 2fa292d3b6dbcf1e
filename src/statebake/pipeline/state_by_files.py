"""Checking state by its files alone, where no code of the project can run: its records say what is expected."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.check import CheckReport, Snapshot, check, read_snapshot
from statebake.config import BuildProject, find_defs_dir
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.discovery import Component, Discovery, Interpreter
from statebake.model.finding import Finding, Severity
from statebake.model.keys import MANIFEST_NAME, STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import ComponentRef, Record
from statebake.pipeline import judge_state
from statebake.pipeline.contents import declaration_files

_NO_INTERPRETER = Interpreter("", "", "")
_LARGEST_MANIFEST = 64 << 20
_SHOWN = 3


@dataclass(frozen=True)
class FoundState:
    """State that was looked at, and what is wrong with it."""

    discovery: Discovery
    snapshot: Snapshot
    report: CheckReport


def state_by_records(build: BuildProject) -> FoundState:
    """Return the state of a project: every key that has a record is expected.

    State without a record is an error: only the project's code could tell whose it is. So is a declaration that no
    record names, where it must be one of state. Raises ``StatebakeError`` (``BAD_SETTING``) where the definitions are
    not found.
    """
    defs_dir = find_defs_dir(build.project, build.settings)
    state_dir = defs_dir / STATE_DIR_NAME
    snapshot = read_snapshot(state_dir)
    records = [found.record for found in snapshot.key_dirs.values() if found.record]
    discovery = discovery_of(records, records[0].host if records else "", defs_dir)
    if not records:
        return FoundState(discovery, snapshot, CheckReport((), 0).plus([*_strange(snapshot), *_nothing(state_dir)]))
    report = judge_state(build.config, discovery, snapshot)
    known = [finding for finding in report.findings if finding.code is not Code.ORPHAN]
    findings = [*known, *_strange(snapshot), *_unknown(build, records, defs_dir)]
    return FoundState(discovery, snapshot, CheckReport((), report.keys).plus(findings))


def state_by_manifest(manifest: Manifest, defs_dir: Path) -> FoundState:
    """Return the state in ``defs_dir`` of an unpacked source distribution: what its ``manifest`` lists is expected.

    It was held to the project's policy when the distribution was made.
    """
    snapshot = read_snapshot(defs_dir / STATE_DIR_NAME)
    discovery = discovery_of(manifest.keys, manifest.host, defs_dir)
    report = check(discovery, snapshot, allow_runtime_fetch=["*"])
    told = {finding.key for finding in report.errors}
    return FoundState(discovery, snapshot, report.plus(_differing(manifest, snapshot, told)))


def read_manifest(defs_dir: Path) -> Manifest | None:
    """Return the manifest beside the state in ``defs_dir``, or ``None``.

    Raises ``StatebakeError``: ``FOREIGN_FILE``, ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    path = defs_dir / STATE_DIR_NAME / MANIFEST_NAME
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_MANIFEST:
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StatebakeError(
            Code.FOREIGN_FILE,
            f"The manifest cannot be read: {error.strerror}.",
            where=str(path),
            next_step="make it readable",
        ) from error
    return Manifest.loads(text, str(path))


def must_carry_state(defs_dir: Path, directory: Path) -> None:
    """Raise ``StatebakeError`` (``MISSING_STATE``) where the source distribution in ``directory`` has no state.

    It is one without a manifest. What is missing is not to be had where it was unpacked, so that place is not named.
    """
    state_dir = defs_dir / STATE_DIR_NAME
    if not read_snapshot(state_dir).key_dirs:
        raise StatebakeError(
            Code.MISSING_STATE,
            "This source distribution carries no state: it was built without statebake, or with on_build `off`.",
            where=os.path.relpath(state_dir, directory),
            next_step="build it anew in the project, with statebake in its build; for a wheel without state: "
            "STATEBAKE_ON_BUILD=off",
        )


def discovery_of(records: Sequence[Record], host: str, defs_dir: Path) -> Discovery:
    """Return what a discovery would have found when ``records`` were written."""
    declared = [(record, ref) for record in records for ref in record.components or (ComponentRef("", ""),)]
    components = tuple(
        Component(
            id=number,
            type=ref.type,
            declared_at=ref.declared_at,
            key=record.key,
            management_type=record.management_type,
        )
        for number, (record, ref) in enumerate(declared)
    )
    return Discovery(host=host, python=_NO_INTERPRETER, defs_dir=defs_dir, components=components, failures=())


def _strange(snapshot: Snapshot) -> Iterator[Finding]:
    for found in snapshot.key_dirs.values():
        if found.record_error:
            yield Finding.of_error(found.record_error)
        elif found.record is None and not (found.summary and found.summary.files == 0):
            yield Finding(
                Code.UNRECORDED,
                Severity.ERROR,
                None,
                "The state has no record, and without an interpreter that has what the project requires nothing can "
                "tell whose it is.",
                str(found.path),
                "statebake refresh, or name the project's interpreter: STATEBAKE_PYTHON",
            )


def _unknown(build: BuildProject, records: Sequence[Record], defs_dir: Path) -> Iterator[Finding]:
    """Yield findings for what is declared in YAML, and by no record: since the last refresh, or without success.

    A native project declares nothing but state there; only a key that is fetched at run time has none. Of Dagster's
    components most have no state, so those are named in one warning.
    """
    if not all(record.components for record in records):
        return  # what was written by another tool does not say whose it is
    top = Path(os.path.realpath(build.project.directory))
    recorded = Counter(ref.declared_at.rpartition(":")[0] for record in records for ref in record.components)
    found = []
    host = find_host(build.settings.host or build.project.host)
    for file in declaration_files(defs_dir, host):
        real = Path(os.path.realpath(file))
        if real.is_relative_to(top):  # what is elsewhere may have been elsewhere else when it was recorded
            name = real.relative_to(top).as_posix()
            declared = _declared(real)
            if recorded[name] < (declared if host.name == "native" else min(declared, 1)):
                found.append(name)
    if not found:
        return
    next_step = "statebake refresh, or name the project's interpreter: STATEBAKE_PYTHON"
    if host.name == "native":
        severity = Severity.WARNING if build.settings.allow_runtime_fetch else Severity.ERROR
        for name in found:
            message = "No record knows all that is declared here: what is new may have no state."
            yield Finding(Code.UNKNOWN_COMPONENT_KEY, severity, None, message, name, next_step)
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    message = (
        f"No record knows what {', '.join(found[:_SHOWN])}{more} declare: these have no state, or it is missing."
        if len(found) > 1
        else f"No record knows what {found[0]} declares: it has no state, or that is missing."
    )
    yield Finding(Code.UNKNOWN_COMPONENT_KEY, Severity.WARNING, None, message, found[0], next_step)


def _declared(file: Path) -> int:
    """Return how many components a file declares, at least; what cannot be read is for the build to refuse."""
    import yaml

    found = 0
    try:
        text = file.read_bytes().decode("utf-8-sig", errors="replace")
        for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
            found += document.tag != "tag:yaml.org,2002:null"
    except OSError:
        return 0
    except (yaml.YAMLError, RecursionError):
        return max(found, 1)
    return found


def _nothing(state_dir: Path) -> Iterator[Finding]:
    yield Finding(
        Code.MISSING_STATE,
        Severity.ERROR,
        None,
        f"There is no state: {state_dir} has no key with a record.",
        str(state_dir),
        "statebake refresh; for a project that has no state-backed components: STATEBAKE_ON_BUILD=off",
    )


def _differing(manifest: Manifest, snapshot: Snapshot, told: set[str | None]) -> Iterator[Finding]:
    for record in manifest.keys:
        found = snapshot.key_dirs.get(sanitize_key(record.key))
        if record.key in told or found is None or found.summary is None or found.summary.digest == record.digest:
            continue
        yield Finding(
            Code.DIGEST_MISMATCH,
            Severity.ERROR,
            record.key,
            "The state is not the one that the source distribution was made with, by its manifest.",
            str(found.path),
            "unpack the source distribution anew, or make a new one",
        )
