import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig


@dataclass
class WeatherStationsComponent(dg.StateBackedComponent, dg.Resolvable):
    """One asset per weather station of a region: its latest forecast.

    An HTTP service names the stations when state is refreshed. Its address, and its token if it wants one,
    are read from the environment when it is asked: a code location that loads from state needs neither.
    """

    region: str
    base_url_env: str
    token_env: str | None = None
    defs_state: ResolvedDefsStateConfig = field(default_factory=DefsStateConfigArgs.local_filesystem)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(self.defs_state, default_key=f"WeatherStationsComponent[{self.region}]")

    def write_state_to_path(self, state_path: Path) -> None:
        stations = self.get("/stations", region=self.region)
        state_path.write_text(json.dumps(stations, ensure_ascii=False, indent=1), encoding="utf-8")

    def build_defs_from_state(
        self,
        context: dg.ComponentLoadContext,  # noqa: ARG002
        state_path: Path | None,
    ) -> dg.Definitions:
        if state_path is None:
            return dg.Definitions()
        stations = json.loads(state_path.read_text(encoding="utf-8"))
        return dg.Definitions(assets=[self.forecast(station) for station in stations])

    def forecast(self, station: dict[str, Any]) -> dg.AssetsDefinition:
        @dg.asset(
            key=["weather", station["id"].replace("-", "_")],
            group_name="weather",
            description=f"The forecast for {station['name']}, {station['elevation_m']} m",
            metadata={name: station[name] for name in ("region", "latitude", "longitude")},
        )
        def latest() -> Any:
            return self.get("/forecasts", station=station["id"])

        return latest

    def get(self, path: str, **query: str) -> Any:
        base_url = os.environ[self.base_url_env]
        request = Request(f"{base_url}{path}?{urlencode(query)}")
        token = os.environ.get(self.token_env) if self.token_env else None
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        loopback = urlsplit(base_url).hostname in {"127.0.0.1", "::1", "localhost"}
        opener = build_opener(ProxyHandler({})) if loopback else build_opener()
        with opener.open(request, timeout=10) as response:
            return json.load(response)
