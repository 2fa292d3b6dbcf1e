"""Why state that should be in an artifact is not in there; no I/O."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from packaging.utils import canonicalize_name

from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.verify.backends import left_out
from statebake.verify.cause import ProjectFacts
from statebake.verify.copies import Copies, Copy
from statebake.verify.expected import ExpectedKey
from statebake.verify.origins import editable
from statebake.verify.subject import Subject

_SHOWN = 3


def why_missing(
    key: ExpectedKey, copy: Copy | None, copies: Copies, subject: Subject, facts: ProjectFacts | None
) -> Finding:
    """Return the finding for a key of which nothing is in ``copy``, the one that is read; ``None``: there is none."""
    name = sanitize_key(key.key)
    where = subject.inside(f"{copy.path}/{name}") if copy else subject.name

    def found(code: Code, message: str, next_step: str, place: str = where) -> Finding:
        return Finding(code, Severity.ERROR, key.key, message, place, next_step)

    second = next((other for other in copies.unread if other.state and name in other.state.directories), None)
    if copy and second:
        return found(
            Code.SECOND_COPY,
            f"{subject.the} imports the package from {copy.directory}, which has no state of {key.key}; that is in a "
            f"second copy, {second.directory}.",
            f"leave one of the copies out: {subject.bake} puts the package in once",
        )
    astray = next((state for state in copies.astray if name in state.directories), None)
    if astray:
        package = copies.place.rpartition("/")[0].replace("/", ".")
        read = f"it is read from {copy.path}" if copy else f"there is no package {package} on the import path"
        return found(
            Code.WRONG_PLACE,
            f"The state of {key.key} is in {astray.path}, from where nothing is imported: {read}.",
            f"put the package itself on the import path, not the directory above it: {subject.bake} does so",
            subject.inside(f"{astray.path}/{name}"),
        )
    missing = f"The state of {key.key} is not in {subject.the_own}"
    if facts and not facts.keys.get(key.key):
        return found(
            Code.MISSING_STATE,
            f"{missing}, and not in the work tree either.",
            f"statebake refresh --key {shlex.quote(key.key)}",
        )
    if facts and subject.is_image and not (copy and copy.installed):
        for loss in facts.context_losses:
            if key.key in loss.keys:
                return found(
                    Code.NOT_IN_CONTEXT,
                    f"{missing}: `{loss.rule}` (`{loss.text}`) keeps it out of the build context.",
                    loss.mend,
                    loss.rule,
                )
    if facts and ((copy and copy.installed) or subject.kind in {"wheel", "environment"}):
        if copy is None and canonicalize_name(facts.name) in editable(subject.around):
            return found(
                Code.LEFT_OUT_BY_BACKEND,
                f"{missing}: {facts.name} is installed editable, and its state is read where the project is.",
                "verify the work tree: statebake verify",
            )
        if copy is None:
            return found(
                Code.LEFT_OUT_BY_BACKEND,
                f"{missing}: the package {facts.package.replace('/', '.')} itself is not in there.",
                "see which packages the build backend finds, and name this one",
            )
        cause = left_out(facts, facts.keys[key.key])
        return found(cause.code, f"{missing}: {cause.why}.", cause.next_step, cause.where)
    expected = ": nor is the package that would read it"
    if copy:
        there = copy.state is not None and name in copy.state.directories
        expected = f": {copy.path}/{name} is empty" if there else f": there is no {copy.path}/{name}"
    hint = "" if facts else "; with --project DIR the cause is looked for in its settings"
    return found(Code.MISSING_STATE, f"{missing}{expected}.", f"{subject.again}{hint}")


def why_partly_missing(
    key: str, copy: Copy, subject: Subject, facts: ProjectFacts | None, lost: Sequence[str]
) -> Finding | None:
    """Return the finding for a key of which the ``lost`` files are not there; ``None``: it is not known why."""
    if facts is None or not lost or not copy.installed:
        return None
    cause = left_out(facts, lost)
    start = len(facts.state) + len(sanitize_key(key)) + 2
    names = ", ".join(file[start:] for file in lost[:_SHOWN])
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    be = "is" if len(lost) == 1 else "are"
    return Finding(
        cause.code,
        Severity.ERROR,
        key,
        f"Of the state of {key}, {len(lost)} of {len(facts.keys[key])} files {be} not in {subject.the_own} "
        f"({names}{more}): {cause.why}.",
        cause.where,
        cause.next_step,
    )


def lost_files(key: str, copy: Copy, subject: Subject, facts: ProjectFacts | None) -> list[str]:
    """Return the files of a key in the work tree that the artifact has not, if its files are known by name."""
    if facts is None or not subject.around.roots:
        return []
    return [
        file for file in facts.keys.get(key, ()) if f"{copy.path}{file[len(facts.state) :]}" not in subject.around.files
    ]
