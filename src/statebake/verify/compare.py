"""Comparing what an artifact carries with what it must carry; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from statebake.errors import Code, StatebakeError
from statebake.model.keys import STAGING_NAME, STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.verify.artifact import ArtifactState

_NO_IGNORE_FILE = "its .gitignore is missing, which Dagster would write at run time"


def compare(states: Sequence[ArtifactState], expected: Manifest, where: str) -> None:
    """Raise ``StatebakeError`` (``ARTIFACT_MISMATCH``) unless ``states`` is one directory with exactly ``expected``.

    State directories without a manifest are somebody else's: a package's own test data, for example.
    """
    states = [state for state in states if state.manifest is not None]
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
        raise _mismatch(
            problems,
            where,
            "bake again, with no refresh at the same time; if it stays so, report what statebake inspect prints",
        )


def compare_content(
    states: Sequence[ArtifactState],
    expected: Manifest,
    path: str,
    where: str,
    *,
    needs_ignore_file: bool,
    user: str = "",
) -> tuple[str, ...]:
    """Compare an image that somebody else's Dockerfile made; return what is odd and no error, a sentence each.

    ``path`` is the state directory as it is imported, ``shop/defs/.local_defs_state``: every state directory of the
    image whose path ends with it must have each expected key with its digest, for any of them may be the one that is
    loaded. ``user``, as whom the image runs, must be able to read it.

    Raises ``StatebakeError`` (``ARTIFACT_MISMATCH``) where one is not so, or where there is none.
    """
    problems, odd = [], []
    found = False
    for state in states:
        if not f"/{state.path}".endswith(f"/{path}"):
            odd.append(f"{state.path} is a state directory as well; nothing was compared with it.")
            continue
        found = True
        for record in expected.keys:
            summary = state.directories.get(sanitize_key(record.key))
            if summary is None:
                problems.append(f"the state of {record.key} is missing in {state.path}")
            elif summary.digest != record.digest:
                problems.append(
                    f"the state of {record.key} in {state.path} has the digest {summary.digest}, not {record.digest}"
                )
        if unreadable := closed_to(state.owners, user):
            problems.append(f"{unreadable} cannot be read by the user that the image runs as, {user}")
        if needs_ignore_file and not state.has_ignore_file:
            problems.append(f"{state.path}/.gitignore is missing, which Dagster would write at run time")
        names = {sanitize_key(record.key) for record in expected.keys}
        if STAGING_NAME in state.directories:
            rule = f"**/{STATE_DIR_NAME}/{STAGING_NAME}"
            odd.append(f"{state.path}/{STAGING_NAME} is what refreshes leave; `{rule}` in .dockerignore keeps it out.")
        extra = [name for name in state.directories if name not in {*names, STAGING_NAME}]
        odd.extend(f"{state.path}/{name} is the state of no key of this project." for name in extra)
    if not found:
        problems.append(f"it has no directory {path}")
    if problems:
        raise _mismatch(problems, where, "see in the Dockerfile which COPY brings the state in, or changes it")
    return tuple(odd)


def closed_to(owners: Mapping[str, int], user: str) -> str | None:
    """Return the first path that ``user`` may not read, of those that only their owner may.

    Whoever has a name instead of a number is not root.
    """
    name = user.partition(":")[0]
    if name in {"", "root", "0"}:
        return None
    number = int(name) if name.isdecimal() else None
    closed = (path for path, owner in owners.items() if (owner != number if number is not None else owner == 0))
    return min(closed, default=None)


def artifact_error(state: ArtifactState, where: str, again: str = "statebake bake pex") -> StatebakeError | None:
    """Return what is wrong with an artifact's state directory by its own manifest, or ``None``.

    ``again`` is the command that bakes such an artifact.
    """
    problems = mismatches(state)
    if not state.has_ignore_file:
        problems.append(_NO_IGNORE_FILE)
    if not problems:
        return None
    says = "its manifest says" if state.manifest else "its records say"
    return StatebakeError(
        Code.ARTIFACT_MISMATCH,
        f"The artifact is not what {says}: {'; '.join(problems)}.",
        where=f"{where}: {state.path}",
        next_step=f"bake it again: {again}",
    )


def mismatches(state: ArtifactState) -> list[str]:
    """Return how the content of a state directory differs from its own manifest or records, a phrase each."""
    found = []
    for key in state.keys:
        if key.summary is None:
            found.append(f"the state of {key.record.key} is missing")
        elif key.summary.digest != key.record.digest:
            found.append(f"the state of {key.record.key} has the digest {key.summary.digest}, not {key.record.digest}")
    if state.manifest is None:
        return found  # state without a record is what Dagster writes
    return found + [f"no expected key explains {name}" for name in state.unexpected]


def _mismatch(problems: Sequence[str], where: str, next_step: str) -> StatebakeError:
    return StatebakeError(
        Code.ARTIFACT_MISMATCH,
        f"The artifact does not carry the state that was checked: {'; '.join(problems)}.",
        where=where,
        next_step=next_step,
    )
