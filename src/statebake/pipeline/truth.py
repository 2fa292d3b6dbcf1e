"""The truth check of an artifact: what it is compared with, and what is known of the project that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from statebake.bake import runtime_keys
from statebake.bake.image.context import find_ignore_file, read_rules
from statebake.bake.image.context_check import Required, find_losses, find_mending_lines
from statebake.check import Snapshot
from statebake.config import import_root
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.keys import IGNORE_NAME, MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME, sanitize_key
from statebake.model.tree import list_files
from statebake.pipeline import OpenProject
from statebake.pipeline.inspecting import Artifact, find_artifact
from statebake.verify.cause import ContextLoss, IgnoreFile, ProjectFacts
from statebake.verify.expected import Expected, ExpectedKey, read_expected
from statebake.verify.subject import Subject
from statebake.verify.truth import Truth, carried, judge

_LARGEST_IGNORE_FILE = 1 << 20


def check_truth(
    artifact: Artifact,
    *,
    against: Expected | None = None,
    project: Expected | None = None,
    facts: ProjectFacts | None = None,
    now: datetime,
) -> Truth:
    """Return whether an artifact carries the state that it should; see ``statebake.verify.truth.judge``."""
    return judge(subject_of(artifact), against=against, project=project, facts=facts, now=now)


def subject_of(artifact: Artifact) -> Subject:
    """Return an artifact as what is judged."""
    facts = artifact.image.facts if artifact.image else None
    python_path = facts.texts.get("variable PYTHONPATH", "").partition("=")[2] if facts else ""
    return Subject(
        name=artifact.name,
        kind=artifact.kind,
        states=artifact.states,
        around=artifact.around,
        user=facts.user if facts else "",
        import_path=tuple(filter(None, python_path.split(":"))),
    )


def read_against(name: str, env: Mapping[str, str], *, image: bool = False) -> Expected:
    """Return what ``name``, a manifest or another artifact, carries.

    Raises ``StatebakeError`` as ``find_artifact`` does, and ``NOT_AN_ARTIFACT`` for one that has not the state of
    exactly one project.
    """
    path = Path(name)
    if not image and path.is_file() and (path.name == MANIFEST_NAME or path.suffix == ".json"):
        return read_expected(path)
    found = [carried(subject_of(artifact)) for artifact in find_artifact(name, env, image=image, look_around=True)]
    if not found or found[0] is None or any(other != found[0] for other in found):
        why = "its images carry different state" if any(found) else "it does not carry the state of one project"
        raise StatebakeError(
            Code.NOT_AN_ARTIFACT,
            f"Nothing can be compared with this: {why}.",
            where=name,
            next_step="name a project, a manifest, or an artifact with the state of one project",
        )
    return found[0]


def expected_here(opened: OpenProject, snapshot: Snapshot) -> Expected:
    """Return what the work tree has: every key that is kept in it, with what ``snapshot`` says of its content."""
    discovery, project = opened.discovery, opened.target.project
    keys = []
    for key in discovery.local_keys:
        found = snapshot.key_dirs.get(sanitize_key(key))
        summary, record = (found.summary, found.record) if found else (None, None)
        sound = summary is not None and record is not None and record.digest == summary.digest
        keys.append(
            ExpectedKey(
                key=key,
                declared_at=tuple(component.declared_at for component in discovery.components_of(key)),
                digest=summary.digest if summary else None,
                fetched_at=record.fetched_at if record and sound else None,
            )
        )
    root = import_root(project.directory, discovery.defs_dir).resolve()
    state = discovery.defs_dir.resolve() / STATE_DIR_NAME
    return Expected(
        source=f"the work tree {project.name}",
        keys=tuple(keys),
        host=discovery.host,
        place=state.relative_to(root).as_posix(),
        name=project.name,
        state=state.relative_to(project.directory).as_posix(),
        runtime=runtime_keys(discovery),
    )


def facts_here(opened: OpenProject, snapshot: Snapshot) -> ProjectFacts:
    """Return what decides which of the project's files are in its artifacts.

    Raises ``StatebakeError``: ``OTHER_COPY``; ``BAD_SETTING`` for a ``.dockerignore`` that cannot be read.
    """
    discovery, project = opened.discovery, opened.target.project
    directory = project.directory
    host = find_host(opened.target.settings.host or project.host)
    root = import_root(directory, discovery.defs_dir).resolve()
    state = (discovery.defs_dir.resolve() / STATE_DIR_NAME).relative_to(directory).as_posix()
    keys = {key: _files(snapshot, key, state) for key in discovery.local_keys}
    shared = [f"{state}/{IGNORE_NAME}"] if snapshot.has_ignore_file else []
    declared = {component.declared_at.rpartition(":")[0] for component in discovery.components}
    import_path = root.relative_to(directory).as_posix()
    return ProjectFacts(
        name=project.name,
        pyproject=project.pyproject,
        state=state,
        import_root="" if import_path == "." else import_path,
        keys=keys,
        shared=shared,
        declarations=sorted(file for file in declared if file.endswith((".yaml", ".yml"))),
        config=project.config_file.name if host.artifact_config(project) is not None else "",
        ignore=_ignore_file(directory),
        in_git=any((place / ".git").exists() for place in (directory, *directory.parents)),
        context_losses=_context_losses(opened, Required(state, keys, shared)),
    )


def _files(snapshot: Snapshot, key: str, state: str) -> list[str]:
    name = sanitize_key(key)
    found = snapshot.key_dirs.get(name)
    if found is None or found.summary is None or found.summary.files == 0:
        return []
    record = [RECORD_NAME] if (found.path / RECORD_NAME).is_file() else []
    return [f"{state}/{name}/{path}" for path in [*record, *(file.path for file in list_files(found.path))]]


def _ignore_file(project: Path) -> IgnoreFile | None:
    """Return the nearest ``.gitignore`` from the project up to the top of its git work tree, as hatchling finds it."""
    for depth, place in enumerate((project, *project.parents)):
        path = place / IGNORE_NAME
        if path.is_file() and path.stat().st_size <= _LARGEST_IGNORE_FILE:
            return IgnoreFile("../" * depth + IGNORE_NAME, path.read_text(encoding="utf-8", errors="replace"))
        if (place / ".git").exists():
            break
    return None


def _context_losses(opened: OpenProject, required: Required) -> tuple[ContextLoss, ...]:
    context = opened.target.project.directory
    file = find_ignore_file(context, opened.target.settings.docker.file or context / "Dockerfile")
    if file is None:
        return ()
    rules = read_rules(file, file.name)
    lines = find_mending_lines(rules, required)
    mend = f"add at the end of {file.name}: {' and '.join(lines)}" if lines else f"take this rule out of {file.name}"
    return tuple(
        ContextLoss(f"{file.name}:{loss.rule.line}", loss.rule.text, loss.keys, mend)
        for loss in find_losses(rules, required)
    )
