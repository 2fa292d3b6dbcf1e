"""``python -m weather [--json]``: show the stations and forecasts that were built from baked state."""

import argparse
import io
import json
import os
import sys
from dataclasses import asdict
from datetime import datetime, timezone

from statebake import load_defs
from weather.model import Fetched, Forecast, Station, Units
from weather.report import ASCII_BLOCKS, BLOCKS, Style, closing, render


def main() -> None:
    parser = argparse.ArgumentParser(prog="weather", description="Print what was built from baked state.")
    parser.add_argument("--json", action="store_true", help="print what was built as JSON")
    options = parser.parse_args()

    connections: list[str] = []
    sys.addaudithook(lambda event, _: connections.append(event) if event == "socket.connect" else None)

    defs = load_defs("weather")
    stations = list(defs.of_type(Station))
    forecasts = list(defs.of_type(Forecast))
    units = next(iter(defs.of_type(Units)))
    fetched = sorted(set(defs.of_type(Fetched)), key=lambda it: it.key)

    if options.json:
        built = {
            "stations": [asdict(it) for it in stations],
            "forecasts": [asdict(it) for it in forecasts],
            "units": asdict(units),
            "state": [asdict(it) for it in fetched],
            "connections": len(connections),
        }
        print(json.dumps(built, default=lambda it: it.isoformat(), ensure_ascii=False, indent=1))
        return

    style = Style(
        colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
        blocks=BLOCKS if can_print(BLOCKS) else ASCII_BLOCKS,
    )
    print(render(stations, forecasts, units, style))
    print("\n" + style.dim(closing(fetched, len(connections), datetime.now(timezone.utc))))


def can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        return False
    return True


if __name__ == "__main__":
    main()
