"""No space left, or no inodes, at every point of a change of state."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from statebake.errors import StatebakeError
from statebake.model.transaction import open_staging
from support.mounts import mounted
from support.shown import assert_no_crash, shown
from support.versions import Versions
from support.whole import badly_recorded, keys_in, left_in_staging, torn
from support.writers import in_place, settled, write_version

pytestmark = pytest.mark.needs("mount")

PAGE = 4096
KINDS = {"space": "size=2m", "inodes": "nr_inodes=100"}
MOST = 200


def fill(place: Path, kind: str, room: int) -> None:
    """Leave room for that many pages, or inodes, on the small file system at ``place``."""
    ballast = place / "ballast"
    ballast.mkdir()
    with contextlib.suppress(OSError):
        if kind == "space":
            with (ballast / "pages").open("wb", buffering=0) as stream:
                while stream.write(b"x" * PAGE):
                    pass
        for number in range(10_000 if kind == "inodes" else 0):
            (ballast / str(number)).touch()
    if kind == "space":
        size = (ballast / "pages").stat().st_size
        os.truncate(ballast / "pages", max(0, size - room * PAGE))
    else:
        for path in sorted(ballast.iterdir())[:room]:
            path.unlink()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def small(kind: str, tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", KINDS[kind], "tmpfs") as place:
        yield place


def with_less_and_less_room(
    small: Path, kind: str, writer: Callable[..., None], root: Path, check: Callable[[Path, str], None]
) -> int:
    """Change state with room for 0, 1, 2, … until it works; ``check`` looks at what each failure leaves."""
    old, new = (write_version(root / version, version, keys=2, files=3) for version in ("old", "new"))
    state_dir = small / "state"
    for room in range(MOST):
        shutil.rmtree(state_dir, ignore_errors=True)
        settled(state_dir, old)
        fill(small, kind, room)
        try:
            writer(state_dir, new)
        except (StatebakeError, OSError):
            shutil.rmtree(small / "ballast")
            check(state_dir, f"room for {room}")
        else:
            assert keys_in(state_dir) == keys_in(new)
            return room
    pytest.fail(f"it does not even work with room for {MOST}")


def test_no_room_at_every_point(small: Path, kind: str, tmp_path: Path) -> None:
    """Wherever space or inodes end, every key is whole, nothing is left in staging, and the next change works."""
    old, new = tmp_path / "old", tmp_path / "new"

    def check(state_dir: Path, case: str) -> None:
        assert torn(state_dir, keys_in(old), keys_in(new)) == [], case
        assert badly_recorded(state_dir) == [], case
        assert left_in_staging(state_dir) == [], case
        with open_staging(state_dir):
            pass
        settled(state_dir, new)
        assert keys_in(state_dir) == keys_in(new), case

    assert with_less_and_less_room(small, kind, settled, tmp_path, check) > 5


def test_an_unsafe_writer_is_caught(small: Path, kind: str, tmp_path: Path) -> None:
    """The control: the same finds torn keys where a writer writes in place, and what it wrote takes more room."""
    old, new = tmp_path / "old", tmp_path / "new"
    found: list[str] = []

    def larger(state_dir: Path, source: Path) -> None:
        """Write in place what needs more room than what was there."""
        grown = shutil.copytree(source, tmp_path / "grown", dirs_exist_ok=True)
        for number in range(12):
            (grown / "Text__0__/state" / f"more {number}.txt").write_bytes(b"x" * PAGE)
        in_place(state_dir, grown)
        shutil.rmtree(state_dir)
        shutil.copytree(source, state_dir)

    def check(state_dir: Path, _: str) -> None:
        found.extend(torn(state_dir, keys_in(old), keys_in(new)))

    with_less_and_less_room(small, kind, larger, tmp_path, check)
    assert found


def test_a_refresh_without_room(kind: str, tmp_path: Path) -> None:
    """A refresh on a full file system fails by a code and leaves the old state; with room again, it works."""
    project = Versions(tmp_path, keys=3)
    with mounted(project.state_dir, "-t", "tmpfs", "-o", KINDS[kind], "tmpfs"):
        for room in (0, 3, 8):
            project.restore()
            fill(project.state_dir, kind, room)
            result = project.refresh()
            assert result.code == 4
            assert_no_crash(result.err)
            assert {item.code for item in shown(result.err)} <= {"SB401", "SB405"}
            shutil.rmtree(project.state_dir / "ballast")
            project.assert_whole()
            project.assert_nothing_left()
        project.assert_next_refresh()
