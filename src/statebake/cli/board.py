"""What a refresh shows while it runs: on a terminal a live table, elsewhere one line per event."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from statebake.check.check import short
from statebake.cli import human
from statebake.cli.console import columns
from statebake.cli.view import View
from statebake.errors import StatebakeError
from statebake.model.outcome import KeyOutcome, Outcome
from statebake.progress import Observer
from statebake.redact import redactor

_MARKS = {
    Outcome.UPDATED: ("✓", "green"),
    Outcome.UNCHANGED: ("=", "green"),
    Outcome.STALE: ("!", "yellow"),
    Outcome.HELD_BACK: ("~", "yellow"),
    Outcome.FAILED: ("✗", "red"),
}
_SIGN_OF_LIFE_S = 60.0
_WIDEST_STEP = 100
_WIDEST_ERROR = 200
_LONGEST_ERROR = 10_000
_LONGEST_LINE = 10_000


@dataclass
class _Row:
    """A key that is being fetched: what happens now, since when, which attempt it is, when the next one comes."""

    phase: str
    since: float
    attempt: int = 1
    until: float | None = None
    why: str = ""


@dataclass
class Board:
    """The keys that are being fetched, of all projects; on a terminal they are shown below what has been printed."""

    console: Console
    rows: dict[str, _Row] = field(default_factory=dict)
    total: int = 0
    ended: int = 0
    failed: int = 0
    refreshes: int = 0
    _live: Live | None = None
    _began: float = 0.0
    _spoke: float = 0.0

    def begin(self, keys: int) -> None:
        """Begin to show one more refresh, of so many keys."""
        self.refreshes += 1
        self.total += keys
        if self.refreshes == 1:
            self._began = self._spoke = time.monotonic()
            self._show_table()

    def end(self) -> None:
        """End to show a refresh."""
        self.refreshes -= 1
        if self.refreshes == 0:
            self._remove_table()
            self.rows.clear()
            self.total = self.ended = self.failed = 0

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take the table away while something is printed past the board, which would spoil both."""
        self._remove_table()
        try:
            yield
        finally:
            if self.refreshes:
                self._show_table()

    def _show_table(self) -> None:
        if self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=True, get_renderable=self._table)
            self._live.start()

    def _remove_table(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def print(self, line: Text) -> None:
        """Print a line that stays."""
        self._spoke = time.monotonic()
        self.console.print(line)

    def tick(self) -> None:
        """Show how time goes by; where nothing can be redrawn, give a sign of life each minute."""
        now = time.monotonic()
        if self._live is not None:
            self._live.refresh()
        elif now - self._spoke > _SIGN_OF_LIFE_S and self.rows:
            oldest = min(self.rows, key=lambda name: self.rows[name].since)
            what = f"{oldest}, {human.seconds(now - self.rows[oldest].since)}"
            others = f", and {len(self.rows) - 1} more" if len(self.rows) > 1 else ""
            self.print(Text(f"  … still fetching {what}{others}; {self.ended} of {self.total} keys done", style="dim"))

    def _table(self) -> RenderableType:
        now = time.monotonic()
        room = max(3, self.console.size.height - 4)
        shown = list(self.rows.items())[:room]
        cells = [
            (
                Text(f"  {name}"),
                Text(self._phase(row, now), style="yellow" if row.until else "cyan"),
                human.seconds(now - row.since),
                f"attempt {row.attempt}" if row.attempt > 1 else "",
            )
            for name, row in shown
        ]
        lines = columns(("", " ", "  ", "   "), cells, right=("  ",))[1:] if cells else []
        width, taken = self.console.size.width, 2 + max((line.cell_len for line in lines), default=0)
        for line, (_, row) in zip(lines, shown, strict=True):
            if row.why:
                line.pad_right(taken - line.cell_len)
                line.append(_end(row.why, width - taken), style="dim")
            line.truncate(width, overflow="ellipsis")
        more = len(self.rows) - len(shown)
        waiting = self.total - self.ended - len(self.rows)
        parts = [f"{self.ended} of {self.total} done"]
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{more} more running"] if more else []
        parts += [f"{waiting} waiting"] if waiting else []
        parts.append(human.seconds(now - self._began))
        return Group(*lines, Text(f"  {', '.join(parts)}", style="bold"))

    @staticmethod
    def _phase(row: _Row, now: float) -> str:
        return row.phase if row.until is None else f"again in {human.seconds(max(0.0, row.until - now))}"


class Progress(Observer):
    """Puts one project's events on the board; ``prefix`` names the project where there are several.

    ``view`` knows the secrets, which are taken out of somebody else's text before it is shortened: a part of one is not
    recognized.
    """

    def __init__(self, board: Board, err: Console, prefix: str, view: View, *, verbose: bool) -> None:
        self._board = board
        self._err = err
        self._prefix = prefix
        self._view = view
        self._redacted = redactor(view.env)
        self._verbose = verbose

    def hide(self, values: Iterable[str]) -> None:
        self._view.hide(values)
        self._redacted = redactor(self._view.env)

    def stage(self, title: str) -> None:
        self._err.print(f"{title} …", style="dim")

    def warning(self, text: str) -> None:
        self._err.print(Text(f"warning: {text}", style="yellow"))

    def step_prints(self, line: str) -> None:
        if self._verbose:
            self._err.print(Text(f"    | {human.clip(self._redacted(line), 400)}", style="dim"))

    def step_ends(self, title: str, seconds: float | None) -> None:
        if seconds is not None or self._verbose:
            self._err.print(_step_line(title, seconds))

    def refresh_begins(self, keys: int) -> None:
        self._board.begin(keys)

    def refresh_ends(self) -> None:
        self._board.end()

    def tick(self) -> None:
        self._board.tick()

    def fetch_begins(self, key: str, attempt: int) -> None:
        self._board.rows[self._prefix + key] = _Row("fetching", time.monotonic(), attempt)
        if self._verbose:
            self._board.print(Text(f"  · {self._prefix}{key}  fetching", style="dim"))

    def fetch_printed(self, key: str, attempt: int, read: Callable[[], str]) -> None:
        if not self._verbose or not (printed := self._redacted(read()).rstrip()):
            return
        lines = [f"    | {human.clip(line, _LONGEST_LINE)}" for line in printed.splitlines()]
        again = f" by attempt {attempt}" if attempt > 1 else ""
        self._board.print(Text("\n".join([f"  · {self._prefix}{key}  printed{again}", *lines]), style="dim"))

    def fetch_again(self, key: str, attempt: int, error: StatebakeError, wait_s: float) -> None:
        now = time.monotonic()
        why = self._redacted(error.message).removeprefix(f"The fetch of {key} ").rstrip(".")
        self._board.rows[self._prefix + key] = _Row("", now, attempt, now + wait_s, human.clip(why, _LONGEST_ERROR))
        line = Text.assemble(
            ("  ↻ ", "yellow"), f"{self._prefix}{key}  attempt {attempt} {human.clip(why, _WIDEST_ERROR)}"
        )
        line.append(f"; again in {human.seconds(wait_s)}", style="yellow")
        self._board.print(line)

    def commit_begins(self, key: str) -> None:
        if row := self._board.rows.get(self._prefix + key):
            row.phase = "writing"

    def fetch_ends(self, outcome: KeyOutcome) -> None:
        self._board.rows.pop(self._prefix + str(outcome.key), None)
        self._board.ended += 1
        self._board.failed += outcome.outcome is Outcome.FAILED
        mark, style = _MARKS[outcome.outcome]
        line = Text.assemble(
            (f"  {mark} ", style), f"{self._prefix}{outcome.key}", (f"  {outcome.outcome.value}", style)
        )
        if outcome.duration_s is not None:
            line.append(f"  {outcome.duration_s:.1f} s")
        if outcome.attempts > 1:
            line.append(f"  {outcome.attempts} attempts")
        if outcome.record and outcome.outcome is not Outcome.HELD_BACK:
            record, before = outcome.record, outcome.before
            size = f"  {human.count(record.files, 'file')}, {human.size(record.bytes)}"
            change = human.change(record.bytes, before.bytes) if before else ""
            line.append(f"{size} ({change})" if change else size)
            line.append(f"  {short(record.digest)}", style="dim")
        if outcome.scrubbed:
            line.append(f"  {human.count(len(outcome.scrubbed), 'file')} of git scrubbed", style="dim")
        if outcome.pruned:
            line.append(f"  without {human.count(outcome.pruned, 'file')}", style="dim")
        self._board.print(line)


def _end(text: str, room: int) -> str:
    """Return the end of a text, where programs say the cause, in ``room`` characters."""
    return text if len(text) <= room else f"…{text[len(text) - max(room - 1, 0) :]}"


def _step_line(title: str, seconds: float | None) -> Text:
    """Return the line of a step that ended."""
    took = "cached" if seconds is None else human.seconds(seconds)
    plain = human.clip(title, 10_000)
    shown = plain if len(plain) <= _WIDEST_STEP else f"{plain[: _WIDEST_STEP - 1]}…"
    return Text.assemble("  ", (f"{took:>7}", "dim" if seconds is None else "cyan"), f"  {shown}")
