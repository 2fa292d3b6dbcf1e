"""What is to be written so that a project is set up: from facts to changes; no I/O."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.bake.dependency_source import DependencyKind
from statebake.bake.diff import diff_lines
from statebake.bake.image.generated import FileState, state_of
from statebake.bake.image.generated_files import FileStatus
from statebake.config import table_at
from statebake.config.uv_cache import cache_keys_with, state_entry, state_is_in_cache_keys
from statebake.errors import Code, StatebakeError
from statebake.setup import gitlab
from statebake.setup.build_system import BuildFacts, BuildPlan, plan_build
from statebake.setup.ci import CiJob, github_workflow, gitlab_job, without_mark
from statebake.setup.facts import ExactFile, Facts
from statebake.setup.notes import Note
from statebake.setup.toml_edit import AddEntry, Edit, SetValue, edited

BUILDS = ("uv build", "python -m build")
"""The next steps that build a project: in the current directory, or in one that follows."""
_CACHE_KEYS = ("tool", "uv", "cache-keys")


@dataclass(frozen=True)
class Change:
    """A file: its path, its text (``None``: there is none), the text that it is to have, and why."""

    path: Path
    old: str | None
    new: str
    why: str

    def diff(self, name: str) -> list[str]:
        """Return the lines of a unified diff of the file called ``name``."""
        return diff_lines(self.old, self.new, f"a/{name}" if self.old is not None else "/dev/null", f"b/{name}")


@dataclass(frozen=True)
class SetupPlan:
    """What is to be done.

    Attributes:
        found: what was found in the project, and its name.
        changes: the files to write, in this order: whatever of them is written, the project can be built.
        notes: what the user should know, and what is left to do by hand.
        next_steps: the commands that come next.
    """

    found: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    notes: tuple[Note, ...]
    next_steps: tuple[str, ...]

    @property
    def to_do(self) -> tuple[Note, ...]:
        """Those of the notes without which the project is not set up: what they say must be done by hand."""
        return tuple(note for note in self.notes if note.to_do)


def plan_setup(facts: Facts) -> SetupPlan:
    """Return what is to be written for a project.

    Raises ``StatebakeError``: ``BAD_SETTING`` for files that no build could read, or that cannot be extended,
    ``NO_BACKEND`` where statebake would wrap itself.
    """
    build = _build(facts)
    changes = [*_toml_changes(facts, build)]
    notes = []
    if isinstance(facts.defs, StatebakeError):
        notes.append(Note(f"{facts.defs.message} {_sentence(facts.defs.next_step)}", to_do=True))
    notes += build.notes
    for part in (*_ci(facts, build), *_docker(facts)):
        if isinstance(part, Change):
            changes.append(part)
        else:
            notes.append(part)
    return SetupPlan(tuple(_found(facts, build)), tuple(changes), tuple(notes), tuple(_next_steps(facts, build)))


def _build(facts: Facts) -> BuildPlan:
    if facts.pyproject is None:
        return BuildPlan(False, "none: there is no pyproject.toml")
    own, hatch = facts.own, facts.hatch
    return plan_build(
        BuildFacts(
            facts.pyproject.toml,
            own=own.toml if own else None,
            hatch=hatch.toml.data if hatch else None,
            setup_py=facts.setup_py,
            uv=facts.uv is not None and not facts.only_a_source,  # uv builds every source
            single_module=facts.single_module,
            defs_found=not isinstance(facts.defs, StatebakeError),
        )
    )


def _toml_changes(facts: Facts, build: BuildPlan) -> Iterator[Change]:
    """Yield the changes of ``statebake.toml`` and ``pyproject.toml``; the former alone does no harm, so it is first."""
    if facts.own is not None and build.own_edits:
        yield _edited(facts.own, build.own_edits, "which build backend statebake wraps")
    if facts.pyproject is None:
        return
    reasons = ["a build of the project carries its state"] if build.edits else []
    edits = list(build.edits)
    if facts.uv and build.built and build.with_state and (keys := _cache_keys_edit(facts.pyproject, facts)):
        edits.append(keys)
        reasons.append("uv notices new state, and does not install an old wheel from its cache")
    if edits:
        yield _edited(facts.pyproject, edits, "; ".join(reasons))


def _edited(file: ExactFile, edits: Sequence[Edit], why: str) -> Change:
    return Change(file.toml.path, file.text, edited(file.toml, file.text, edits), why)


def _cache_keys_edit(file: ExactFile, facts: Facts) -> Edit | None:
    data, state_dir = file.toml.data, facts.state_dir
    if state_dir is None or state_is_in_cache_keys(data, state_dir):
        return None
    given: Any = table_at(data, *_CACHE_KEYS)
    if given is None:
        return SetValue(_CACHE_KEYS, cache_keys_with(data, state_dir))
    if not isinstance(given, list):
        raise StatebakeError(
            Code.BAD_SETTING,
            "`cache-keys` is not a list.",
            where=file.toml.where(*_CACHE_KEYS),
            next_step='write it as a list: cache-keys = [{ file = "pyproject.toml" }]',
        )
    return AddEntry(_CACHE_KEYS, state_entry(state_dir))


def _ci(facts: Facts, build: BuildPlan) -> Iterator[Change | Note]:
    ci = facts.ci
    if not ci.github and ci.gitlab is None:
        return
    inside = facts.project.directory.relative_to(ci.root).as_posix()
    lock = facts.lock
    locked = lock is not None and lock.kind is DependencyKind.UV_LOCK
    if not (build.built or (lock is not None and (lock.locked or facts.uv))):
        yield Note("CI stays as it is: nothing says what is to be installed there. A requirements.txt or a lock does.")
        return
    job = CiJob(
        directory="" if inside == "." else inside,
        uv=facts.uv is not None,
        member=facts.member or (locked and lock is not None and lock.path.parent != facts.project.directory),
        lock=lock.kind if lock is not None and lock.locked else None,
        lock_path=Path(os.path.relpath(lock.path, facts.project.directory)).as_posix() if lock is not None else "",
        python=facts.python,
        variables=facts.variables,
        built=build.built and build.with_state,
    )
    if ci.github:
        yield from _generated(facts, f".github/workflows/{job.title}.yml", github_workflow(job), "CI fetches the state")
    if ci.gitlab is not None:
        yield from _gitlab(facts, ci.gitlab, job)


def _gitlab(facts: Facts, pipeline: str, job: CiJob) -> Iterator[Change | Note]:
    """Yield the change of the job's file, and that of ``.gitlab-ci.yml``, which never takes in what is not ours."""
    path = f".gitlab/{job.title}.yml"
    included = gitlab.include(pipeline, path, facts.ci.included)
    old = facts.ci.files.get(path)
    if rival := gitlab.rival_of(pipeline, job.title, merged=old is not None and included == pipeline):
        yield rival
        return
    if old is not None and state_of(old) is FileState.FOREIGN:
        runs = included == pipeline and "statebake refresh" in old  # as somebody wants it
        anew = "" if runs else " Give it another name, and the next `statebake init` writes the job of statebake."
        yield Note(f"{_foreign(path)}{anew}", to_do=not runs)
        return
    yield from _generated(facts, path, gitlab_job(job, gitlab.stage_of(pipeline)), "CI fetches the state")
    if isinstance(included, Note):
        yield included
    elif included != pipeline:
        yield Change(facts.ci.root / gitlab.FILE, pipeline, included, f"GitLab reads {path}")


