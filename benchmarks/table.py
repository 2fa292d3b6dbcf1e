"""The benchmarks' rows, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("what", "statebake", "beside it", "ratio", "goal", "met")


@dataclass(frozen=True)
class Figure:
    """A measured number: seconds (``s``), bytes (``B``), or megabytes a second (``MB/s``), of which more are better."""

    value: float
    unit: str = "s"

    def __str__(self) -> str:
        if self.unit == "MB/s":
            return f"{self.value:,.0f} MB/s"
        if self.unit == "B":
            return f"{self.value / 1e6:,.0f} MB" if self.value >= 1e7 else f"{self.value / 1e3:,.0f} kB"
        return f"{self.value * 1000:.0f} ms" if self.value < 1 else f"{self.value:.2f} s"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        peer: what is beside it, and its figure.
        goal: the most that is wanted, of speeds the least: a ratio to the peer, or a figure.
    """

    what: str
    measured: Figure
    peer: tuple[str, Figure]
    goal: float | Figure

    @property
    def ratio(self) -> float:
        """What was measured in terms of the peer."""
        return self.measured.value / self.peer[1].value if self.peer[1].value else float("nan")

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        if isinstance(self.goal, Figure):
            if self.goal.unit == "MB/s":
                return self.measured.value >= self.goal.value
            return self.measured.value <= self.goal.value
        return self.ratio <= self.goal

    def cells(self) -> tuple[str, ...]:
        """Return the row as texts, in the order of ``HEAD``."""
        sign = "≥" if self.measured.unit == "MB/s" else "≤"
        goal = f"{sign} {self.goal}" if isinstance(self.goal, Figure) else f"ratio ≤ {self.goal:.2f}"
        name, figure = self.peer
        return (
            self.what,
            str(self.measured),
            f"{name}: {figure}",
            f"{self.ratio:.2f}",
            goal,
            "yes" if self.met else "no",
        )


def plain(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def markdown(rows: Sequence[Row]) -> str:
    """Return the table for a document."""
    rule = tuple("---" for _ in HEAD)
    return "\n".join(f"| {' | '.join(line)} |" for line in (HEAD, rule, *(row.cells() for row in rows)))
