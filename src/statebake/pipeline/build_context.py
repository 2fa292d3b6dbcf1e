"""What a build of an image is given: the Dockerfile, what that reads besides the project's code, and the context."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from statebake.bake.image.context import (
    IGNORE_FILE,
    ContextFile,
    ContextListing,
    find_ignore_file,
    read_context,
    read_rules,
)
from statebake.bake.image.context_check import Required, must_contain
from statebake.bake.image.dockerfile import render_dockerfile
from statebake.bake.image.generated_files import FileStatus, look_at_dockerfile, look_at_ignore_file
from statebake.bake.image.ignore_rules import Rules, parse_rules
from statebake.bake.image.inputs import write_inputs
from statebake.bake.image.made_by import read_made_by
from statebake.bake.image.plan import INPUTS_DIR, ImagePlan
from statebake.bake.image.planning import must_start
from statebake.errors import Code, StatebakeError
from statebake.model.keys import IGNORE_NAME, MANIFEST_NAME, RECORD_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.tree import list_files
from statebake.model.units import show_bytes
from statebake.pipeline import OpenProject
from statebake.pipeline.imaging import ImageParts
from statebake.pipeline.made_by import call_for, dockerfile_of
from statebake.progress import Observer

LARGE = 1_000_000_000
"""A build context of more bytes than this is probably a mistake."""


@dataclass(frozen=True)
class Dockerfile:
    """The Dockerfile of a build, and what keeps files out of its context.

    Attributes:
        path: where it is; ``None``: it is made for this build alone.
        text: what is in it.
        status: what it is by the one that statebake would write now.
        ignore_name: what to call the ignore file in messages.
        rules: what that keeps out of the context.
        ignore_text: what is in it, where it is made for this build as well.
        command: the command by which statebake would write the Dockerfile now.
    """

    path: Path | None
    text: str
    status: FileStatus
    ignore_name: str
    rules: Rules
    ignore_text: str = ""
    command: str = ""

    @property
    def ours(self) -> bool:
        """Whether statebake made it, and it is as it was made."""
        return self.status in {FileStatus.MISSING, FileStatus.CURRENT, FileStatus.OUT_OF_DATE}

    @property
    def outdated(self) -> bool:
        """Whether it is ours, and would be another one now."""
        return self.status is FileStatus.OUT_OF_DATE

    @property
    def reads_inputs(self) -> bool:
        """Whether it may read what statebake writes for a build: ours does, and one that somebody made of ours."""
        return self.ours or INPUTS_DIR in self.text


def choose_dockerfile(opened: OpenProject, parts: ImageParts, *, refresh: bool) -> Dockerfile:
    """Return the Dockerfile to build: the one that is named, the project's own, or one made for this build.

    Raises ``StatebakeError``: ``BAD_SETTING`` for one that is not there, and as ``render_dockerfile``,
    ``look_at_dockerfile`` and ``must_start`` do.
    """
    plan, target = parts.plan, opened.target
    docker, project, path = target.settings.docker, target.project.directory, dockerfile_of(target)
    call = call_for(target, path, refresh=refresh)
    found = look_at_dockerfile(path, render_dockerfile(plan, docker.template, call), however=True)
    was = None if found.old is None else read_made_by(found.old)
    if was is not None and was.refresh and not refresh:
        fetching = shlex.join(["statebake", "bake", "docker", "--refresh-in-build", *call.file])
        raise StatebakeError(
            Code.BAD_SETTING,
            f"{path.name} was made to fetch the state in the build.",
            where=str(path),
            next_step=f"{fetching}; or write one that is given the state: {call.command}",
        )
    made = found.status is FileStatus.MISSING
    if made and docker.file is not None:
        raise StatebakeError(
            Code.BAD_SETTING,
            "The Dockerfile is not there.",
            where=str(docker.file),
            next_step="correct --file, or leave it out: statebake makes one for the build",
        )
    if found.status not in {FileStatus.EDITED, FileStatus.FOREIGN}:
        must_start(opened.target.project, docker, plan)
    plain = was is None or not was.refresh
    made = made or (refresh and plain and found.status is FileStatus.OUT_OF_DATE and docker.file is None)
    if made or found.old is None:
        text = look_at_ignore_file(plan, project, path).new
        return Dockerfile(
            None, found.new, FileStatus.MISSING, IGNORE_FILE, parse_rules(text, IGNORE_FILE), text, call.command
        )
    ignored = find_ignore_file(plan.context, path)
    name = ignored.name if ignored else IGNORE_FILE
    return Dockerfile(path, found.old, found.status, name, read_rules(ignored, name), command=call.command)


def write_build_inputs(opened: OpenProject, parts: ImageParts, manifest: Manifest | None) -> Path:
    """Write what a build of statebake's Dockerfile reads besides the project's code, and return the directory.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    files = dict(parts.inputs.files)
    if manifest is not None:
        files[MANIFEST_NAME] = manifest.dumps().encode()
    return write_inputs(opened.target.project.directory, replace(parts.inputs, files=files))


