"""What is known of the project that an artifact was made from, and why something of it is not in there; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statebake.errors import Code


@dataclass(frozen=True)
class IgnoreFile:
    """A file with patterns: its name as people call it, and its text."""

    name: str
    text: str


@dataclass(frozen=True)
class ContextLoss:
    """What a rule of a ``.dockerignore`` keeps out of the build context.

    Attributes:
        rule: where it is, ``.dockerignore:3``.
        text: the rule.
        keys: the keys that lose files by it.
        mend: what brings them back.
    """

    rule: str
    text: str
    keys: tuple[str, ...]
    mend: str


@dataclass(frozen=True)
class ProjectFacts:
    """A project's files that decide what is in its artifacts. All paths are relative to it and ``/``-separated.

    Attributes:
        name: the name of its distribution.
        pyproject: its ``pyproject.toml``; empty where it has none.
        state: the state directory, ``src/shop/defs/.local_defs_state``.
        import_root: the directory on the import path, ``src``; empty for the project itself.
        keys: the files of every key, by key; none where the work tree has no state of it either.
        shared: the files of the state directory that belong to no key.
        declarations: the files in which components are declared.
        config: the file with the framework's configuration; empty where the framework needs none.
        ignore: the ``.gitignore`` that build backends read: the project's own, or the nearest above it.
        in_git: the project is in a git work tree.
        context_losses: what the ``.dockerignore`` keeps out.
    """

    name: str
    pyproject: Mapping[str, Any]
    state: str
    import_root: str
    keys: Mapping[str, Sequence[str]]
    shared: Sequence[str] = ()
    declarations: Sequence[str] = ()
    config: str = ""
    ignore: IgnoreFile | None = None
    in_git: bool = False
    context_losses: Sequence[ContextLoss] = field(default_factory=tuple)

    @property
    def package(self) -> str:
        """The path of the package with the state directory as it is imported, ``shop/defs``."""
        start = len(self.import_root) + 1 if self.import_root else 0
        return self.state[start:].rpartition("/")[0]

    def state_files(self) -> Iterator[str]:
        """Yield every file of the state."""
        yield from self.shared
        for files in self.keys.values():
            yield from files


@dataclass(frozen=True)
class Cause:
    """Why something is missing: ``why`` is the rest of a sentence, ``next_step`` what mends it."""

    code: Code
    why: str
    where: str
    next_step: str


def first_match(patterns: Sequence[str], files: Sequence[str]) -> int | None:
    """Return the number of the pattern, in the syntax of ``.gitignore``, that decides to leave out one of ``files``.

    ``None``: none of them is left out.
    """
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([pattern or "#" for pattern in patterns])  # empty ones are not counted
    except ValueError:
        return None
    for file in files:
        result = spec.check_file(file)
        if result.include and result.index is not None:
            return result.index
    return None
