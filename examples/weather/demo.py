"""The whole job on one page: bake a program with its state, take everything away, and run it.

    python examples/weather/demo.py

Needs the Python that statebake is installed in, and nothing else.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

EXAMPLE = Path(__file__).resolve().parent
REPOSITORY = EXAMPLE.parent.parent
PEX = Path("dist", "weather.pex")
BAKE = ["bake", "pex", "--project", "examples/weather", "-o", str(PEX)]

NEW_STATION = {
    "id": "ravnsund",
    "name": "Ravnsund",
    "region": "north",
    "latitude": 66.9,
    "longitude": 13.1,
    "elevation_m": 1 + secrets.randbelow(900),  # so that nothing left over from an earlier run can pass for it
}


class DemoError(Exception):
    """Something did not go as the demo says it does."""


@contextmanager
def service(directory: Path, token: str) -> Iterator[str]:
    """Run the weather service on a free port, yield its address, and end it."""
    port_file = directory / "port"
    command = [sys.executable, str(EXAMPLE / "service.py"), "--port", "0", "--token", token]
    command += ["--db", str(directory / "weather.sqlite"), "--port-file", str(port_file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            if process.poll() is not None:
                raise DemoError(f"the weather service ended at once, with exit code {process.returncode}")
            if time.monotonic() > deadline:
                raise DemoError("the weather service did not start within 20 seconds")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def add_station(address: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"{address}/stations", json.dumps(NEW_STATION).encode(), headers)
    build_opener(ProxyHandler({})).open(request, timeout=10).close()


def bake(address: str, token: str) -> None:
    environment = {**os.environ, "WEATHER_API": address, "WEATHER_TOKEN": token}
    environment["STATEBAKE_PYTHON"] = sys.executable  # whatever virtual environment happens to be active
    code = subprocess.run(
        [sys.executable, "-m", "statebake", *BAKE], cwd=REPOSITORY, env=environment, check=False
    ).returncode
    if code:
        raise DemoError(f"statebake ended with exit code {code}")


def without_network() -> list[str]:
    """Return the command that runs another one without a network, or nothing where none is allowed."""
    for option in ("-rn", "-n"):
        command = ["unshare", option]
        if (
            shutil.which("unshare")
            and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            return command
    return []


def run(prefix: list[str], pex: Path, home: Path) -> None:
    """Run the PEX for the reader, and once more for its JSON, to see that it holds what the service said."""
    nowhere = home / "nowhere"
    nowhere.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "TERM", "NO_COLOR", "LANG", "LC_ALL") if name in os.environ}
    environment = {**kept, "HOME": str(home), "PEX_ROOT": str(home / "pex-root")}
    command = [*prefix, sys.executable, str(pex)]

    answer = subprocess.run([*command, "--json"], cwd=nowhere, env=environment, stdout=subprocess.PIPE, check=False)
    if answer.returncode:
        raise DemoError(f"the PEX ended with exit code {answer.returncode}")
    built = json.loads(answer.stdout)
    if NEW_STATION not in built["stations"]:
        raise DemoError(f"the PEX does not know {NEW_STATION['name']}, {NEW_STATION['elevation_m']} m")
    if built["connections"]:
        raise DemoError(f"the PEX tried to connect {built['connections']} times")

    if subprocess.run(command, cwd=nowhere, env=environment, check=False).returncode:
        raise DemoError("the PEX printed its JSON, but not its table")


def say(text: str) -> None:
    print(text, flush=True)


def demo() -> None:
    started = time.monotonic()
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="statebake-demo-") as name:
        home = Path(name).resolve()
        say("1. Start the weather service, and give it a station that it did not have:")
        with service(home, token) as address:
            add_station(address, token)
            say(f"   {NEW_STATION['name']}, {NEW_STATION['elevation_m']} m ({address})")
            say(f"2. statebake {' '.join(BAKE)}\n")
            bake(address, token)
        say("\n3. Stop the service and delete its database.")
        (home / "weather.sqlite").unlink()
        pex = home / PEX.name
        shutil.copy2(REPOSITORY / PEX, pex)
        prefix = without_network()
        say("4. Run the PEX from an empty directory, without WEATHER_API and WEATHER_TOKEN,")
        if prefix:
            say(f"   and without a network ({' '.join(prefix)}):\n")
        else:
            say("   with the service gone (the network stays: this system allows no network namespace):\n")
        run(prefix, pex, home)
        size = pex.stat().st_size / 1e6
    say(f"\nDone in {time.monotonic() - started:.0f} s: {PEX}, {size:.1f} MB. It carries all that it needs.")


if __name__ == "__main__":
    try:
        demo()
    except (DemoError, OSError) as error:
        sys.exit(f"\ndemo: failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
