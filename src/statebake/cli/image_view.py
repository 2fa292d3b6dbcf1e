"""What ``bake docker`` shows of an image, as lines of text and as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from statebake.cli import human

if TYPE_CHECKING:
    from statebake.pipeline.build_inputs import BuildInputs, ImageInputs
    from statebake.pipeline.building import ImageReport
    from statebake.verify import ReadImage


def inputs_lines(inputs: ImageInputs) -> Iterator[str]:
    """Yield what would be built, and from what."""
    plan, dockerfile = inputs.plan, inputs.dockerfile
    source = human.path(dockerfile.path) if dockerfile.path else "a Dockerfile made for the build"
    yield f"  Dockerfile: {source}{'' if dockerfile.ours else ', your own'}"
    if dockerfile.ours:
        yield f"  from {plan.base_image}, runs {shlex.join(plan.command)} as {plan.user}"
        yield f"  dependencies from {human.path(inputs.parts.dependencies.path)}"
        yield f"  state in {plan.state_in_image}"
    yield f"  build context: {human.path(plan.context)}"


def written_lines(inputs: ImageInputs, written: BuildInputs) -> Iterator[str]:
    """Yield what was written for a build that somebody else does."""
    if written.context is not None:
        files = human.count(written.context.files, "file")
        yield f"  build context: {files}, {human.size(written.context.bytes)}"
    if inputs.dockerfile.path is None:
        yield f"  next: {inputs.dockerfile.command}"
    else:
        where = [human.path(inputs.plan.context)]
        yield f"  next: {shlex.join(['docker', 'build', '-f', human.path(inputs.dockerfile.path), *where])}"


def report_lines(report: ImageReport) -> Iterator[str]:
    """Yield what is to be known of an image that was built, after its first line."""
    for image in report.proof.images:
        yield f"  {image.facts.platform}  {image.facts.id}{_state_layer(image)}"
    if report.digest:
        yield f"  {'pushed as' if report.pushed else 'manifest'} {report.digest}"
    steps = f"{human.count(report.built.cached, 'step')} from the cache, {report.built.ran} run"
    sent = f"; {human.size(report.built.sent)} of build context sent" if report.built.sent is not None else ""
    yield f"  {steps}{sent}"
    if report.loses:
        yield f"  built by {report.builder}, without {', '.join(report.loses)}"
    places = [(item.where or "").partition("!")[2] for item in report.verified.findings]
    told = tuple(f"{place} " for place in places if place)
    for text in report.proof.odd:
        if not text.startswith(told):
            yield f"  note: {text}"
    name = report.tags[0] if report.tags else report.built.id
    if not (report.pushed and len(report.proof.images) > 1):
        yield f"  next: statebake inspect {shlex.quote(name)}"


def headline(report: ImageReport) -> str:
    """Return what was made, and that it is proved."""
    keys = len(report.proof.manifest.keys)
    proof = f"{human.count(keys, 'key')}, every digest proved in the image" if keys else "no keys"
    size = max(image.facts.size for image in report.proof.images)
    return f"{', '.join(report.tags) or report.built.id}  {human.size(size)}, {proof}"


def report_json(report: ImageReport) -> dict[str, Any]:
    """Return an image that was built as a JSON object; sizes in bytes."""
    return {
        "id": report.built.id,
        "tags": list(report.tags),
        "digest": report.digest,
        "pushed": report.pushed,
        "builder": report.builder,
        "loses": list(report.loses),
        "steps": {"cached": report.built.cached, "run": report.built.ran},
        "context": {
            "sent": report.built.sent,
            "needed": report.context.bytes if report.context else None,
            "files": report.context.files if report.context else None,
        },
        "platforms": [
            {
                "platform": image.facts.platform,
                "id": image.facts.id,
                "bytes": image.facts.size,
                "labels": dict(image.facts.labels),
                "layers": [
                    {"diff_id": layer.diff_id, "bytes": layer.size, "instruction": layer.instruction}
                    for layer in image.facts.layers
                ],
                "state": [
                    {"path": state.path, "layer": image.layers.get(state.path)}
                    for state in image.states
                    if not state.empty
                ],
            }
            for image in report.proof.images
        ],
        "manifest": json.loads(report.proof.manifest.dumps()),
        "notes": list(report.proof.odd),
    }


def inputs_json(inputs: ImageInputs) -> dict[str, Any]:
    """Return what would be built as a JSON object."""
    plan, dockerfile = inputs.plan, inputs.dockerfile
    return {
        "dockerfile": str(dockerfile.path) if dockerfile.path else None,
        "made_by_statebake": dockerfile.ours,
        "out_of_date": dockerfile.outdated,
        "context": str(plan.context),
        "base_image": plan.base_image if dockerfile.ours else None,
        "command": list(plan.command) if dockerfile.ours else None,
        "state": plan.state_in_image if dockerfile.ours else None,
        "dependencies_from": str(inputs.parts.dependencies.path) if dockerfile.ours else None,
    }


def written_json(written: BuildInputs) -> dict[str, Any]:
    """Return what was written for a build as a JSON object."""
    context = written.context
    return {
        "inputs": str(written.directory) if written.directory else None,
        "manifest": json.loads(written.manifest.dumps()) if written.manifest else None,
        "context": {"files": context.files, "bytes": context.bytes} if context else None,
    }


def _state_layer(image: ReadImage) -> str:
    found = [number for state in image.states if (number := image.layers.get(state.path)) is not None]
    if len(found) != 1:
        return ""
    size = image.facts.layers[found[0]].size
    return f"; state is layer {found[0] + 1} of {len(image.facts.layers)}, {human.size(size)}"
