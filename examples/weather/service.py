"""The weather service of the examples: a small HTTP API over an SQLite file. Standard library only.

    python service.py --port 0 --db weather.sqlite --port-file port

It listens on the loopback address only. A database that does not exist is made and filled, always with the
same made-up stations and forecasts; ``POST /stations`` changes what the service says from then on.

    GET  /health
    GET  /units
    GET  /stations[?region=R]
    GET  /forecasts[?station=ID | ?region=R]
    POST /stations     {"id": …, "name": …, "region": …, "latitude": …, "longitude": …, "elevation_m": …}
"""

import argparse
import hmac
import json
import re
import signal
import socketserver
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

STATIONS = [
    # id, name, region, latitude, longitude, elevation in metres
    ("fjellgard", "Fjellgard", "north", 66.41, 14.87, 640),
    ("hallbekk", "Hallbekk", "north", 65.92, 13.35, 210),
    ("ostervik", "Østervik", "north", 66.08, 12.44, 8),
    ("skarvholm", "Skarvholm", "north", 66.73, 11.92, 12),
    ("campo-lucente", "Campo Lucente", "south", 38.77, 15.21, 96),
    ("colle-dambra", "Colle d'Ambra", "south", 38.94, 15.63, 388),
    ("porto-sereno", "Porto Sereno", "south", 38.52, 15.08, 5),
    ("salinella", "Salinella", "south", 38.31, 14.76, 3),
]
UNITS = {"elevation": "m", "rain": "mm", "temperature": "°C"}
FIRST_DAY = date(2026, 5, 4)
SUMMARIES = ["clear", "sunny spells", "overcast", "showers", "steady rain"]

# All in tenths, so that every machine computes the same numbers.
BASE = {"north": 62, "south": 178}
BY_HOUR = {0: -24, 6: -31, 12: 29, 18: 17}
BY_DAY = [0, 12, 21, -9, 4]

SCHEMA = """
CREATE TABLE stations (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL,
    latitude REAL NOT NULL, longitude REAL NOT NULL, elevation_m INTEGER NOT NULL
);
CREATE TABLE forecasts (
    station TEXT NOT NULL REFERENCES stations (id), date TEXT NOT NULL,
    temperatures TEXT NOT NULL, rain REAL NOT NULL, summary TEXT NOT NULL,
    PRIMARY KEY (station, date)
);
CREATE TABLE units (quantity TEXT PRIMARY KEY, unit TEXT NOT NULL);
"""


class RequestError(Exception):
    """A request that the service refuses, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection in one write transaction: committed at the end, rolled back by an exception."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def seed(path: Path) -> None:
    """Make and fill the database at ``path``, unless it has its tables already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened(path) as database:
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'units'").fetchone():
            return
        for statement in SCHEMA.split(";"):
            database.execute(statement)
        database.executemany("INSERT INTO units VALUES (?, ?)", UNITS.items())
        for station in STATIONS:
            add_station(database, station)


def add_station(database: sqlite3.Connection, row: tuple[str, str, str, float, float, int]) -> None:
    """Insert a row of ``stations``, and five days of forecasts that follow from its values alone."""
    database.execute("INSERT INTO stations VALUES (?, ?, ?, ?, ?, ?)", row)
    station, _, region, _, _, elevation_m = row
    quirk = sum(station.encode())
    for day, trend in enumerate(BY_DAY):
        wetness = (quirk + 3 * day) % len(SUMMARIES)
        morning = BASE.get(region, 110) - elevation_m // 15 + trend + quirk % 13
        temperatures = [
            (morning + swing * (10 - wetness) // 10 + (quirk * (day + 1) + hour) % 7) / 10
            for hour, swing in BY_HOUR.items()
        ]
        rain = max(0, wetness - 2) * (18 + quirk % 11) / 10
        database.execute(
            "INSERT INTO forecasts VALUES (?, ?, ?, ?, ?)",
            (
                station,
                (FIRST_DAY + timedelta(days=day)).isoformat(),
                json.dumps(temperatures),
                rain,
                SUMMARIES[wetness],
            ),
        )


def get(database: sqlite3.Connection, path: str, query: Mapping[str, str]) -> Any:
    """Return the JSON value that answers ``GET path?query``; lists are always in the same order."""
    allowed = {"/stations": {"region"}, "/forecasts": {"region", "station"}}.get(path, set())
    unknown = sorted(set(query) - allowed)
    if unknown:
        raise RequestError(400, f"{path} has no parameter {unknown[0]!r}")
    if path == "/health":
        return {"status": "ok"}
    if path == "/units":
        return dict(database.execute("SELECT quantity, unit FROM units ORDER BY quantity").fetchall())
    if path == "/stations":
        rows = database.execute(
            "SELECT * FROM stations WHERE region = coalesce(:region, region) ORDER BY region, id",
            {"region": query.get("region")},
        )
        return [dict(row) for row in rows]
    if path == "/forecasts":
        rows = database.execute(
            "SELECT forecasts.* FROM forecasts JOIN stations ON stations.id = station"
            " WHERE station = coalesce(:station, station) AND region = coalesce(:region, region)"
            " ORDER BY station, date",
            {"region": query.get("region"), "station": query.get("station")},
        )
        return [{**row, "temperatures": json.loads(row["temperatures"])} for row in map(dict, rows)]
    raise RequestError(404, f"there is no {path}")


def post(database: sqlite3.Connection, path: str, body: bytes) -> Any:
    """Carry out ``POST path`` and return the JSON value that answers it."""
    if path != "/stations":
        raise RequestError(404, f"nothing can be posted to {path}")
    try:
        given = json.loads(body)
        station = (
            str(given["id"]),
            str(given["name"]),
            str(given["region"]),
            float(given["latitude"]),
            float(given["longitude"]),
            int(given["elevation_m"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RequestError(400, f"not a station: {error!r}") from None
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", station[0]):
        raise RequestError(400, "an id is made of a-z, 0-9 and single hyphens")
    try:
        add_station(database, station)
    except sqlite3.IntegrityError:
        raise RequestError(409, f"there is a station {station[0]!r} already") from None
    return given


class Server(ThreadingHTTPServer):
    """The HTTP server, and what its handlers need to know."""

    daemon_threads = True

    def __init__(self, port: int, database: Path, token: str | None) -> None:
        self.database = database
        self.token = token
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        """Bind without the base class's reverse look-up, which takes seconds on a machine without DNS."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def respond(self) -> None:
        try:
            self.authorize()
            url = urlsplit(self.path)
            with opened(self.server.database) as database:
                if self.command == "POST":
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    status, value = 201, post(database, url.path, body)
                else:
                    status, value = 200, get(database, url.path, dict(parse_qsl(url.query)))
        except RequestError as error:
            status, value = error.status, {"error": str(error)}
        self.send(status, value)

    def authorize(self) -> None:
        if self.server.token is None:
            return
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise RequestError(401, "this service wants its token: Authorization: Bearer …")

    def send(self, status: int, value: Any) -> None:
        body = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: whoever started the service has better things to read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--db", type=Path, default=Path("weather.sqlite"), help="default: %(default)s")
    parser.add_argument("--port-file", type=Path, help="where to write the port when the service is ready")
    parser.add_argument("--token", help="refuse requests without 'Authorization: Bearer TOKEN'")
    options = parser.parse_args()

    seed(options.db)
    with Server(options.port, options.db, options.token) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # `shutdown` waits for the loop below, which runs in this very thread.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        if options.port_file:
            beside = options.port_file.with_name(options.port_file.name + ".new")
            beside.write_text(f"{server.server_port}\n")
            beside.replace(options.port_file)
        print(f"weather service: http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
