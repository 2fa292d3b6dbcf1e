"""What a start costs: importing the runtime part over bare Python, and ``statebake --help``.

    .venv/bin/python benchmarks/start_up.py [RUNS]

Prints milliseconds, the best of RUNS (default 40) interleaved runs; compare the differences, not the absolute times.
"""

from __future__ import annotations

import subprocess
import sys
import time

SUBJECTS = {
    "bare Python": ["-c", "pass"],
    "import statebake": ["-c", "import statebake"],
    "the names that a program uses": [
        "-c",
        "from statebake import ComponentLoadContext, DefsStateConfig, StateBackedComponent, load_defs",
    ],
    "every public name": ["-c", "from statebake import *"],
    "statebake --help": ["-m", "statebake", "--help"],
}


def main() -> None:
    """Time every subject and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    best = dict.fromkeys(SUBJECTS, float("inf"))
    for _ in range(runs):
        for name, arguments in SUBJECTS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            best[name] = min(best[name], time.perf_counter() - begin)
    bare = best["bare Python"]
    for name, seconds in best.items():
        print(f"{name:32} {seconds * 1000:7.1f} ms   {(seconds - bare) * 1000:+7.1f} ms over bare Python")


if __name__ == "__main__":
    main()
