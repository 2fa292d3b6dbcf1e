"""Judging what is around the state: its other copies, its ignore file, configuration and declarations; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from statebake.config.dg import configured_module, loads_package
from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.keys import IGNORE_NAME, STAGING_NAME, sanitize_key
from statebake.verify.artifact import ArtifactState
from statebake.verify.backends import config_mend, left_out
from statebake.verify.cause import ProjectFacts
from statebake.verify.compare import closed_to
from statebake.verify.copies import Copies, Copy
from statebake.verify.expected import ExpectedKey
from statebake.verify.subject import Subject
from statebake.verify.surroundings import join

_SHOWN = 3


def judge_place(
    copies: Copies,
    subject: Subject,
    keys: Sequence[ExpectedKey],
    told: Sequence[Finding],
    *,
    host: str,
    facts: ProjectFacts | None,
) -> Iterator[Finding]:
    """Yield what is wrong besides the ``keys``, of which ``told`` has been found."""
    yield from _second_copies(copies, subject, keys, told)
    dagster = host.startswith("dagster ")
    for copy in copies.read:
        if copy.state is not None:
            yield from _around_state(copy, copy.state, subject, keys, dagster=dagster, facts=facts)
        if copy.state is not None or copy is copies.read[0]:
            yield from _beside(copy, copies, subject, keys, dagster=dagster, facts=facts)
    yield from _unlisted(copies, subject)


def _second_copies(
    copies: Copies, subject: Subject, keys: Sequence[ExpectedKey], told: Sequence[Finding]
) -> Iterator[Finding]:
    if any(finding.code is Code.SECOND_COPY for finding in told) or not copies.read:
        return
    first = copies.read[0]
    for other in copies.read[1:]:
        if different := _different(first.state, other.state, keys):
            yield Finding(
                Code.SECOND_COPY,
                Severity.ERROR,
                None,
                f"{subject.the} has two copies of the package, {first.directory} and {other.directory}, with different "
                f"state of {_listed(different)}; only a run can tell which is imported.",
                subject.inside(other.path),
                "have one of them only: see in the Dockerfile which COPY or RUN brings the other one in",
            )
    for other in copies.unread:
        if subject.is_image and first.state is not None and _comes_first(other, copies, subject):
            yield Finding(
                Code.SECOND_COPY,
                Severity.ERROR,
                None,
                f"{subject.the} imports the package from {other.directory}, which its variable PYTHONPATH names, and "
                f"has no state there; that is in {first.directory}.",
                subject.inside(other.directory),
                "have one of them only: see in the Dockerfile which COPY or RUN brings the other one in",
            )
        elif subject.is_image and first.state is not None:
            yield Finding(
                Code.SECOND_COPY,
                Severity.WARNING,
                None,
                f"{subject.the} has a second copy of the package, {other.directory}, without the state that "
                f"{first.directory} has; only a run can tell which is imported.",
                subject.inside(other.directory),
                "have one of them only: see in the Dockerfile which COPY or RUN brings the other one in",
            )
        elif other.state is not None and (different := _different(first.state, other.state, keys)):
            sure = first.installed and other.installed
            yield Finding(
                Code.SECOND_COPY,
                Severity.ERROR if sure else Severity.WARNING,
                None,
                f"{subject.the} has a second copy of the package, {other.directory}, with different state of "
                f"{_listed(different)}; {first.directory} is what is imported.",
                subject.inside(other.path),
                f"leave one of the copies out: {subject.bake} puts the package in once",
            )


def _comes_first(copy: Copy, copies: Copies, subject: Subject) -> bool:
    """Return whether an image's own configuration has ``copy`` imported before those that are read."""
    package = copies.place.rpartition("/")[0]
    order = [join(root.rstrip("/"), package) for root in subject.import_path]
    return copy.directory in order and not any(read.directory in order for read in copies.read)


def _different(one: ArtifactState | None, other: ArtifactState | None, keys: Sequence[ExpectedKey]) -> list[str]:
    found = []
    for key in keys:
        name = sanitize_key(key.key)
        digests = {
            state.directories[name].digest if state and name in state.directories else None for state in (one, other)
        }
        if len(digests) > 1:
            found.append(key.key)
    return found


def _around_state(
    copy: Copy,
    state: ArtifactState,
    subject: Subject,
    keys: Sequence[ExpectedKey],
    *,
    dagster: bool,
    facts: ProjectFacts | None,
) -> Iterator[Finding]:
    known = {sanitize_key(key.key) for key in keys}
    yield from _out_of_reach(copy, state, subject)
    if not state.has_ignore_file:
        ignore = f"{facts.state}/{IGNORE_NAME}" if facts else ""
        mend = left_out(facts, [ignore]).next_step if facts and copy.installed and ignore in facts.shared else None
        yield Finding(
            Code.NO_IGNORE_FILE,
            Severity.ERROR if dagster else Severity.WARNING,
            None,
            f"{copy.path}/{IGNORE_NAME} is missing in {subject.the_own}: Dagster writes it when it reads state, which "
            "fails on a read-only file system.",
            subject.inside(copy.path),
            mend or subject.again,
        )
    if closed := closed_to({**state.owners, **_closed_around(copy, subject)}, subject.user):
        yield Finding(
            Code.ARTIFACT_MISMATCH,
            Severity.ERROR,
            None,
            f"{closed} cannot be read by the user that the image runs as, {subject.user}.",
            subject.inside(closed),
            "copy it with --chmod, or as this user: COPY --chown"
            if closed.startswith(f"{copy.directory}/")
            else "put the code where this user may go, or let the directory be passed by all: chmod a+x",
        )
    for name in sorted(set(state.directories) - known):
        if not state.directories[name].files or (name == STAGING_NAME and state.idle):
            continue
        strict = state.manifest is not None and name != STAGING_NAME
        yield Finding(
            Code.ARTIFACT_MISMATCH if strict else Code.ORPHAN,
            Severity.ERROR if strict else Severity.WARNING,
            None,
            f"{subject.the} carries {name}, which is what killed refreshes leave behind, and no state."
            if name == STAGING_NAME
            else f"{subject.the} carries state that no expected key explains, {name}.",
            subject.inside(f"{copy.path}/{name}"),
            "statebake refresh, which clears it, and then " + subject.again
            if name == STAGING_NAME
            else f"remove it from the work tree if no component uses it, and {subject.again}",
        )


