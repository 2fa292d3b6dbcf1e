"""Two kinds of components: one keeps a file as its state, one a directory that it fetches concurrently."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from statebake import ComponentLoadContext, DefsStateConfig, StateBackedComponent
from weather import api
from weather.model import Day, Fetched, Forecast, Station, Units


@dataclass
class StationsComponent(StateBackedComponent):
    """The stations of one region. State: one JSON file."""

    base_url: str
    region: str
    token: str = ""
    defs_state: Mapping[str, Any] | None = None

    @property
    def defs_state_config(self) -> DefsStateConfig:
        # Nothing that only a fetch needs is part of the key: it has to be the same where there is no service.
        return DefsStateConfig.from_args(self.defs_state, default_key=f"StationsComponent[{self.region}]")

    def write_state_to_path(self, state_path: Path) -> None:
        write_json(state_path, api.get(self.base_url, "/stations", self.token, region=self.region))

    def build_defs_from_state(
        self,
        context: ComponentLoadContext,  # noqa: ARG002
        state_path: Path,
    ) -> list[Station | Fetched]:
        stations = [Station(**row) for row in read_json(state_path)]
        return [*stations, fetched(self.defs_state_config.key, state_path)]


@dataclass
class ForecastsComponent(StateBackedComponent):
    """The forecasts of one region. State: a directory, `units.json` and one file per station.

    One sweep over the service fetches the forecasts of *all* stations, so the components of all regions have
    the same key: they share that state, and each builds its own part of it.
    """

    base_url: str
    region: str
    token: str = ""
    defs_state: Mapping[str, Any] | None = None

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(self.defs_state, default_key="ForecastsComponent[all]")

    async def write_state_to_path(self, state_path: Path) -> None:
        async def get(path: str, **query: str) -> Any:
            return await asyncio.to_thread(api.get, self.base_url, path, self.token, **query)

        units, stations = await asyncio.gather(get("/units"), get("/stations"))
        forecasts = await asyncio.gather(*(get("/forecasts", station=station["id"]) for station in stations))

        (state_path / "stations").mkdir(parents=True)
        write_json(state_path / "units.json", units)
        for station, forecast in zip(stations, forecasts, strict=True):
            content = {"station": station["id"], "region": station["region"], "days": forecast}
            write_json(state_path / "stations" / f"{quote(station['id'], safe='')}.json", content)

    def build_defs_from_state(
        self,
        context: ComponentLoadContext,  # noqa: ARG002
        state_path: Path,
    ) -> list[Forecast | Units | Fetched]:
        found = [read_json(path) for path in sorted((state_path / "stations").glob("*.json"))]
        return [
            *(Forecast(it["station"], days(it["days"])) for it in found if it["region"] == self.region),
            Units(**read_json(state_path / "units.json")),
            fetched(self.defs_state_config.key, state_path),
        ]


def days(rows: list[dict[str, Any]]) -> tuple[Day, ...]:
    return tuple(
        Day(date.fromisoformat(row["date"]), tuple(row["temperatures"]), row["rain"], row["summary"]) for row in rows
    )


def fetched(key: str, state_path: Path) -> Fetched:
    """Read from statebake's record, which lies beside the state, when that was fetched."""
    record = state_path.with_name(".statebake.json")
    at = read_json(record).get("fetched_at") if record.is_file() else None
    return Fetched(key, datetime.fromisoformat(at.replace("Z", "+00:00")) if at else None)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
