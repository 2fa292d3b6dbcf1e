"""State in the lower layer of an overlay, as in a container: directories there can be neither renamed nor exchanged."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import statebake
from support.native import code_component, component, documents, native_project
from support.pexes import digests
from support.shown import the_error
from support.trees import leftovers, read_tree

DEEP = """
version = Path({version!r}).read_text()
(state_path / "a/b").mkdir(parents=True)
(state_path / "a/b/c").write_text(version)
(state_path / version).write_text("named like its version")
(state_path.parent / "beside").mkdir()
(state_path.parent / "beside/it").write_text(version)
"""


@dataclass
class Layered:
    """A project in the merged directory of an overlay; its first state is in the lower layer, and read-only there."""

    project: Path
    lower: Path
    version: Path

    @property
    def state_dir(self) -> Path:
        return self.project / "src/shop/defs/.local_defs_state"

    def refresh(self, version: str) -> dict[str, str]:
        """Refresh to a version, and return the digest of every key."""
        self.version.write_text(version)
        statebake("refresh", cwd=self.project).ok()
        statebake("check", cwd=self.project).ok()
        assert leftovers(self.state_dir) == []
        return digests(read_tree(self.state_dir))


@pytest.fixture
def layered(tmp_path: Path) -> Iterator[Layered]:
    """A project that was refreshed to ``one`` before the overlay was mounted over it."""
    version = tmp_path / "version"
    version.write_text("one")
    texts = (component("flat", source=str(version)), code_component("deep", DEEP.format(version=str(version))))
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    native_project(lower / "shop", documents(*texts))
    statebake("refresh", cwd=lower / "shop").ok()
    for directory in (upper, work, merged):
        directory.mkdir()
    layers = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, merged], check=True)
    try:
        yield Layered(merged / "shop", lower / "shop", version)
    finally:
        subprocess.run(["umount", "-l", merged], check=True)


@pytest.mark.needs("overlay")
def test_a_refresh_of_the_lower_layer(layered: Layered) -> None:
    """State of the lower layer is replaced, twice, by new content that check accepts; the lower layer stays."""
    lower = read_tree(layered.lower)
    one = digests(read_tree(layered.state_dir))
    two = layered.refresh("two")
    three = layered.refresh("three")
    assert set(one) == set(two) == set(three) == {"Text__flat__", "Text__deep__"}
    assert all(len({one[name], two[name], three[name]}) == 3 for name in one)
    assert layered.refresh("one") == one
    assert (layered.state_dir / "Text__flat__/state").read_text() == "one"
    assert not (layered.state_dir / "Text__deep__/state/three").exists()
    assert read_tree(layered.lower) == lower


@pytest.mark.needs("overlay")
def test_the_same_content_in_the_lower_layer(layered: Layered) -> None:
    """State of the lower layer that is confirmed keeps its content; only its record is new."""
    before = digests(read_tree(layered.state_dir))
    assert layered.refresh("one") == before


@pytest.mark.needs("overlay")
def test_a_directory_of_the_lower_layer_cannot_be_renamed(layered: Layered) -> None:
    """The control: without what these tests are about, a plain rename does fail there."""
    place = layered.state_dir / "Text__flat__"
    with pytest.raises(OSError, match="cross-device") as caught:
        place.rename(layered.state_dir / "elsewhere")
    assert caught.value.errno == errno.EXDEV


def _half_removed(place: Path) -> None:
    """Remove a part of the old state, as a removal that was killed leaves it."""
    shutil.rmtree(place / "state/a")
    (place / ".statebake.json").unlink()


LEFT = {
    "half removed": _half_removed,
    "empty": lambda place: [shutil.rmtree(place), place.mkdir()],
    "removed": shutil.rmtree,
}


@pytest.mark.needs("overlay")
@pytest.mark.parametrize("left", LEFT)
def test_a_kill_between_the_copy_and_the_swap(layered: Layered, left: str) -> None:
    """Killed while the old state, copied aside, is removed from its place: the next start brings it back whole."""
    before = read_tree(layered.state_dir)
    place = layered.state_dir / "Text__deep__"
    killed = layered.state_dir / ".staging/0123456789ab"
    shutil.copytree(place, killed / "~old" / place.name)
    (killed / place.name / "state").mkdir(parents=True)
    (killed / place.name / "state/new").write_text("never committed")
    LEFT[left](place)
    layered.version.unlink()  # so that no fetch can bring it back
    result = statebake("refresh", "--key", "Text[deep]", cwd=layered.project)
    assert (result.code, the_error(result.err).code) == (4, "SB401")
    assert read_tree(layered.state_dir) == before
    assert leftovers(layered.state_dir) == []
    statebake("check", cwd=layered.project).ok()


@pytest.mark.needs("overlay")
def test_a_kill_before_the_copy_is_whole(layered: Layered) -> None:
    """Killed while the old state is copied aside: the half copy is never taken for state, and goes."""
    before = read_tree(layered.state_dir)
    killed = layered.state_dir / ".staging/0123456789ab"
    for name in ("~Text__deep__", "Text__deep__"):
        (killed / name / "state").mkdir(parents=True)
        (killed / name / "state/half").write_text("half")
    (killed / "~old").mkdir()
    layered.version.unlink()
    assert statebake("refresh", cwd=layered.project).code == 4
    assert read_tree(layered.state_dir) == before
    assert leftovers(layered.state_dir) == []
