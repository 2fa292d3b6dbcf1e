"""The command that made a Dockerfile: a line of it, as written and as read back; no I/O.

What the flags said would be lost otherwise: the command that the line names makes the very same file again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from statebake.bake.image.generated import how_made
from statebake.bake.image.quoting import comment
from statebake.config import BY_NAME
from statebake.config.settings import DEFAULT_DOCKERFILE

MAKING = (
    *("host", "module", "defs_module", "packages", "lock"),
    *(f"docker.{name}" for name in ("template", "base_image", "command", "port", "user", "refresh_secrets")),
    "docker.builder_compat",
)
"""The settings that a Dockerfile is made by. Not ``python``, which is a path of one machine."""
_HINT = "# settings: [tool.statebake.docker]; `statebake explain SB115` says how to change this file"
_COMMAND = ["statebake", "dockerfile"]
_NAMES = {BY_NAME[name].flag: name for name in MAKING}


@dataclass(frozen=True)
class MadeBy:
    """A call of ``statebake dockerfile`` in the project's directory.

    Attributes:
        flags: the texts of each flag that was given, by its setting's name; paths are relative to the project.
        output: the Dockerfile, relative to the project.
        refresh: whether the build fetches the state.
    """

    flags: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    output: str = DEFAULT_DOCKERFILE
    refresh: bool = False

    @property
    def command(self) -> str:
        """The command, for a shell."""
        return shlex.join([*_COMMAND, *self._words()])

    @property
    def how(self) -> str:
        """The same for the first line of the file: on one line, with a comment."""
        return comment(f"{self.command}  {_HINT}")

    @property
    def prepare(self) -> str:
        """The command that writes what a build of the file reads."""
        refresh = ["--refresh-in-build"] if self.refresh else []
        return shlex.join(["statebake", "bake", "docker", "--no-build", *refresh, *self.file])

    @property
    def file(self) -> list[str]:
        """The arguments by which ``bake docker`` builds the file."""
        return [] if self.output == DEFAULT_DOCKERFILE else ["--file", self.output]

    def build(self, prefix: str) -> str:
        """Return what ``docker build`` is given; ``prefix``: the project's path in the context, with a slash."""
        context = "/".join([".."] * prefix.count("/")) or "."
        named = ["-f", self.output] if prefix or self.output != DEFAULT_DOCKERFILE else []
        return shlex.join([*named, context])

    def _words(self) -> Iterator[str]:
        if self.output != DEFAULT_DOCKERFILE:
            yield from ("--output", self.output)
        if self.refresh:
            yield "--refresh-in-build"
        for flag, name in _NAMES.items():
            for value in self.flags.get(name, ()):
                yield from ([f"{flag}={value}"] if value.startswith("-") else [flag, value])


def read_made_by(text: str) -> MadeBy | None:
    """Return the call that made a Dockerfile with this text, ``None`` where statebake did not make it.

    A line that cannot be read, by another version perhaps, has no flags.
    """
    how = how_made(text)
    if how is None:
        return None
    try:
        return _read(shlex.split(how, comments=True))
    except (ValueError, KeyError, StopIteration):
        return MadeBy()


def _read(words: Sequence[str]) -> MadeBy:
    if list(words[:2]) != _COMMAND:
        raise ValueError
    flags: dict[str, list[str]] = {}
    output, refresh, rest = DEFAULT_DOCKERFILE, False, iter(words[2:])
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag == "--refresh-in-build":
            refresh = True
            continue
        text = value if equals else next(rest)
        if flag == "--output":
            output = text
        else:
            flags.setdefault(_NAMES[flag], []).append(text)
    return MadeBy(flags, output, refresh)
