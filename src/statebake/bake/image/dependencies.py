"""A project's dependencies as ``pip`` gets them in a build: files, and directories of the build context."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from statebake.bake.image.quoting import comment
from statebake.bake.requirements import (
    LocalRequirement,
    has_hashes,
    names_of_sources,
    own_lines_removed,
    requirement_lines,
)
from statebake.errors import Code, StatebakeError
from statebake.hygiene.formats.urls import urls_in
from statebake.redact import redact

BUILD_DIR = "/build"
"""Where the stage that installs dependencies has them; local code lies under ``local`` there."""
_CONSTRAINT = re.compile(r"^(?:-c|--constraint)[ =]?\s*(?P<file>\S+)")
_INDEX_OPTION = re.compile(r"^(?:-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--trusted-host|--pre)\b")
_SAFE_PATH = re.compile(r"[A-Za-z0-9._+@/-]+")


@dataclass(frozen=True)
class ImageDependencies:
    """What a build installs.

    Attributes:
        files: the files by name, ``requirements.txt`` and what that names; ``unhashed.txt`` is installed after it.
        context: the nearest directory that contains the project and all local code.
        directories: local code, relative to ``context``.
        from_source: the normalized names of what comes from a directory or a repository, as far as they are known.
    """

    files: Mapping[str, bytes]
    context: Path
    directories: tuple[str, ...] = ()
    from_source: frozenset[str] = frozenset()


@dataclass
class _Lines:
    requirements: list[str] = field(default_factory=list)
    unhashed: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)


def image_dependencies(
    text: str, project: Path, *, source: str, wheels: Sequence[Path] = (), checked_with: str | None = None
) -> ImageDependencies:
    """Return what a build installs for ``text`` (see ``requirement_text``), which came from the file ``source``.

    ``wheels`` are installed as well. Where ``text`` has hashes, pip wants one for everything: then what cannot have one
    goes into a file of its own. ``checked_with``: a constraint (``dagster==1.13.27``) that holds besides.

    Raises ``StatebakeError``: ``BAD_SETTING`` for local code that a build cannot be given, and for credentials.
    """
    lines = _Lines()
    files: dict[str, bytes] = {}
    directories: list[Path] = []
    hashed = has_hashes(text)
    local: list[LocalRequirement] = []
    for line in requirement_lines(text):
        if isinstance(line, LocalRequirement):
            local.append(line)
            if line.path.is_dir():
                directories.append(line.path.resolve())
        elif found := _CONSTRAINT.match(line):
            lines.constraints += own_lines_removed(Path(found["file"]), project).splitlines()
        else:
            lines.requirements.append(line)
            if _INDEX_OPTION.match(line):
                lines.unhashed.append(line)
    context = _common([project.resolve(), *directories])
    apart = lines.unhashed if hashed else lines.requirements
    for one in local:
        whole = " --hash" in one.after
        (lines.requirements if whole else apart).append(f"{one.before}{_place(one.path, context, files)}{one.after}")
    apart += [_place(wheel, context, files) for wheel in wheels]
    if checked_with:
        lines.constraints.append(checked_with)
    if lines.constraints:
        files["constraints.txt"] = _file(lines.constraints, source)
        lines.requirements.insert(0, "--constraint constraints.txt")
    files["requirements.txt"] = _file(lines.requirements, source)
    if hashed and (wheels or local):
        files["unhashed.txt"] = _file(lines.unhashed, source)
    _must_have_no_credentials([*lines.requirements, *lines.unhashed, *lines.constraints], source)
    relative = dict.fromkeys(path.relative_to(context).as_posix() for path in directories)
    return ImageDependencies(
        files=files, context=context, directories=tuple(relative), from_source=names_of_sources(text)
    )


def _place(path: Path, context: Path, files: dict[str, bytes]) -> str:
    """Return a local requirement's absolute path in the build; a file is taken along."""
    if path.is_dir():
        inside = path.resolve().relative_to(context)
        if not _SAFE_PATH.fullmatch(inside.as_posix()):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The directory {inside} is a dependency, and pip cannot be told a path with these characters.",
                where=str(path),
                next_step="rename the directory",
            )
        return str(PurePosixPath(BUILD_DIR, "local", inside))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"A dependency of the project is a file that cannot be read: {error.strerror}.",
            where=str(path),
            next_step="correct the requirement that names it",
        ) from error
    name = f"wheels/{path.name}"
    if files.setdefault(name, content) != content:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"Two different files among the dependencies are called {path.name}.",
            where=str(path),
            next_step="rename one of them",
        )
    return f"{BUILD_DIR}/{name}"


def _must_have_no_credentials(lines: Sequence[str], source: str) -> None:
    """Raise ``BAD_SETTING`` for a URL with a password: the files are copied into a layer of the build."""
    for line in lines:
        if next(urls_in(line.encode()), None):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The dependencies have a URL with credentials, and a build copies them: {redact(line, {})}.",
                where=source,
                next_step="take them out, and give them as a build secret: --secret id=netrc,src=$HOME/.netrc, "
                "or a pip.conf with the whole URL: --secret id=pip_conf,src=pip.conf",
            )


def _common(directories: Sequence[Path]) -> Path:
    context = Path(os.path.commonpath(directories))
    if context == Path(context.anchor):
        raise StatebakeError(
            Code.BAD_SETTING,
            "The project depends on local code with which it shares no directory but the root of the file system.",
            where=str(directories[-1]),
            next_step="move the two under one directory",
        )
    return context


def _file(lines: Sequence[str], source: str) -> bytes:
    return "".join(f"{line}\n" for line in (f"# Written by statebake, from {comment(source)}.", *lines)).encode()
