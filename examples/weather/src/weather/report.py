"""Renders what was built: stations by region, their temperatures as sparklines, and how old the state is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from weather.model import Day, Fetched, Forecast, Station, Units

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.,-~=^#"
WARMTH = [(0, 33), (6, 44), (12, 78), (18, 220), (24, 208)]
"""The 256-colour code of the temperatures up to a number of degrees; warmer ones are ``HOT``."""
HOT = 196


@dataclass(frozen=True)
class Style:
    """What the output can show."""

    colour: bool
    blocks: str = BLOCKS

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def temperature(self, text: str, degrees: float) -> str:
        code = next((code for limit, code in WARMTH if degrees <= limit), HOT)
        return self._paint(f"38;5;{code}", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def render(
    stations: Sequence[Station],
    forecasts: Sequence[Forecast],
    units: Units,
    style: Style,
) -> str:
    """Return the table of all stations; each of the four characters of a day is six hours of it."""
    by_station = {forecast.station: forecast.days for forecast in forecasts}
    dates = sorted({day.date for forecast in forecasts for day in forecast.days})
    widths = (
        max((len(station.name) for station in stations), default=0),
        max((len(f"{station.elevation_m} {units.elevation}") for station in stations), default=0),
    )
    lines = [style.bold("Weather") + style.dim(f"   {span(dates)}")]
    for region, group in groupby(sorted(stations, key=lambda it: (it.region, it.name)), lambda it: it.region):
        weekdays = "".join(f"{day:%a} " for day in dates)
        headings = f"{weekdays}{'low':>7}{'high':>7}{'rain':>10}"
        lines += ["", style.bold(f"{region.title():<{sum(widths) + 7}}") + style.dim(headings)]
        lines += [row(station, by_station.get(station.id, ()), units, widths, style) for station in group]
    return "\n".join(lines)


def row(station: Station, days: Sequence[Day], units: Units, widths: tuple[int, int], style: Style) -> str:
    height = style.dim(f"{f'{station.elevation_m} {units.elevation}':>{widths[1]}}")
    start = f"  {station.name:<{widths[0]}}  {height}   "
    temperatures = [degrees for day in days for degrees in day.temperatures]
    if not temperatures:
        return start + style.dim("no forecast")
    low, high = min(temperatures), max(temperatures)
    numbers = "".join(style.temperature(f"{it:>5.1f}{units.temperature:<2}", it) for it in (low, high))
    rain = f"{sum(day.rain for day in days):.1f} {units.rain}"
    return f"{start}{sparkline(temperatures, style)}{numbers}{rain:>10}   {style.dim(outlook(days))}"


def sparkline(values: Sequence[float], style: Style) -> str:
    """Return one character per value, from the lowest block to the highest."""
    low, spread = min(values), (max(values) - min(values)) or 1.0
    top = len(style.blocks) - 1
    return "".join(style.temperature(style.blocks[round((it - low) / spread * top)], it) for it in values)


def outlook(days: Sequence[Day]) -> str:
    """Return today's weather, and the first change from it: ``clear, then showers``."""
    later = next((f", {day.summary} {day.date:%a}" for day in days if day.summary != days[0].summary), "")
    return days[0].summary + later


def span(dates: Sequence[date]) -> str:
    if not dates:
        return "no forecasts"
    first, last = dates[0], dates[-1]
    return f"{first:%a} {first.day} {first:%B} to {last:%a} {last.day} {last:%B %Y}"


def closing(fetched: Sequence[Fetched], connections: int, now: datetime) -> str:
    """Return the line that says where it all came from: the age of the oldest state, and what was fetched."""
    network = f"{connections} connections were made" if connections else "nothing was fetched to print this"
    times = [it.at for it in fetched if it.at is not None]
    keys = len({it.key for it in fetched})
    if not times:
        return f"Built from {keys} keys of state of unknown age; {network}."
    oldest = min(times)
    seconds = int((now - oldest).total_seconds())
    return f"Built from {keys} keys of state, fetched {ago(seconds)} ({oldest:%Y-%m-%d %H:%M} UTC); {network}."


def ago(seconds: int) -> str:
    """Return an age in its largest whole unit: ``3 minutes ago``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count = seconds // length
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
