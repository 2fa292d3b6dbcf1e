"""Saying what an artifact will carry; no I/O."""

from __future__ import annotations

from collections.abc import Mapping

from statebake.model.discovery import Component, Discovery, refs
from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.record import Record
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import TreeSummary


def build_manifest(
    discovery: Discovery,
    keys: list[str],
    summaries: Mapping[str, TreeSummary],
    records: Mapping[str, Record | None],
    *,
    project: str,
    tool: str,
    revision: str | None,
) -> Manifest:
    """Return the manifest for ``keys``, whose state was checked; ``summaries`` and ``records`` by directory name.

    State that something else wrote has no record; it gets one that says so (``origin`` ``unrecorded``).
    """
    entries = []
    for key in sorted(keys):
        name = sanitize_key(key)
        components = discovery.components_of(key)
        summary = summaries[name]
        record = records[name] or Record(
            key=key,
            components=refs(components),
            management_type=components[0].management_type,
            digest=summary.digest,
            files=summary.files,
            bytes=summary.bytes,
            fetched_at=None,
            origin="unrecorded",
            tool=tool,
            host=discovery.host,
        )
        entries.append(record.without_volatile())
    return Manifest(
        project=project,
        tool=tool,
        host=discovery.host,
        revision=revision,
        keys=tuple(entries),
        runtime=runtime_keys(discovery),
    )


def runtime_keys(discovery: Discovery) -> tuple[RuntimeKey, ...]:
    """Return the keys that components fetch at run time: by key, and then by strategy, in the order of components."""
    found: dict[tuple[str, DefsStateManagementType], list[Component]] = {}
    for component in discovery.components:
        if component.management_type is not DefsStateManagementType.LOCAL_FILESYSTEM:
            found.setdefault((component.key, component.management_type), []).append(component)
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    return tuple(RuntimeKey(key, strategy, refs(components)) for (key, strategy), components in ordered)
