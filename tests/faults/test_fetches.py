"""Fetches that do whatever a program can do, each beside a healthy one, which must not notice.

After each: the healthy key is new, the other one new or as it was, nothing is left behind, the next refresh works.
"""

from __future__ import annotations

import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import Result, run
from support.memory import limited_to
from support.mounts import mounted
from support.naive import naive_refresh
from support.processes import marked
from support.shown import assert_no_crash, the_error
from support.versions import Versions
from support.whole import keys_in, torn

BAD, HEALTHY = "Text__0__", "Text__1__"
HALF = "state_path.mkdir()\n(state_path / '0.txt').write_text('half')\n"
TIMEOUT = ("--timeout", "2s", "--retries", "0")


@dataclass(frozen=True)
class Case:
    """What the fetch does before it writes its state, if it still does then.

    Attributes:
        error: the code that its refresh ends with, or ``None``: it is a success.
        args: of ``statebake refresh``.
        within: seconds in which the refresh has to end.
        root: it needs to be root.
    """

    code: str
    error: str | None = None
    args: tuple[str, ...] = ()
    within: float = 20
    root: bool = False


HANG_IN_C = """
import ctypes, signal
signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
while True:
    ctypes.PyDLL(None).pause()  # with the interpreter's lock: no thread of Python's goes on either
"""
DAEMON = """
import signal, time
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.closerange(0, 3)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1.5)
    for place in (state_path, state_path.parents[3] / state_path.parent.name / "state"):
        try:
            (place / "0.txt").write_text("spoilt")
        except OSError:
            pass
    time.sleep(600)
    os._exit(0)
"""
FLOOD = """
for _ in range(100):
    os.write(1, b"0123456789abcde\\n" * 65536)
"""

