"""Which of a project's files are its own code and go into an artifact."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.config import import_root
from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_DIR_NAME

# What never is code: caches, environments, the state (which goes in by its own list), and what may hold secrets.
_LEFT_OUT = (
    f"{STATE_DIR_NAME}/",
    "__pycache__/",
    "*.py[co]",
    "*.egg-info/",
    ".git/",
    ".venv/",
    ".env",
    ".env.*",
    ".mypy_cache/",
    ".ruff_cache/",
    ".pytest_cache/",
    ".ipynb_checkpoints/",
    ".DS_Store",
)


@dataclass(frozen=True)
class SourceFile:
    """A file of the project's code: where it is, and its ``/``-separated path in the artifact."""

    source: Path
    path: str


def collect_sources(
    project: Path, defs_dir: Path, own_modules: Sequence[str], packages: Sequence[str], *, own: bool = True
) -> tuple[SourceFile, ...]:
    """Return the project's own code, sorted by its path in the artifact.

    Of a ``src`` layout that is everything under ``src``; else the packages that ``own_modules`` (dotted names) are in.
    ``packages`` are further directories or files, relative to the project, that go in at the top; without ``own``
    nothing else does, for a wheel has the rest.

    Raises ``StatebakeError``: ``OTHER_COPY``, ``BAD_SETTING`` for a package that is not there.
    """
    import pathspec

    root = import_root(project, defs_dir)
    left_out = pathspec.GitIgnoreSpec.from_lines(_LEFT_OUT)
    tops: list[Path] = []
    if own:
        tops = own_tops(root, own_modules) if root.resolve() == project.resolve() else sorted(root.iterdir())
    for package in packages:
        path = project / package
        if not path.exists() or path.name in {"", ".."}:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The setting `packages` names {package!r}, which is no package or directory of the project.",
                where=str(path),
                next_step="correct the setting",
            )
        tops.append(path)
    found: dict[str, SourceFile] = {}
    try:
        for file in (file for top in tops for file in _files(top, top.name, ())):
            if left_out.match_file(file.path):
                continue
            other = found.setdefault(file.path, file)
            if other.source != file.source:
                raise StatebakeError(
                    Code.BAD_SETTING,
                    f"Two files would be {file.path} in the artifact: {other.source} and {file.source}.",
                    where="packages",
                    next_step="take one of them out of the setting",
                )
    except OSError as error:
        raise StatebakeError(
            Code.BAD_SETTING,
            f"The project's code cannot be read: {error.strerror}.",
            where=str(error.filename),
            next_step="make it readable",
        ) from error
    return tuple(found[path] for path in sorted(found))


def own_tops(root: Path, own_modules: Sequence[str]) -> list[Path]:
    """Return the packages and modules under ``root`` that the dotted names ``own_modules`` are in, each once."""
    names = dict.fromkeys(module.partition(".")[0] for module in own_modules)
    candidates = [path for name in names for path in (root / name, root / f"{name}.py")]
    return [path for path in candidates if path.exists()]


def _files(path: Path, relative: str, seen: tuple[str, ...]) -> Iterator[SourceFile]:
    if path.is_file():
        yield SourceFile(path, relative)
    elif path.is_dir() and path.name != STATE_DIR_NAME:
        real = os.path.realpath(path)
        if real not in seen:  # a link to a parent would never end
            for child in sorted(path.iterdir()):
                yield from _files(child, f"{relative}/{child.name}", (*seen, real))