def _generated(facts: Facts, name: str, text: str, why: str) -> Iterator[Change | Note]:
    """Yield the change of a file that is all statebake's; what somebody else wrote, or edited, stays."""
    old = facts.ci.files.get(name)
    known = FileState.INTACT if old is None else state_of(old)
    if old is not None and known is FileState.INTACT and without_mark(old) == without_mark(text):
        return
    if known is FileState.EDITED:
        anew = "Delete it, and the next `statebake init` writes it anew."
        yield Note(f"{name} was edited by hand: it stays as it is. {anew}")
    elif known is FileState.FOREIGN:
        yield Note(_foreign(name))
    else:
        yield Change(facts.ci.root / name, old, text, why)


def _foreign(name: str) -> str:
    return f"{name} is there already and is not of statebake: it stays as it is."


def _docker(facts: Facts) -> Iterator[Change | Note]:
    docker = facts.docker
    if docker.note:
        yield docker.note
    file = docker.ignore
    if file is None or file.status is FileStatus.CURRENT:
        return
    if file.status is FileStatus.EDITED:
        yield Note(
            f"The block of statebake in {file.path.name} was edited by hand: it stays as it is. "
            "`statebake dockerfile --force` writes it anew."
        )
        return
    why = f"{docker.losing} keeps the state out" if docker.losing else "the block of statebake is out of date"
    yield Change(file.path, file.old, file.new, why)


def _found(facts: Facts, build: BuildPlan) -> Iterator[tuple[str, str]]:
    directory = facts.project.directory
    at = f" ({build.where.removeprefix(f'{directory}/')})" if build.where else ""
    yield "build backend", f"{build.backend}{at}"
    known = not isinstance(facts.defs, StatebakeError)
    yield "host", f"{facts.host}, definitions in {facts.defs}" if known else f"{facts.host}, definitions not found"
    yield "lock file", _lock_file(facts)
    yield "interpreter", facts.interpreter
    yield "uv", f"used ({facts.uv})" if facts.uv else "not used"
    ci = [name for name, there in (("GitHub", facts.ci.github), ("GitLab", facts.ci.gitlab is not None)) if there]
    yield "CI", ", ".join(ci) or "none"
    yield "Docker", ", ".join(facts.docker.files) or "none"


def _lock_file(facts: Facts) -> str:
    lock, directory = facts.lock, facts.project.directory
    if lock is not None and lock.locked:
        path = lock.path
        return str(path.relative_to(directory)) if path.is_relative_to(directory) else f"{path.parent.name}/{path.name}"
    none = f"none that statebake reads ({facts.unread_lock})" if facts.unread_lock else "none"
    return none if lock is None else f"{none}: dependencies from pyproject.toml"


def _next_steps(facts: Facts, build: BuildPlan) -> Iterator[str]:
    yield "statebake refresh"
    if build.built and build.with_state:
        yield BUILDS[0 if facts.uv else 1]
    if facts.docker.files:
        yield "statebake dockerfile"


def _sentence(text: str | None) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
