"""What ``inspect`` shows of an artifact, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from statebake.check.check import short
from statebake.cli import human
from statebake.cli.console import columns
from statebake.model.keys import STAGING_NAME
from statebake.model.settle import parse_time

if TYPE_CHECKING:
    from statebake.pipeline.inspecting import Artifact
    from statebake.verify import ArtifactState, ReadImage

_WIDEST_INSTRUCTION = 72
_KEYS = ("key", "proof", "age", "size", "files", "digest", "origin")


def artifact_lines(artifact: Artifact, now: datetime) -> Iterator[Text]:
    """Yield what an artifact is, and the table of keys of each of its state directories."""
    name = artifact.name if artifact.kind == "image" else human.path(Path(artifact.name))
    platform = f"  {artifact.image.facts.platform}" if artifact.image else ""
    yield Text(f"{name}  {human.size(artifact.size)}{platform}", style="bold")
    if artifact.image:
        yield from _image_lines(artifact.image, now)
    for state in artifact.states:
        yield from _state_lines(state, now)


def _image_lines(image: ReadImage, now: datetime) -> Iterator[Text]:
    facts = image.facts
    created = f", created {human.age(_seconds_since(facts.created, now))} ago" if facts.created else ""
    yield Text(f"  image {facts.id}{created}")
    for name, value in sorted(facts.labels.items()):
        if name.startswith("io.statebake."):
            yield Text(f"  {name}={human.clip(value, 400)}")
    states = {number: path for path, number in image.layers.items()}
    rows = [
        (
            str(number + 1),
            human.size(layer.size),
            Text("state", style="green") if number in states else Text(""),
            _shortened(layer.instruction or "–"),
        )
        for number, layer in enumerate(facts.layers)
    ]
    for line in columns(("layer", "size", "", "made by"), rows, right=("layer", "size")):
        yield Text("  ") + line


def _state_lines(state: ArtifactState, now: datetime) -> Iterator[Text]:
    manifest = state.manifest
    if manifest is not None:
        facts = [f"project {manifest.project}", manifest.host, f"baked by {manifest.tool}"]
        if manifest.revision:
            commit, _, dirty = manifest.revision.partition("-")
            facts.append(f"revision {commit[:12]}{' with changes' if dirty else ''}")
        yield Text(f"  {', '.join(facts)}")
    else:
        yield Text("  no manifest: the keys are those whose records are there")
    yield Text(f"  state in {state.path}")
    rows = []
    for key in state.keys:
        record, summary = key.record, key.summary
        fetched = _seconds_since(record.fetched_at, now) if record.fetched_at else None
        sound = summary is not None and summary.digest == record.digest
        rows.append(
            (
                record.key,
                Text("ok" if sound else "differs" if summary else "missing", style="green" if sound else "red"),
                human.age(fetched),
                human.size(summary.bytes if summary else None),
                str(summary.files) if summary else "–",
                short(summary.digest) if summary else "–",
                record.origin,
            )
        )
    for item in manifest.runtime if manifest else ():
        yield Text(f"  fetched at run time: {human.clip(item.key, 400)} ({item.management_type.value})", "yellow")
    if manifest is None:
        for name in (name for name in state.unexpected if name != STAGING_NAME):
            summary = state.directories[name]
            unrecorded = Text("no record", style="yellow")
            size, files = human.size(summary.bytes), str(summary.files)
            rows.append((name, unrecorded, "–", size, files, short(summary.digest), "unrecorded"))
    yield from columns(_KEYS, rows, right=("age", "size", "files"))
    for record in (key.record for key in state.keys):
        if stale := record.stale:
            since = f"it was confirmed {human.age(stale.age_s)} before the fetch at {stale.failed_at} failed"
            yield Text(f"  stale: {record.key}: {since}: {human.clip(stale.reason, 400)}", "yellow")


def _seconds_since(time: str, now: datetime) -> float | None:
    try:
        return (now - parse_time(re.sub(r"\.\d+", "", time))).total_seconds()
    except (ValueError, TypeError):
        return None  # an image may say anything


def _shortened(instruction: str) -> str:
    plain = human.clip(instruction, 10_000)
    return plain if len(plain) <= _WIDEST_INSTRUCTION else f"{plain[: _WIDEST_INSTRUCTION - 1]}…"
