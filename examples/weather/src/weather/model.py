"""What the components build from their state, and the report prints."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class Station:
    id: str
    name: str
    region: str
    latitude: float
    longitude: float
    elevation_m: int


@dataclass(frozen=True)
class Day:
    """One day's weather; ``temperatures`` are those of 0, 6, 12 and 18 o'clock."""

    date: date
    temperatures: tuple[float, ...]
    rain: float
    summary: str


@dataclass(frozen=True)
class Forecast:
    station: str
    days: tuple[Day, ...]


@dataclass(frozen=True)
class Units:
    elevation: str
    rain: str
    temperature: str


@dataclass(frozen=True)
class Fetched:
    """When the state of ``key`` was fetched; ``None`` where nobody recorded it."""

    key: str
    at: datetime | None
