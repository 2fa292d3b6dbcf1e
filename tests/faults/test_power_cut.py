"""A power cut: a disk image is copied at one instant while state is written to it; the copy is mounted and read.

The disk is an image file on a file system with reflinks, so that the copy has what reached the disk by then and nothing
else. Some other program on the same disk writes its own files durably, as on any machine: that has the file system
write its journal at any time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from statebake.model.transaction import open_staging
from support.cli import clean_env
from support.killing import fractions
from support.mounts import image, mounted, reflink
from support.rounds import POWER_CUTS, SEED
from support.whole import badly_recorded, keys_in, left_in_staging, torn
from support.writers import command, never_synced, settled, write_version

pytestmark = pytest.mark.needs("reflink")

KEYS = 20


@dataclass
class Disk:
    """A disk with a file system, mounted at ``place``; ``copies`` is where its image can be copied to."""

    image: Path
    place: Path
    copies: Path

    @contextlib.contextmanager
    def after_a_cut(self, copy: Path) -> Iterator[Path]:
        """Give the directory of a copied image, mounted as at the next start."""
        with mounted(self.copies.parent / "after", "-o", "loop,nouuid", copy) as place:
            yield place
        copy.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk whose image lies in memory."""
    with (
        mounted(tmp_path / "memory", "-t", "tmpfs", "-o", "size=2g", "tmpfs") as memory,
        mounted(tmp_path / "outer", "-o", "loop", image(memory / "outer", "xfs", 1500)) as outer,
        mounted(tmp_path / "disk", "-o", "loop", image(outer / "disk", "xfs", 320)) as place,
    ):
        yield Disk(outer / "disk", place, outer)


@contextlib.contextmanager
def another_program(place: Path) -> Iterator[None]:
    """Have a file of its own written and synced over and over on the same disk."""
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.wait(0.005):
            number += 1
            descriptor = os.open(place / "other", os.O_WRONLY | os.O_CREAT)
            os.pwrite(descriptor, b"%d" % number, 0)
            os.fsync(descriptor)
            os.close(descriptor)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass
class Cuts:
    """What power cuts found.

    Attributes:
        count: how many.
        within: how many of them came after the first commit and before the last one.
        torn: keys that were neither old nor new.
        lost: keys that were old although their change was through.
    """

    count: int = 0
    within: int = 0
    torn: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = f"{self.within} within the commits; {len(self.torn)} torn keys, {len(self.lost)} lost changes"
        return f"{self.count} power cuts, {parts}; seed {SEED}"


def cut_power(disk: Disk, writer: Callable[..., None], root: Path, check: Callable[[Path], None]) -> Cuts:
    """Cut the power at random moments of a change from old to new; ``check`` looks at each state that is left."""
    old, new = (write_version(root / version, version, keys=KEYS, files=4) for version in ("old", "new"))
    versions = (keys_in(old), keys_in(new))
    place, log = disk.place / "state", root / "through"
    argv = [str(part) for part in command(writer, place, new, log)]
    cuts = Cuts()
    for fraction in fractions(SEED, POWER_CUTS):
        shutil.rmtree(place, ignore_errors=True)
        settled(place, old)
        os.sync()
        log.write_text("")
        with another_program(disk.place):
            process = subprocess.Popen(argv, env=clean_env(), stdin=subprocess.DEVNULL)
            while len(log.read_text().splitlines()) < fraction * KEYS and process.poll() is None:
                time.sleep(0.0002)
            through = log.read_text().splitlines()
            copy = reflink(disk.image, disk.copies / "copy")
            assert process.wait() == 0
        with disk.after_a_cut(copy) as after:
            cuts.count += 1
            cuts.within += 0 < len(through) < KEYS
            found = keys_in(after / "state")
            cuts.torn += torn(after / "state", *versions)
            cuts.lost += [name for name in through if found.get(name) == versions[0][name]]
            check(after / "state")
    return cuts


def test_a_power_cut(disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a power cut every key is whole, every key that was through is new, and the next start clears up."""

    def check(state_dir: Path) -> None:
        assert badly_recorded(state_dir) == []
        with open_staging(state_dir):
            pass
        assert left_in_staging(state_dir) == []
        assert badly_recorded(state_dir) == []
        settled(state_dir, tmp_path / "new")
        assert keys_in(state_dir) == keys_in(tmp_path / "new")

    cuts = cut_power(disk, settled, tmp_path, check)
    with capsys.disabled():
        print(f"\n{cuts}")
    assert cuts.torn == []
    assert cuts.lost == []
    assert cuts.count == POWER_CUTS
    assert cuts.within, "no cut hit the commits: the test has shown nothing"


def test_a_writer_that_never_syncs_is_caught(disk: Disk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The control: the same cuts find damage where a writer does the same without a single fsync."""
    cuts = cut_power(disk, never_synced, tmp_path, lambda _: None)
    with capsys.disabled():
        print(f"\nnever synced: {cuts}")
    assert cuts.torn
