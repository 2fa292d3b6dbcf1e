"""Where text goes: consoles that never print a secret, cut a line, or fail on what a terminal cannot show."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from statebake.cli.echo import let_go
from statebake.redact import redact

# What GitHub's runner obeys: ##[command] anywhere, ::command at the beginning of a line.
_RUNNER_COMMAND = re.compile(r"##(?=\[)|^\s*(?=::)", re.MULTILINE)


class _Redacting(io.TextIOBase):
    """A text stream that takes secrets out of what is written to another one, and in a GitHub job workflow commands."""

    def __init__(self, stream: TextIO, env: Mapping[str, str], *, must_arrive: bool) -> None:
        self._stream = stream
        self._env = env
        self._passing: tuple[type[Exception], ...] = () if must_arrive else (OSError,)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        shown = redact(text, self._env)
        if self._env.get("GITHUB_ACTIONS") == "true":
            shown = _RUNNER_COMMAND.sub(r"\g<0>\\", shown)
        with self._guarded():
            self._stream.write(shown)
        return len(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            let_go(self._stream)
        except self._passing:
            pass


class _Console(Console):
    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
        """Leave the cursor where it is to be seen: a process that is killed could not bring it back."""
        return False


def open_console(env: Mapping[str, str], *, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error; the terminal wraps what is too long for it."""
    stream: TextIO = sys.stderr if stderr else sys.stdout
    file = _Redacting(stream, env, must_arrive=not stderr)
    return _Console(file=file, highlight=False, soft_wrap=True, emoji=False, markup=False)  # type: ignore[arg-type]


def columns(header: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[str] = ()) -> list[Text]:
    """Return the lines of a table whose cells are never cut; the columns named in ``right`` are aligned there."""
    cells = [[Text(name, style="bold") for name in header]]
    cells += [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    widths = [max(cell_len(row[index].plain) for row in cells) for index in range(len(header))]
    lines = []
    for row in cells:
        line = Text()
        for index, cell in enumerate(row):
            padding = " " * (widths[index] - cell_len(cell.plain))
            parts: list[Text | str] = [padding, cell] if header[index] in right else [cell, padding]
            line.append_text(Text.assemble(*parts, "  " if index < len(row) - 1 else ""))
        line.rstrip()
        lines.append(line)
    return lines
