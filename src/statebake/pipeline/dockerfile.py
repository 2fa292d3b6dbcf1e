"""What ``statebake dockerfile`` does with a project: its Dockerfile, its ``.dockerignore``, and what a build reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.bake.image.dockerfile import render_dockerfile
from statebake.bake.image.generated_files import (
    FileStatus,
    GeneratedFile,
    look_at_dockerfile,
    look_at_ignore_file,
    refuse_edited,
    write_generated,
)
from statebake.bake.image.inputs import write_inputs
from statebake.bake.image.made_by import MadeBy
from statebake.bake.image.planning import must_start
from statebake.config.settings import DEFAULT_DOCKERFILE
from statebake.errors import Code, StatebakeError
from statebake.pipeline import Target
from statebake.pipeline.imaging import ImageParts
from statebake.pipeline.made_by import call_for


@dataclass(frozen=True)
class GeneratedFiles:
    """The generated files of a project, before anything is written, and the call that makes them."""

    parts: ImageParts
    files: tuple[GeneratedFile, ...]
    call: MadeBy


@dataclass(frozen=True)
class WrittenFile:
    """A file, how it was before, and where its old text is kept if somebody had written or changed that by hand."""

    path: Path
    before: FileStatus
    kept: Path | None = None


@dataclass(frozen=True)
class DockerfileReport:
    """What was written: the files, the call that made them, and the directory with what a build reads besides."""

    parts: ImageParts
    files: tuple[WrittenFile, ...]
    call: MadeBy
    inputs: Path


def look_at(target: Target, parts: ImageParts, output: Path | None = None, *, however: bool = False) -> GeneratedFiles:
    """Return the files of ``target`` as they are and as they should be; ``output`` is the Dockerfile's place.

    ``however`` is as in ``look_at_dockerfile``.
    Raises ``StatebakeError``: as ``render_dockerfile`` and ``must_start``, and ``OUTPUT_FAILED``.
    """
    project, template = target.project.directory, target.settings.docker.template
    must_start(target.project, target.settings.docker, parts.plan)
    path = output or project / DEFAULT_DOCKERFILE
    call = call_for(target, path, refresh=parts.plan.refresh is not None)
    dockerfile = look_at_dockerfile(path, render_dockerfile(parts.plan, template, call), however=however)
    return GeneratedFiles(parts, (dockerfile, look_at_ignore_file(parts.plan, project, path)), call)


def must_be_current(generated: GeneratedFiles) -> None:
    """Raise ``StatebakeError`` (``OUT_OF_DATE``) where a file is not what it should be; what differs is the detail."""
    changed = [file for file in generated.files if file.status is not FileStatus.CURRENT]
    by_hand = any(file.status in {FileStatus.EDITED, FileStatus.FOREIGN} for file in changed)
    if changed:
        raise StatebakeError(
            Code.OUT_OF_DATE,
            f"{' and '.join(_said(file) for file in changed)}.",
            where=str(changed[0].path),
            next_step=f"{generated.call.command} --force, which keeps the old file"
            if by_hand
            else generated.call.command,
            detail="\n".join(file.diff() for file in changed),
        )


def write_files(target: Target, generated: GeneratedFiles, *, force: bool) -> DockerfileReport:
    """Write what is not as it should be, and what a build reads besides.

    Nothing is written where somebody wrote or changed a file by hand, unless ``force`` says so. Raises
    ``StatebakeError``: ``EDITED_BY_HAND``, ``OUTPUT_FAILED``.
    """
    if not force:
        for file in generated.files:
            refuse_edited(file)
    inputs = write_inputs(target.project.directory, generated.parts.inputs)
    return DockerfileReport(generated.parts, _write(generated.files), generated.call, inputs)


def _write(files: Sequence[GeneratedFile]) -> tuple[WrittenFile, ...]:
    return tuple(
        WrittenFile(file.path, file.status, write_generated(file) if file.status is not FileStatus.CURRENT else None)
        for file in files
    )


def _said(file: GeneratedFile) -> str:
    verb = {
        FileStatus.MISSING: "has no lines of statebake" if file.old is not None else "is missing",
        FileStatus.OUT_OF_DATE: "is out of date",
        FileStatus.EDITED: "was edited by hand",
        FileStatus.FOREIGN: "was not made by statebake",
    }[file.status]
    return f"{file.path.name} {verb}"
