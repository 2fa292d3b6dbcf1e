"""The examples' real HTTP service, started for a test."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.cli import clean_env
from support.dagster import REPO

TOKEN = "token-of-the-test-service"
# A station that the service does not have at first, for tests of what a change does.
NEW_STATION = {
    "id": "ravnsund",
    "name": "Ravnsund",
    "region": "north",
    "latitude": 66.9,
    "longitude": 13.1,
    "elevation_m": 31,
}


@dataclass
class Service:
    """A running service; a context manager that ends it."""

    process: subprocess.Popen[bytes]
    port: int

    @classmethod
    def start(cls, directory: Path) -> Service:
        """Start the service on a free loopback port, and return when it answers."""
        port_file = directory / "port"
        process = subprocess.Popen(
            [
                sys.executable,
                REPO / "examples/weather/service.py",
                *("--port", "0", "--db", directory / "weather.db", "--port-file", port_file, "--token", TOKEN),
            ],
            env=clean_env(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not port_file.exists():
            assert process.poll() is None, "the service ended at once"
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.05)
        return cls(process, int(port_file.read_text()))

    @property
    def env(self) -> dict[str, str | None]:
        """What the examples' components need to fetch."""
        return {"WEATHER_API": f"http://127.0.0.1:{self.port}", "WEATHER_TOKEN": TOKEN}

    def post(self, path: str, body: object) -> None:
        """Change the service's data."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def stop(self) -> None:
        """End it by its process id."""
        self.process.terminate()
        self.process.wait(timeout=10)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