CASES = {
    "hangs in C": Case(HALF + HANG_IN_C, "SB411", TIMEOUT),
    "hangs with the signals blocked": Case(HALF + HANG_IN_C.replace("PyDLL", "CDLL"), "SB411", TIMEOUT),
    "exits with 0 after half": Case(f"{HALF}os._exit(0)", "SB403"),
    "segfault": Case(f"{HALF}import ctypes\nctypes.string_at(0)", "SB403"),
    "abort": Case(f"{HALF}os.abort()", "SB403"),
    "raises after half": Case(f"{HALF}raise OSError('gone')", "SB401"),
    "leaves a FIFO": Case("os.mkfifo(state_path.parent / 'pipe')", "SB404"),
    "leaves a device": Case("os.mknod(state_path.parent / 'zero', 0o20666, os.makedev(1, 5))", "SB404", root=True),
    "leaves a sparse file": Case(
        "with (state_path.parent / 'sparse').open('wb') as stream:\n    os.truncate(stream.fileno(), 1 << 40)",
        "SB404",
        within=10,
    ),
    "leaves a daemon": Case(DAEMON),
    "changes the directory": Case("os.chdir('/')"),
    "is in a directory that is gone": Case("os.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')"),
    "closes stdout": Case("os.close(1)\nos.close(2)"),
    "closes every descriptor but its report": Case("os.closerange(0, 3)\nos.open('/dev/null', os.O_RDWR)"),
    "floods stdout": Case(FLOOD),
    "edits the environment": Case("os.environ.clear()\nos.environ['PATH'] = '/nowhere'"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    project = Versions(tmp_path_factory.mktemp("fetches"), keys=2, files=3)
    (project.hook.parent / "foreign").write_text("somebody's own")
    return project


@pytest.fixture
def project(template: Versions) -> Iterator[Versions]:
    template.restore()
    yield template
    template.hook.unlink(missing_ok=True)
    template.end()


def cases() -> list[object]:
    return [
        pytest.param(case, id=name, marks=[pytest.mark.needs("root")] if case.root else [])
        for name, case in CASES.items()
    ]


def let(project: Versions, code: str) -> None:
    """Have the fetch of the first key run this code."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    project.hook.write_text(f"if name == '0':\n{lines}")


def assert_alone(project: Versions, result: Result, error: str | None) -> None:
    """The fetch failed with this code and left its old state, or it succeeded; the healthy one is new in any case."""
    assert_no_crash(result.err)
    found = keys_in(project.state_dir)
    assert found[HEALTHY] == project.new[HEALTHY]
    if error is None:
        result.ok()
        assert found[BAD] == project.new[BAD]
    else:
        assert (result.code, the_error(result.err).code) == (4, error)
        assert found[BAD] == project.old[BAD]
    project.assert_whole()


@pytest.mark.parametrize("case", cases())
def test_a_fetch(project: Versions, case: Case) -> None:
    """It fails alone or succeeds, in time; nothing of it stays, and nobody else's file has changed."""
    let(project, case.code)
    begun = time.monotonic()
    result = project.refresh(*case.args, timeout=case.within)
    assert time.monotonic() - begun < case.within
    assert_alone(project, result, case.error)
    project.assert_nothing_left()
    assert len(result.err) < 20_000
    assert (project.hook.parent / "foreign").read_text() == "somebody's own"
    assert not (project.directory / "gone").exists()
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in project.state_dir.rglob("*")}
    assert kinds == {stat.S_IFREG, stat.S_IFDIR}
    project.restore()
    project.assert_next_refresh()


LINK = "os.link(hook.parent / 'foreign', state_path.parent / 'linked')"


def test_a_fetch_that_leaves_a_hard_link(project: Versions) -> None:
    """The state gets a copy of its own: what is written to the other name later does not change it."""
    let(project, LINK)
    project.refresh().ok()
    foreign, linked = project.hook.parent / "foreign", project.state_dir / BAD / "linked"
    assert linked.stat().st_nlink == 1
    foreign.write_text("changed")
    assert linked.read_text() == "somebody's own"
    assert keys_in(project.state_dir)[HEALTHY] == project.new[HEALTHY]
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_a_hard_link_of_a_naive_refresh_is_caught(project: Versions, tmp_path: Path) -> None:
    """The control: taken as it is, the state changes with the foreign file."""
    let(project, LINK)
    assert naive_refresh(project, 0, tmp_path).code == 0
    (project.hook.parent / "foreign").write_text("changed")
    assert (project.state_dir / BAD / "linked").read_text() == "changed"


def test_a_fetch_that_eats_memory(project: Versions) -> None:
    """A fetch that needs more memory than there is fails alone."""
    let(project, f"{HALF}eaten = []\nwhile True:\n    eaten.append(bytearray(1 << 24))")
    with limited_to(512) as prefix:
        result = run([*prefix, *project.command], cwd=project.directory, env=project.env, timeout=60)
        assert the_error(result.err).code in {"SB401", "SB403"}
        assert_alone(project, result, the_error(result.err).code)
        project.assert_nothing_left()
    project.assert_next_refresh()


@pytest.mark.needs("mount")
def test_a_fetch_that_writes_a_hundred_thousand_files(project: Versions) -> None:
    """So many small files are a state like any other, and leave nothing behind when the next one replaces them."""
    many = """
    for directory in range(100):
        (state_path.parent / "many" / str(directory)).mkdir(parents=True)
        for number in range(1000):
            os.close(os.open(state_path.parent / "many" / str(directory) / str(number), os.O_WRONLY | os.O_CREAT))
    """
    with mounted(project.state_dir, "-t", "tmpfs", "tmpfs"):
        project.restore()
        project.hook.write_text(f"if name == '0':{many}")
        project.refresh(timeout=120).ok()
        found = keys_in(project.state_dir)
        assert len(found[BAD]) == len(project.new[BAD]) + 100_000
        assert found[HEALTHY] == project.new[HEALTHY]
        project.assert_nothing_left()
        project.assert_next_refresh()


# --- controls --------------------------------------------------------------------------------------------------------

DAMAGES = [name for name, case in CASES.items() if case.error and not case.args]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.needs("root")] if CASES[name].root else []) for name in DAMAGES]
)
def test_damage_by_a_naive_refresh_is_caught(project: Versions, name: str, tmp_path: Path) -> None:
    """The control: where a fetch writes in place and its exit code counts, the same fetch leaves a torn key."""
    let(project, CASES[name].code)
    if name == "leaves a sparse file":  # nobody reads it here
        naive_refresh(project, 0, tmp_path)
        sparse = project.state_dir / BAD / "sparse"
        assert sparse.stat().st_size == 1 << 40
        sparse.unlink()
        return
    result = naive_refresh(project, 0, tmp_path)
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in project.state_dir.rglob("*")}
    assert torn(project.state_dir, project.old, project.new) or kinds != {stat.S_IFREG, stat.S_IFDIR}, result.err


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.error == "SB411"])
def test_a_naive_refresh_hangs(project: Versions, name: str, tmp_path: Path) -> None:
    """The control: the same fetch holds up a refresh that has no limit, and leaves a torn key when that is ended."""
    let(project, CASES[name].code)
    with pytest.raises(subprocess.TimeoutExpired):
        naive_refresh(project, 0, tmp_path, timeout=3)
    assert project.end(), "the fetch has ended by itself"
    assert torn(project.state_dir, project.old, project.new) == [BAD]


def test_a_daemon_of_a_naive_refresh_is_caught(project: Versions, tmp_path: Path) -> None:
    """The control: the daemon survives the end of its group, and does write into the state later."""
    let(project, CASES["leaves a daemon"].code)
    assert naive_refresh(project, 0, tmp_path).code == 0
    assert torn(project.state_dir, project.old, project.new) == []
    assert marked(project.mark)
    deadline = time.monotonic() + 10
    while not torn(project.state_dir, project.old, project.new) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert torn(project.state_dir, project.old, project.new) == [BAD]


def test_memory_is_limited(project: Versions) -> None:
    """The control: the limit of these tests does end what eats memory."""
    with limited_to(512) as prefix:
        eat = "eaten = []\nwhile True: eaten.append(bytearray(1 << 24))"
        result = run([*prefix, project.command[0], "-c", eat], cwd=project.directory, timeout=60)
    assert result.code in {1, -9}