def _out_of_reach(copy: Copy, state: ArtifactState, subject: Subject) -> Iterator[Finding]:
    """Yield the keys whose components' classes lie beside the state, in what is not on the import path."""
    for record in state.manifest.keys if state.manifest and subject.around.roots else ():
        for module in dict.fromkeys(ref.type.rpartition(".")[0] for ref in record.components):
            path = module.replace(".", "/")
            top = path.partition("/")[0]
            root = f"/{copy.directory}/".rpartition(f"/{top}/")[0].strip("/")
            files = (f"{join(root, path)}.py", f"{join(root, path)}/__init__.py")
            if top and root not in subject.around.roots and any(file in subject.around.files for file in files):
                yield Finding(
                    Code.WRONG_PLACE,
                    Severity.ERROR,
                    record.key,
                    f"{module}, which has the class of {record.key}, is in {root}, from where nothing is imported.",
                    subject.inside(join(root, top)),
                    f"have {top}/ itself where packages are, not the directory above it, and {subject.again}",
                )


def _closed_around(copy: Copy, subject: Subject) -> dict[str, int]:
    """Return what of the package, and of the directories above it, only its owner may read or pass."""
    return {
        path: owner
        for path, owner in subject.around.closed.items()
        if f"{copy.path}/".startswith(f"{path}/") or path.startswith(f"{copy.directory}/")
    }


def _beside(
    copy: Copy,
    copies: Copies,
    subject: Subject,
    keys: Sequence[ExpectedKey],
    *,
    dagster: bool,
    facts: ProjectFacts | None,
) -> Iterator[Finding]:
    if not subject.around.files:
        return
    if dagster:
        yield from _configuration(copy, subject, facts)
    package = copies.place.rpartition("/")[0]
    for key in keys:
        lost = [path for place in key.declared_at if (path := _lost_declaration(place, package, copy, subject))]
        if lost:
            cause = left_out(facts, facts.declarations) if facts and copy.installed else None
            yield Finding(
                Code.NO_DECLARATION,
                Severity.ERROR,
                key.key,
                f"{lost[0]}, which declares {key.key}, is not in {subject.the_own}: the component does not exist there"
                + (f". {cause.why[0].upper()}{cause.why[1:]}." if cause else "."),
                subject.inside(join(copy.directory, lost[0].rpartition(f"{package}/")[2])),
                cause.next_step if cause else subject.again,
            )


def _configuration(copy: Copy, subject: Subject, facts: ProjectFacts | None) -> Iterator[Finding]:
    """Yield what is wrong with the configuration that Dagster finds first from the definitions."""
    around = subject.around
    found = (
        (path, module)
        for path in around.configs_above(copy.directory)
        if (module := configured_module(path.rpartition("/")[2], around.configs[path]))
    )
    path, module = next(found, ("", ""))
    if not path:
        yield Finding(
            Code.NO_CONFIG_FILE,
            Severity.ERROR,
            None,
            f"{subject.the} has no pyproject.toml with [tool.dg.project], and no dg.toml, in {copy.directory} or above "
            "it: Dagster finds no components and no state without.",
            subject.inside(copy.directory),
            config_mend(facts) if facts and copy.installed else f"{subject.again}, with pyproject.toml above the code",
        )
    elif not loads_package(module, copy.directory):
        yield Finding(
            Code.NO_CONFIG_FILE,
            Severity.ERROR,
            None,
            f"The first configuration that Dagster finds above {copy.directory} in {subject.the_own} is that of "
            f"another project: with {path} it loads {module} in its place.",
            subject.inside(path),
            "have each configuration in the directory of its own package, where statebake.backend puts it when the "
            "wheel is built again; or keep the projects apart",
        )


def _lost_declaration(declared_at: str, package: str, copy: Copy, subject: Subject) -> str | None:
    """Return the file of a declaration in YAML that the artifact has not."""
    file = declared_at.rpartition(":")[0] or declared_at
    whole, start = f"/{file}", f"/{package}/"
    # A path may have the package's name in it more than once: any of them can be where the package begins.
    insides = [whole[place + len(start) :] for place in range(len(whole)) if whole.startswith(start, place)]
    if not insides or not file.endswith((".yaml", ".yml")):
        return None
    return None if any(join(copy.directory, inside) in subject.around.files for inside in insides) else file


def _unlisted(copies: Copies, subject: Subject) -> Iterator[Finding]:
    for copy in copies.read:
        lost = [path for path in subject.around.unlisted if path.startswith(f"{copy.path}/")]
        if lost:
            yield Finding(
                Code.ARTIFACT_MISMATCH,
                Severity.ERROR,
                None,
                f"{len(lost)} files of the state are not in the RECORD of their wheel, {_listed(lost)}: what installs "
                "it may leave them out.",
                subject.inside(lost[0]),
                subject.again,
            )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