def check_context(
    opened: OpenProject,
    parts: ImageParts,
    dockerfile: Dockerfile,
    manifest: Manifest | None,
    observer: Observer,
    *,
    whole: bool,
) -> ContextListing:
    """See that the build context contains all that the image must, and warn where it is very large.

    Without a ``manifest`` the build fetches the state. ``whole``: the builder is sent all of it, whatever is copied.
    Raises ``StatebakeError`` (``NOT_IN_CONTEXT``), which names the rules to blame and the lines that mend them.
    """
    rules = dockerfile.rules
    if manifest is not None:
        _must_not_be_elsewhere(opened, parts.plan, dockerfile, manifest)
        must_contain(rules, _required(opened, parts, dockerfile, manifest), dockerfile.ignore_name)
    listing = read_context(parts.plan.context, rules, _copied(parts.plan) if dockerfile.ours and not whole else None)
    if listing.bytes > LARGE:
        telling = [part for part in listing.largest if part.bytes >= listing.bytes / 100]
        observer.warning(
            f"The build context has {show_bytes(listing.bytes)}: {', '.join(map(_sized, telling))}. "
            f"What the image does not need can be left out with lines in {dockerfile.ignore_name}."
        )
    return listing


def _must_not_be_elsewhere(opened: OpenProject, plan: ImagePlan, dockerfile: Dockerfile, manifest: Manifest) -> None:
    """Raise ``NOT_IN_CONTEXT`` for state behind a link to what is not sent: a link is sent as a link."""
    sent = [(plan.context / path).resolve() for path in (_sources(plan) if dockerfile.ours else [""])]
    names = ["", *(sanitize_key(record.key) for record in manifest.keys)]
    for path in (opened.state_dir / name for name in names):
        if not path.is_symlink():
            continue
        if path.readlink().is_absolute() or not any(path.resolve().is_relative_to(place) for place in sent):
            raise StatebakeError(
                Code.NOT_IN_CONTEXT,
                f"{path.name} is a symbolic link to {path.readlink()}, and what it leads to is not sent to the build.",
                where=str(path),
                next_step="replace the link by the directory itself",
            )


def _required(opened: OpenProject, parts: ImageParts, dockerfile: Dockerfile, manifest: Manifest) -> Required:
    plan = parts.plan
    state = plan.state_in_context
    keys = {}
    for record in manifest.keys:
        name = sanitize_key(record.key)
        found = [file.path for file in list_files(opened.state_dir / name)]
        found += [RECORD_NAME] if (opened.state_dir / name / RECORD_NAME).is_file() else []
        keys[record.key] = [f"{state}/{name}/{path}" for path in found]
    if not dockerfile.ours:
        return Required(state, keys, shared=[f"{state}/{IGNORE_NAME}"])
    sources = {path: _modules(plan.context, path, state) for path in _sources(plan)}
    generated = [f"{plan.inputs}/{name}" for name in (*parts.inputs.files, MANIFEST_NAME)]
    return Required(state, keys, sources={**sources, plan.inputs: generated})


def _modules(context: Path, source: str, state: str) -> list[str]:
    """Return the Python files of a source: a rule that keeps one of these out was not meant for caches or secrets."""
    path = context / source
    if path.is_file():
        return [source]
    found = (file.relative_to(context).as_posix() for file in sorted(path.rglob("*.py")))
    return [name for name in found if not name.startswith(f"{state}/") and "/." not in f"/{name}"]


def _sources(plan: ImagePlan) -> list[str]:
    return [f"{plan.prefix}{source.path}" for source in plan.sources]


def _copied(plan: ImagePlan) -> list[str]:
    whole_project = [] if plan.refresh is None else [plan.prefix or "."]
    return [plan.inputs, *_sources(plan), *plan.local_dependencies, *whole_project]


def _sized(part: ContextFile) -> str:
    return f"{part.path} {show_bytes(part.bytes)}"
