"""What a truth check costs: a PEX of 25 MB, and an image with 1,000 keys, with the bare minimum beside them.

    make benchmark-verify

A check is one function call: reading the artifact and judging it, without starting Python, which every command pays.
The bare minimum opens the zip file with the standard library, or unpacks the layers, and digests the same state. What
is compared takes turns, and the best of ``--repeat`` runs counts.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from measure import interleaved
from table import Figure, Row, markdown, plain

from statebake.model.keys import sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import ComponentRef, Record, dump_json
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import summarize_dir
from statebake.pipeline.inspecting import find_artifact
from statebake.pipeline.truth import check_truth

REPO = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPO / "tests"))

from support.layers import LayoutMaker, Member, tar  # noqa: E402 - as the tests make image layouts

STATE = "shop/defs/.local_defs_state"
ENTRIES, PEX_BYTES = 5_000, 25_000_000


def state_of(root: Path, keys: int, size: int) -> dict[str, bytes]:
    """Return the files of a state directory with so many keys of ``size`` bytes, and its manifest."""
    chosen = random.Random(1)
    records, files = [], {".gitignore": b"*\n"}
    for number in range(keys):
        key = f"Text[n{number:04}]"
        directory = root / sanitize_key(key)
        directory.mkdir()
        rows = (f'{{"id": {chosen.randrange(10**9)}, "name": "column {row}"}}\n' for row in range(size // 40))
        (directory / "state").write_text("".join(rows))
        summary = summarize_dir(directory)
        record = Record(
            key=key,
            components=(ComponentRef("shop.components.Text", "src/shop/defs/things/defs.yaml:1"),),
            management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
            digest=summary.digest,
            files=summary.files,
            bytes=summary.bytes,
            fetched_at="2026-01-02T03:04:05Z",
            origin="fetched",
            tool="statebake benchmark",
            host="native benchmark",
        )
        records.append(record)
        files[f"{directory.name}/state"] = (directory / "state").read_bytes()
        files[f"{directory.name}/.statebake.json"] = dump_json(record.to_json()).encode()
    manifest = Manifest("shop", "statebake benchmark", "native benchmark", None, tuple(records))
    return {**files, "statebake-manifest.json": manifest.dumps().encode()}


def make_pex(path: Path, state: dict[str, bytes]) -> Path:
    """Write a PEX of some 25 MB and 5,000 entries that carries ``state``."""
    chosen = random.Random(2)
    info = {"distributions": {f"lib{number}-1-py3-none-any.whl": "" for number in range(40)}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PEX-INFO", json.dumps(info))
        for name in ("shop/__init__.py", "shop/defs/__init__.py", "shop/defs/things/defs.yaml"):
            archive.writestr(name, "")
        for name, content in state.items():
            archive.writestr(f"{STATE}/{name}", content)
        others = ENTRIES - len(state) - 4
        rest = (PEX_BYTES - sum(info.compress_size for info in archive.infolist())) // others
        for number in range(others):
            archive.writestr(f".deps/lib{number % 40}-1-py3-none-any.whl/lib/m{number}.py", chosen.randbytes(rest))
    return path


def make_layout(root: Path, state: dict[str, bytes]) -> Path:
    """Write an OCI image layout with a layer of code and one of ``state``."""
    maker = LayoutMaker(root)
    code = ["shop/__init__.py", "shop/defs/__init__.py", "shop/defs/things/defs.yaml"]
    layers = (
        tar([Member(f"app/{name}", content=b"") for name in code]),
        tar([Member(f"app/{STATE}/{name}", content=content) for name, content in state.items()]),
    )
    return maker.finish(maker.image(layers))


def check(path: Path) -> None:
    """Check an artifact; one that is not sound ends the benchmark."""
    [found] = find_artifact(str(path), {})
    truth = check_truth(found, now=datetime.now(timezone.utc))
    if truth.findings or not truth.keys:
        raise SystemExit(f"{path} is not sound: {truth.findings[:3]}")


def digest_zip(path: Path) -> None:
    """Do what reading the state in a zip file takes at least."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith(STATE):
                hashlib.sha256(archive.read(name))


def digest_layout(path: Path) -> None:
    """Do what reading the layers of an image takes at least: both digests of each, and those of the state."""
    for blob in (path / "blobs/sha256").iterdir():
        packed = blob.read_bytes()
        hashlib.sha256(packed)
        if packed[:2] == b"\x1f\x8b":
            unpacked = gzip.decompress(packed)
            hashlib.sha256(unpacked)
            for content in members(unpacked):
                hashlib.sha256(content)


def members(archive: bytes) -> Iterator[bytes]:
    """Yield the content of every file of a tar archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            if (content := opened.extractfile(member)) is not None:
                yield content.read()


def seconds(work: Callable[[Path], None], path: Path) -> Callable[[], float]:
    """Return what times ``work``."""

    def run() -> float:
        begin = time.perf_counter()
        work(path)
        return time.perf_counter() - begin

    return run


def main() -> int:
    """Run the benchmarks and print their table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="how often each is run; the best counts (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="statebake-verify-") as name:
        root = Path(name)
        for part in ("few", "many"):
            (root / part).mkdir()
        pex = make_pex(root / "shop.pex", state_of(root / "few", 20, 200_000))
        layout = make_layout(root / "layout", state_of(root / "many", 1_000, 20_000))
        best = interleaved(
            arguments.repeat,
            {
                "pex": seconds(check, pex),
                "zipfile": seconds(digest_zip, pex),
                "layout": seconds(check, layout),
                "layers": seconds(digest_layout, layout),
            },
        )
        what = f"a PEX of {pex.stat().st_size / 1e6:.0f} MB, {ENTRIES:,} entries, 20 keys"
        rows = [
            Row(what, Figure(best["pex"]), ("zipfile, sha256", Figure(best["zipfile"])), Figure(0.5)),
            Row(
                "an image layout with 1,000 keys",
                Figure(best["layout"]),
                ("gzip, sha256", Figure(best["layers"])),
                Figure(2),
            ),
        ]
    print(markdown(rows) if arguments.markdown else plain(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
