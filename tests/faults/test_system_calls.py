"""Every system call of a change of state fails in turn: killed there, an input/output error, no space left.

A call is made to fail for as long as the process makes that many of it; the next number ends the sweep.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from statebake.errors import StatebakeError
from statebake.model.transaction import open_staging
from support.mounts import mounted
from support.rounds import FULL
from support.strace import FAULTS, Fault, run_with_fault
from support.whole import badly_recorded, keys_in, left_in_staging, torn
from support.writers import command, file_by_file, in_place, removed_first, settled, write_version

pytestmark = pytest.mark.needs("mount", "strace")

MOST = 300
"""A sweep of one system call that does not end by then is none."""
NO_EXCHANGE = ("renameat2:error=EINVAL",)
"""What a file system says that cannot exchange two directories."""


@dataclass
class Sweep:
    """One way to change the state, done anew for every system call; ``start`` is the state that it begins with."""

    writer: Callable[..., None]
    root: Path
    start: Path
    target: Path
    always: Sequence[str] = ()
    cases: int = 0
    torn: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    """Where the writer said that it had failed, and the state was not the old one any more."""

    def run(self, fault: Fault, check: Callable[[Path, str], None]) -> None:
        """Fail every call, and hand the state directory that each failure leaves to ``check``, with its name."""
        state_dir, log = self.root / "state", self.root / "strace.log"
        argv = command(self.writer, state_dir, self.target)
        others = {inject.split(":")[0] for inject in self.always}
        for call in (call for call in fault.calls if call not in others):
            for number in range(1, MOST):
                self._restore(state_dir)
                ended = run_with_fault(argv, f"{call}:{fault.what}:when={number}", log, always=self.always)
                if not ended.hit:
                    assert ended.code == 0, ended.err
                    break
                self.cases += 1
                case = f"{call} {number}"
                assert "Traceback" not in ended.err, f"{case}: {ended.err}"
                if ended.code == 0:
                    assert keys_in(state_dir) == keys_in(self.target), case
                elif ended.code == 4 and keys_in(state_dir) != keys_in(self.start):
                    self.untrue.append(case)
                check(state_dir, case)
            else:
                pytest.fail(f"{call} was made to fail {MOST} times, and there is no end of it")

    def _restore(self, state_dir: Path) -> None:
        shutil.rmtree(state_dir, ignore_errors=True)
        shutil.copytree(self.start, state_dir)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory: a sweep changes its state hundreds of times."""
    with mounted(tmp_path / "memory", "-t", "tmpfs", "tmpfs") as place:
        yield place


def make(root: Path, writer: Callable[..., None], how: str) -> Sweep:
    """Return the sweep of a change: ``first``, ``replaced``, ``moved aside`` (no exchange), ``confirmed``."""
    old = write_version(root / "old", "old", keys=1, files=1)
    new = write_version(root / "new", "new", keys=1, files=1)
    start = root / "start"
    start.mkdir()
    if how != "first":
        settled(start, old)
    target = old if how == "confirmed" else new
    return Sweep(writer, root, start, target, always=NO_EXCHANGE if how == "moved aside" else ())


def check_survived(sweep: Sweep, *, may_be_away: bool) -> Callable[[Path, str], None]:
    """Return a check that every key is old or new, also after the next start, which clears up, and the next change.

    ``may_be_away``: where a key cannot be exchanged, a kill may leave it to the next start to bring it back.
    """
    versions: list[Mapping[str, Mapping[str, bytes]]] = [keys_in(sweep.start), keys_in(sweep.target)]

    def check(state_dir: Path, case: str) -> None:
        assert torn(state_dir, *versions, *([{}] if may_be_away else [])) == [], case
        assert badly_recorded(state_dir) == [], case
        with open_staging(state_dir):
            pass
        assert torn(state_dir, *versions) == [], f"{case}, then the next start"
        assert badly_recorded(state_dir) == [], f"{case}, then the next start"
        assert left_in_staging(state_dir) == [], case
        settled(state_dir, sweep.target)
        assert keys_in(state_dir) == versions[1], f"{case}, then the next change"
        assert {path.name for path in state_dir.iterdir()} == {*versions[1], ".gitignore", ".staging"}

    return check


CASES = [(how, fault) for how in ("replaced", "moved aside") for fault in FAULTS]
CASES += [(how, fault) for how in ("first", "confirmed") for fault in FAULTS if FULL or fault == "killed"]


@pytest.mark.parametrize(("how", "fault"), CASES)
def test_every_system_call_fails(how: str, fault: str, memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever call fails, the key is wholly old or new, and a writer that says it failed has left the old one."""
    sweep = make(memory, settled, how)
    sweep.run(FAULTS[fault], check_survived(sweep, may_be_away=how == "moved aside" and fault == "killed"))
    with capsys.disabled():
        print(f"\n{how}, {fault}: {sweep.cases} system calls failed in turn")
    assert sweep.cases >= 20
    assert not sweep.untrue, "it said that the old state is unchanged, and it is not"


@pytest.mark.parametrize(
    ("writer", "fault"), [*((in_place, fault) for fault in FAULTS), (removed_first, "killed"), (file_by_file, "killed")]
)
def test_an_unsafe_writer_is_caught(writer: Callable[..., None], fault: str, memory: Path) -> None:
    """The control: the same sweep finds a torn key where a writer does not change it as a whole."""
    sweep = make(memory, writer, "replaced")
    versions = (keys_in(sweep.start), keys_in(sweep.target))

    def check(state_dir: Path, case: str) -> None:
        with contextlib.suppress(StatebakeError), open_staging(state_dir):
            pass
        if torn(state_dir, *versions):
            sweep.torn.append(case)

    sweep.run(FAULTS[fault], check)
    assert sweep.torn
