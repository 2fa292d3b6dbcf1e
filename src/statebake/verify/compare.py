"""Comparing what an artifact carries with what it must carry; no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from statebake.verify.pex import ArtifactState


def compare(states: Sequence[ArtifactState], expected: Manifest, where: str) -> None:
    """Raise ``StatebakeError`` (``ARTIFACT_MISMATCH``) unless ``states`` is one directory with exactly ``expected``."""
    problems = []
    if len(states) != 1:
        problems.append(f"it has {len(states)} state directories with a manifest, not one")
    for state in states:
        if state.manifest != expected:
            problems.append(f"the manifest in {state.path} is not the one that was baked")
        if not state.has_ignore_file:
            problems.append(f"{state.path}/.gitignore is missing")
        problems.extend(mismatches(state))
    if problems:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The artifact does not carry the state that was checked: {'; '.join(problems)}.",
            where=where,
            next_step="bake again; if it stays so, report it with the output of statebake inspect",
        )


def artifact_error(state: ArtifactState, where: str) -> StatebakeError | None:
    """Return what is wrong with an artifact's state directory by its own manifest, or ``None``."""
    problems = mismatches(state)
    if not state.has_ignore_file:
        problems.append("its .gitignore is missing, which Dagster would write at run time")
    if not problems:
        return None
    return StatebakeError(
        Code.ARTIFACT_MISMATCH,
        f"The artifact is not what its manifest says: {'; '.join(problems)}.",
        where=f"{where}: {state.path}",
        next_step="bake it again: statebake bake pex",
    )


def mismatches(state: ArtifactState) -> list[str]:
    """Return how the content of a state directory differs from its own manifest, a phrase each."""
    found = []
    for key in state.keys:
        if key.summary is None:
            found.append(f"the state of {key.record.key} is missing")
        elif key.summary.digest != key.record.digest:
            found.append(f"the state of {key.record.key} has the digest {key.summary.digest}, not {key.record.digest}")
    return found + [f"no expected key explains {name}" for name in state.unexpected]
