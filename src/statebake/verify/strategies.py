"""Judging keys whose state is not in an artifact, because their strategy fetches it at run time; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.patterns import matches
from statebake.model.report import KeyResult
from statebake.model.state_config import DefsStateManagementType

VERDICT = "fetches at run time"
PINS = "DAGSTER_DEFS_STATE_INFO_OVERRIDE_PATH"
_LOCAL = DefsStateManagementType.LOCAL_FILESYSTEM
_STORED = DefsStateManagementType.VERSIONED_STATE_STORAGE
_BAKE_IT = "set management_type: LOCAL_FILESYSTEM, or allow it by name in allow_runtime_fetch"


def runtime_keys_of(manifest: Manifest) -> tuple[RuntimeKey, ...]:
    """Return the keys that an artifact fetches at run time by what its manifest says: of its own list, and of records.

    A record has the strategy that its key had when it was fetched.
    """
    others = (record for record in manifest.keys if record.management_type is not _LOCAL)
    return (*manifest.runtime, *(RuntimeKey(item.key, item.management_type, item.components) for item in others))


def judge_strategies(keys: Sequence[RuntimeKey], allowed: Sequence[str], where: str) -> Iterator[Finding]:
    """Yield a finding for each of ``keys``: an error, unless a pattern in ``allowed`` matches it."""
    for item in dict.fromkeys(keys):
        permitted = any(matches(pattern, item.key) for pattern in allowed)
        yield runtime_finding(
            item.key,
            item.management_type.value,
            "which state that is, only a pin can say, and only a sealed load sees whether there is one",
            where=item.components[0].declared_at if item.components else where,
            permitted=permitted,
        )


def runtime_finding(key: str, strategy: str, pin: str, *, where: str, permitted: bool) -> Finding:
    """Return the finding for a key with a ``strategy`` that fetches at run time; ``pin``: what is known of its pin."""
    stored = strategy == _STORED.value
    return Finding(
        Code.FETCHES_AT_RUN_TIME,
        Severity.WARNING if permitted else Severity.ERROR,
        key,
        f"The strategy {strategy} reads a store at run time: {pin}."
        if stored
        else f"The strategy {strategy} fetches at run time: its state is not in the artifact.",
        where,
        f"pin it in the file that {PINS} names, {_BAKE_IT}" if stored else _BAKE_IT,
    )


def runtime_results(keys: Sequence[RuntimeKey], known: Collection[str]) -> Iterator[KeyResult]:
    """Yield a result for each of ``keys`` that is not ``known``."""
    by_key = {item.key: item for item in reversed(keys) if item.key not in known}
    for key, item in sorted(by_key.items()):
        yield KeyResult(key, item.components[0].declared_at if item.components else None, VERDICT)
