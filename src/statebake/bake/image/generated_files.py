"""The generated files that a project keeps, ``Dockerfile`` and ``.dockerignore``: as they are and as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from statebake.bake.diff import diff_lines
from statebake.bake.files import replace_file
from statebake.bake.image.context import IGNORE_FILE
from statebake.bake.image.generated import FileState, same_but_how, state_of
from statebake.bake.image.ignore_file import BlockStatus, block_lines, block_status, merge_block
from statebake.bake.image.plan import ImagePlan
from statebake.errors import Code, StatebakeError


class FileStatus(Enum):
    """How a file differs from what it should be; ``FOREIGN``: statebake did not make it, ``EDITED``: not all of it."""

    MISSING = "missing"
    CURRENT = "current"
    OUT_OF_DATE = "out of date"
    EDITED = "edited"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class GeneratedFile:
    """A file: where it is, its text (``None``: there is none), the text that it should have, and how they differ."""

    path: Path
    old: str | None
    new: str
    status: FileStatus

    def diff(self) -> str:
        """Return what would change, as a unified diff; empty where nothing does."""
        name = self.path.name
        return "\n".join(diff_lines(self.old, self.new, f"{name} (as it is)", f"{name} (as it should be)"))


def look_at_dockerfile(path: Path, text: str, *, however: bool = False) -> GeneratedFile:
    """Return the Dockerfile at ``path``, which should have ``text``; raises ``StatebakeError`` (``OUTPUT_FAILED``).

    ``however``: by which flags or settings it was made does not count, as long as it says the same.
    """
    old = read_text(path)
    if old is None:
        status = FileStatus.MISSING
    elif old.replace("\r\n", "\n") == text or (however and same_but_how(old, text)):
        status = FileStatus.CURRENT
    else:
        status = {
            FileState.INTACT: FileStatus.OUT_OF_DATE,
            FileState.EDITED: FileStatus.EDITED,
            FileState.FOREIGN: FileStatus.FOREIGN,
        }[state_of(old)]
    return GeneratedFile(path, old, text, status)


def look_at_ignore_file(plan: ImagePlan, project: Path, dockerfile: Path) -> GeneratedFile:
    """Return the ``.dockerignore`` for a build of ``plan`` with ``dockerfile``; only statebake's block in it counts.

    A context that is larger than the project may be that of other images as well: then it is a file for this one
    Dockerfile, beside it, which begins with the rules that the context has. The classic builder knows no such file.
    Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    shared = plan.context / IGNORE_FILE
    path = shared
    if plan.context != project and plan.builder != "classic":
        path = dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}")
    lines = block_lines(plan)
    old = read_text(path)
    status = {
        BlockStatus.CURRENT: FileStatus.CURRENT,
        BlockStatus.OUT_OF_DATE: FileStatus.OUT_OF_DATE,
        BlockStatus.EDITED: FileStatus.EDITED,
        BlockStatus.MISSING: FileStatus.MISSING,
    }[block_status(old, lines)]
    if status is FileStatus.CURRENT and old is not None:
        return GeneratedFile(path, old, old, status)
    return GeneratedFile(path, old, merge_block(old if old is not None else read_text(shared), lines), status)


def refuse_edited(file: GeneratedFile) -> None:
    """Raise ``StatebakeError`` (``EDITED_BY_HAND``) for a file that somebody wrote or changed by hand."""
    if file.status is FileStatus.FOREIGN:
        raise StatebakeError(
            Code.EDITED_BY_HAND,
            f"There is a {file.path.name} already, which statebake did not make.",
            where=str(file.path),
            next_step=f"name another file with --output; or keep the old one as {file.path.name}.orig: --force",
        )
    if file.status is FileStatus.EDITED:
        raise StatebakeError(
            Code.EDITED_BY_HAND,
            f"{file.path.name} was edited by hand since statebake made it.",
            where=str(file.path),
            next_step="move the edits into settings or a template of your own, then: statebake dockerfile --force",
            detail=file.diff(),
        )


def write_generated(file: GeneratedFile) -> Path | None:
    """Write what ``file`` should be; return where the text is kept that somebody had written or changed by hand.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    path = file.path.resolve()
    kept = None
    try:
        if file.status in {FileStatus.FOREIGN, FileStatus.EDITED} and file.old is not None:
            kept = _free(path)
            replace_file(kept, _encode(file.old))
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, _encode(file.new))
    except OSError as error:
        raise _failed(file.path, error) from error
    return kept


def _free(path: Path) -> Path:
    """Return the name under which a file is kept, one that is not taken."""
    names = (f"{path.name}.orig{f'.{number}' if number else ''}" for number in range(10_000))
    return next(place for place in map(path.with_name, names) if not place.exists())


def read_text(path: Path) -> str | None:
    """Return what is in a file, ``None`` where there is none; raises ``StatebakeError`` (``OUTPUT_FAILED``)."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from error


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _failed(path: Path, error: OSError) -> StatebakeError:
    return StatebakeError(
        Code.OUTPUT_FAILED,
        f"{path.name} cannot be read or written: {error.strerror or error}.",
        where=str(path),
        next_step="make it readable and writable, or name another one",
    )
