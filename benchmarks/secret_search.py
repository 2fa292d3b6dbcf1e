"""How fast files are searched for secrets, on one core, beside reading the same bytes with SHA-256.

Every search is of a whole file in memory, in windows, as state and artifacts are searched: with the standard library
alone for five secrets in all their forms, and with hyperscan (the extra ``statebake[scan]``) for fifty; the values
alone, and with formats of tokens, private keys and URLs. Nothing is found: a hit costs more, and is rare. Time is the
processor's, so that what else the machine does counts less.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import string
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from measure import interleaved
from table import Figure, Row, markdown, plain

from statebake.hygiene.matchers import LibcMatcher, Matcher, Needle, hyperscan_matcher
from statebake.hygiene.search import Searcher
from statebake.hygiene.secrets import Secret

SIZE = 64_000_000
MANY = "50 secrets, hyperscan"
LEAST = Figure(200, "MB/s")
LEAST_MANY = Figure(1000, "MB/s")


def corpora() -> dict[str, bytes]:
    """Return what is searched."""
    library = Path(sysconfig.get_paths()["stdlib"])
    chosen = random.Random(1)
    return {
        "JSON": documents(chosen),
        "Python source": filled(sorted(library.rglob("*.py"))),
        "compiled files": filled([Path(sys.executable).resolve(), *sorted(library.rglob("*.so"))]),
        "random bytes": chosen.randbytes(SIZE),
    }


def documents(chosen: random.Random) -> bytes:
    """Return JSON that is full of digests, names, numbers and URLs."""
    parts: list[bytes] = []
    size = 0
    while size < SIZE:
        document = {
            "unique_id": f"model.shop.{chosen.choice(['orders', 'customers', 'payments'])}_{len(parts)}",
            "checksum": {"name": "sha256", "checksum": chosen.randbytes(32).hex()},
            "columns": [
                {
                    "name": f"column_{number}",
                    "data_type": "varchar",
                    "description": "What the customer has paid so far.",
                }
                for number in range(chosen.randrange(8))
            ],
            "docs": {"url": f"https://docs.shop.net/models/{len(parts)}", "owner": "data@shop.net"},
            "created_at": chosen.random() * 1e9,
        }
        parts.append(json.dumps(document).encode())
        size += len(parts[-1]) + 1
    return b"\n".join(parts)[:SIZE]


def filled(paths: Iterable[Path]) -> bytes:
    """Return the content of files, over and over until there is enough of it."""
    content = b"".join(path.read_bytes() for path in paths if path.is_file())
    return (content * (SIZE // len(content) + 1))[:SIZE]


def secrets(count: int) -> list[Secret]:
    """Return secrets as they are: 20 to 40 letters and digits."""
    chosen = random.Random(2)
    signs = string.ascii_letters + string.digits
    return [Secret(f"S{number}", "".join(chosen.choices(signs, k=20 + number % 21))) for number in range(count)]


def searching(
    content: bytes, count: int, matcher: Callable[[Sequence[Needle]], Matcher], *, formats: bool
) -> Callable[[], float]:
    """Return what searches, and times it."""
    searcher = Searcher(secrets(count), formats=formats, matcher=matcher)

    def run() -> float:
        stream = io.BytesIO(content)
        begin = time.process_time()
        found = list(searcher.search("content", stream, len(content)))
        seconds = time.process_time() - begin
        if found:
            raise SystemExit(f"found what is not there: {found[:3]}")
        return seconds

    return run


def hashing(content: bytes) -> Callable[[], float]:
    """Return what reads all bytes once."""

    def run() -> float:
        begin = time.process_time()
        hashlib.sha256(content)
        return time.process_time() - begin

    return run


def many(needles: Sequence[Needle]) -> Matcher:
    """Return the matcher for many needles."""
    found = hyperscan_matcher(needles)
    assert found is not None
    return found


def rows_for(name: str, content: bytes, repeat: int) -> list[Row]:
    """Return the rows for one corpus."""
    subjects = {
        "sha256": hashing(content),
        "5 secrets": searching(content, 5, LibcMatcher, formats=False),
        "5 secrets and formats": searching(content, 5, LibcMatcher, formats=True),
    }
    if hyperscan_matcher([]) is not None:
        subjects[MANY] = searching(content, 50, many, formats=False)
        subjects["50 secrets and formats, hyperscan"] = searching(content, 50, many, formats=True)
    best = interleaved(repeat, subjects)
    speed = {subject: Figure(len(content) / 1e6 / seconds, "MB/s") for subject, seconds in best.items()}
    peer = ("sha256", speed.pop("sha256"))
    return [
        Row(f"{name}: {subject}", figure, peer, LEAST_MANY if subject == MANY else LEAST)
        for subject, figure in speed.items()
    ]


def main() -> int:
    """Run the benchmarks and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="how often each is run; the best counts (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    arguments = parser.parse_args()
    rows = [row for name, content in corpora().items() for row in rows_for(name, content, arguments.repeat)]
    print(markdown(rows) if arguments.markdown else plain(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
