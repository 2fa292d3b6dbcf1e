"""Fetches that fail in every way, beside others that do not: what is said of each, and what is left of the state.

One refresh per host has every case in it; the tests look at one case each.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.cli import Result, statebake
from support.hosts import HOSTS, NATIVE, HostKit
from support.processes import MARK, marked
from support.shown import Shown, assert_no_crash, shown
from support.trees import leftovers, read_tree

SECRET = "tok-5ae1c0ffee"
AWKWARD_SECRET = 'quote" back\\slash 41d'
PEM_SECRET = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
SECRETS = {"SHOP_TOKEN": SECRET, "SHOP_PASSWORD": AWKWARD_SECRET, "SHOP_PRIVATE_KEY": PEM_SECRET}

# Crashes for real in every Python: through C, so that the C stack grows, and with little of it.
RECURSE_TO_DEATH = """
import resource, sys
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
sys.setrecursionlimit(10**7)
def down(_):
    return list(map(down, [0]))
state_path.write_text('half')
down(0)
"""


@dataclass(frozen=True)
class Bad:
    """A fetch that must fail: its code, the error code, what the message says; ``root``: it needs to be root."""

    name: str
    code: str
    error: str
    says: str
    root: bool = False


BAD = [
    Bad("raises", "raise ValueError('the API said no')", "SB401", "ValueError: the API said no"),
    Bad("raises-bare", "raise ValueError", "SB401", "ValueError"),
    Bad("raises-lines", "raise ValueError('one\\ntwo\\tthree')", "SB401", "ValueError: one two three"),
    Bad("raises-surrogate", "raise ValueError(os.fsdecode(b'caf\\xe9'))", "SB401", "ValueError: caf"),
    Bad("raises-markup", "raise ValueError('[/red] [bold]x[/bold]')", "SB401", "ValueError: [/red] [bold]x[/bold]"),
    Bad("raises-secret", "raise ValueError('denied for ' + os.environ['SHOP_TOKEN'])", "SB401", "denied for ****"),
    Bad("raises-awkward", "raise ValueError('denied for ' + os.environ['SHOP_PASSWORD'])", "SB401", "denied for ****"),
    Bad("raises-pem", "raise ValueError('denied for ' + os.environ['SHOP_PRIVATE_KEY'])", "SB401", "denied for ****"),
    Bad("raises-key-error", "{}[os.environ['SHOP_PASSWORD']]", "SB401", "KeyError: '****'"),
    Bad("prints-secret", "print(os.environ['SHOP_TOKEN'], flush=True)\nraise ValueError('see above')", "SB401", "see"),
    Bad("raises-after-half", "state_path.write_text('half')\nraise OSError('gone')", "SB401", "OSError: gone"),
    Bad("raises-unusual", "class Odd(BaseException): pass\nraise Odd('odd')", "SB401", "Odd: odd"),
    Bad("raises-interrupt", "raise KeyboardInterrupt", "SB401", "KeyboardInterrupt"),
    Bad("raises-unprintable", "class Mute(Exception):\n  def __str__(self): 1 / 0\nraise Mute", "SB401", "Mute"),
    Bad("exits", "raise SystemExit(0)", "SB401", "SystemExit: 0"),
    Bad("recurses", "def down(): down()\ndown()", "SB401", "RecursionError"),
    Bad("floods", "print('x' * 79 + '\\n', end='' * 65536)\nraise ValueError('deep')", "SB401", "ValueError: deep"),
    Bad("floods-one-line", "print('x' * (5 << 20))\nraise ValueError('deep')", "SB401", "ValueError: deep"),
    Bad("long-message", "raise ValueError('x' * (1 << 20))", "SB401", "ValueError: xxx"),
    Bad("nothing", "pass", "SB402", "wrote no"),
    Bad("empty-marker", "state_path.touch()", "SB402", "empty marker"),
    Bad("empty-directory", "state_path.mkdir()", "SB402", "empty directory"),
    Bad("sibling-only", "(state_path.parent / 'other').write_text('x')", "SB402", "no `state`"),
    Bad("removes-its-place", "import shutil\nshutil.rmtree(state_path.parent)", "SB402", "wrote no"),
    Bad("exit-0", "os._exit(0)", "SB403", "exit code 0"),
    Bad("exit-0-after-half", "state_path.write_text('half')\nos._exit(0)", "SB403", "exit code 0"),
    Bad("exit-3", "os._exit(3)", "SB403", "exit code 3"),
    Bad("segfault", "os.kill(os.getpid(), 11)", "SB403", "SIGSEGV"),
    Bad("kills-its-group", "os.killpg(0, 9)", "SB403", "SIGKILL"),
    Bad("recurses-to-death", RECURSE_TO_DEATH, "SB403", "SIGSEGV"),
    Bad(
        "device",
        "os.mknod(state_path, 0o20600, os.makedev(1, 3))",
        "SB404",
        "left state: the state contains a device",
        True,
    ),
    Bad(
        "fifo",
        "state_path.write_text('x')\nos.mkfifo(state_path.parent / 'pipe')",
        "SB404",
        "left pipe: the state contains a FIFO",
    ),
    Bad(
        "socket",
        "import socket\nos.chdir(state_path.parent)\nsocket.socket(socket.AF_UNIX).bind('state')",
        "SB404",
        "left state: the state contains a socket",
    ),
    Bad(
        "escaping-link",
        "state_path.mkdir()\n(state_path / 'up').symlink_to('../../../../../../../../pyproject.toml')",
        "SB404",
        "left state/up: the state contains a symbolic link that leaves the key directory",
    ),
    Bad("absolute-link", "state_path.symlink_to('/etc/passwd')", "SB404", "leaves the key directory, to /etc/passwd"),
    Bad("directory-link", "state_path.symlink_to('/etc')", "SB404", "leaves the key directory, to /etc"),
    Bad("link-to-nothing", "state_path.symlink_to('nowhere')", "SB404", "a symbolic link to nothing"),
    Bad(
        "link-loop",
        "state_path.symlink_to('other')\n(state_path.parent / 'other').symlink_to('state')",
        "SB404",
        "left other: the state contains a loop of symbolic links",
    ),
    Bad(
        "link-to-parent",
        "state_path.mkdir()\n(state_path / 'x').write_text('x')\n(state_path / 'again').symlink_to('.')",
        "SB404",
        "leads back to one of its own parents",
    ),
    Bad("newline-in-name", "state_path.mkdir()\n(state_path / 'a\\nb').write_text('x')", "SB404", "control character"),
    Bad("latin-1-name", "state_path.mkdir()\nopen(bytes(state_path) + b'/\\xe9', 'w').close()", "SB404", "not UTF-8"),
]
GOOD = "state_path.mkdir()\n(state_path / 'data').write_text('good')\n(state_path.parent / 'beside').write_text('good')"


@dataclass
class Broken:
    """A project with a healthy key, every bad fetch, and another healthy key; before and after the bad refresh."""

    host: HostKit
    project: Path
    documents: list[str]
    before: dict[str, bytes]
    after: dict[str, bytes]
    text: Result
    json: dict[str, Any]
    left_over: list[str]

    @property
    def state_dir(self) -> Path:
        return self.host.state_dir(self.project)

    def error_of(self, bad: Bad) -> Shown:
        """Return the one error that was printed for a case."""
        where = self.host.where(self.documents, 1 + BAD.index(bad))
        found = [item for item in shown(self.text.err) if item.where == where]
        assert len(found) == 1, self.text.err
        return found[0]


@pytest.fixture(scope="module", params=HOSTS)
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    host: HostKit = request.param
    good = [host.text("first", text="old"), *(host.code(bad.name, GOOD) for bad in BAD), host.text("last", text="old")]
    bad = [
        host.text("first", text="new"),
        *(host.code(bad.name, bad.code) for bad in BAD),
        host.text("last", text="new"),
    ]
    project = host.project(tmp_path_factory.mktemp("broken"), good)
    statebake("refresh", cwd=project, env=host.env).ok()
    before = read_tree(host.state_dir(project))
    host.declare(project, bad)
    mark = uuid4().hex
    env = {**host.env, **SECRETS, MARK: mark, "SHOP_STATE": str(host.state_dir(project))}
    text = statebake("refresh", cwd=project, env=env)
    after = read_tree(host.state_dir(project))
    as_json = statebake("refresh", "--format", "json", cwd=project, env=env)
    assert as_json.code == 4, as_json.err
    return Broken(host, project, bad, before, after, text, as_json.json, marked(mark))


def cases() -> list[Any]:
    return [pytest.param(bad, id=bad.name, marks=[pytest.mark.needs("root")] if bad.root else []) for bad in BAD]


@pytest.mark.parametrize("bad", cases())
def test_a_bad_fetch_is_named_with_its_place_and_a_next_step(broken: Broken, bad: Bad) -> None:
    """A failed fetch has its code, says what happened in words, points at its declaration, and says what to do."""
    error = broken.error_of(bad)
    assert (error.severity, error.code) == ("error", bad.error)
    assert bad.says in error.message
    assert f"Text[{bad.name}]" in error.message
    assert error.next_step


@pytest.mark.parametrize("bad", cases())
def test_a_bad_fetch_is_the_same_in_json(broken: Broken, bad: Bad) -> None:
    """JSON says of a failed fetch what the text says, and that the old state was kept."""
    (found,) = [item for item in broken.json["projects"][0]["refresh"]["keys"] if item["key"] == f"Text[{bad.name}]"]
    assert (found["outcome"], found["kept"], found["record"]) == ("failed", True, None)
    assert found["error"]["code"] == bad.error
    assert found["error"]["where"] == broken.host.where(broken.documents, 1 + BAD.index(bad))
    assert found["error"]["next_step"]


@pytest.mark.parametrize("bad", cases())
def test_a_bad_fetch_keeps_the_last_good_state(broken: Broken, bad: Bad) -> None:
    """The key directory of a failed fetch is, byte for byte, what it was: content, siblings and record."""
    old, new = (
        {name: data for name, data in tree.items() if name.startswith(f"Text__{bad.name}__/")}
        for tree in (broken.before, broken.after)
    )
    assert sorted(Path(name).name for name in old) == [".statebake.json", "beside", "data"]
    assert new == old


def test_bad_fetches_do_not_stop_the_others(broken: Broken) -> None:
    """Keys declared before and after the bad ones are refreshed, and nothing else in the state directory changes."""
    assert broken.text.code == 4
    healthy = ("Text__first__/", "Text__last__/")
    assert {name: data for name, data in broken.after.items() if not name.startswith(healthy)} == {
        name: data for name, data in broken.before.items() if not name.startswith(healthy)
    }
    for name in healthy:
        assert broken.before[f"{name}state"] == b"old"
        assert broken.after[f"{name}state"] == b"new"
    assert f"2 updated, {len(BAD)} failed" in broken.text.out


def test_bad_fetches_leave_no_rubbish(broken: Broken) -> None:
    """Staging is empty afterwards, no process lives on, and no fetch could write outside of its staging directory."""
    assert leftovers(broken.state_dir) == []
    assert broken.left_over == []
    kinds = {stat.S_IFMT(path.lstat().st_mode) for path in broken.state_dir.rglob("*")}
    assert kinds == {stat.S_IFREG, stat.S_IFDIR}


def test_bad_fetches_never_show_a_secret(broken: Broken) -> None:
    """Neither format prints the value of a secret variable, however an exception or a print quotes it."""
    printed = broken.text.out + broken.text.err + json.dumps(broken.json, ensure_ascii=False)
    parts = [SECRET, AWKWARD_SECRET, repr(AWKWARD_SECRET)[1:-1], json.dumps(AWKWARD_SECRET)[1:-1], "MIIEvQIBADANBg"]
    assert [part for part in parts if part in printed] == []
    assert "****" in printed


def test_bad_fetches_are_no_crash_of_statebake_and_no_flood(broken: Broken) -> None:
    """No traceback of statebake is printed, and megabytes of prints or message come down to what a person reads."""
    assert_no_crash(broken.text.err)
    assert max(len(line) for line in broken.text.err.splitlines()) < 2000
    assert len(broken.text.err) < 1000 * len(BAD)


# What a fetch may do to its own process without harm to itself or to the next one.
HARMLESS = {
    "floods-stdout": "print('x' * (5 << 20), flush=True)",
    "floods-stderr": "os.write(2, b'line\\n' * (1 << 20))",
    "speaks-the-protocol": """print('{"event": "fetched", "id": 0, "error": null}', flush=True)""",
    "closes-descriptors": "os.closerange(0, 3)",
    "closes-streams": "import sys\nsys.stdin.close(); sys.stdout.close(); sys.stderr.close()",
    "no-streams": "import sys\nsys.stdin = sys.stdout = sys.stderr = None",
    "changes-directory": "os.chdir('/')",
    "changes-environment": "os.environ['LEFT_BEHIND'] = 'yes'; os.environ.pop('PATH')",
    "ignores-signals": "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)",
    "leaves-a-process": "import subprocess\nsubprocess.Popen(['sleep', '600'])",
    "leaves-a-thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
    "reads-stdin": "import sys\nassert sys.stdin.read() == ''",
    "sets-a-umask": "os.umask(0o777)",
    "sets-a-limit": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))",
}
WITNESS = """
import json
fds = [os.fstat(fd) is not None for fd in (0, 1, 2)]
state_path.write_text(json.dumps([os.getcwd(), os.environ.get('LEFT_BEHIND'), 'PATH' in os.environ, fds]))
"""


@pytest.fixture(scope="module", params=HOSTS)
def harmless(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[HostKit, Path, Result, str]:
    host: HostKit = request.param
    documents = [
        *(host.code(name, f"{code}\nstate_path.write_text('{name}')") for name, code in HARMLESS.items()),
        host.code("witness", WITNESS),
    ]
    project = host.project(tmp_path_factory.mktemp("harmless"), documents)
    mark = uuid4().hex
    result = statebake("refresh", cwd=project, env={**host.env, "STATEBAKE_JOBS": "1", MARK: mark}, timeout=60)
    return host, project, result, mark


@pytest.mark.parametrize("name", HARMLESS)
def test_a_fetch_may_treat_its_own_process_as_it_likes(harmless: tuple[HostKit, Path, Result, str], name: str) -> None:
    """Prints, closed descriptors, another directory, threads and processes left behind: the state is committed."""
    host, project, result, _ = harmless
    path = host.state_dir(project) / f"Text__{name}__/state"
    assert path.exists(), result.err
    assert path.read_text() == name


def test_a_fetch_does_not_touch_the_next_one(harmless: tuple[HostKit, Path, Result, str]) -> None:
    """What one fetch does to its process is gone in the next, nothing that it printed is shown, and all succeed."""
    host, project, result, _ = harmless
    result.ok()
    witnessed = json.loads((host.state_dir(project) / "Text__witness__/state").read_text())
    assert witnessed == [os.path.realpath(project), None, True, [True] * 3]
    assert "xxxx" not in result.out + result.err


def test_processes_that_a_fetch_leaves_are_ended(harmless: tuple[HostKit, Path, Result, str]) -> None:
    """A process that a fetch started and forgot does not outlive the refresh."""
    *_, mark = harmless
    assert marked(mark) == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_link_inside_the_key_directory_becomes_a_file(host: HostKit, tmp_path: Path) -> None:
    """Links that stay inside are followed: the state has plain files, so it means the same in an archive."""
    code = """
        state_path.mkdir()
        (state_path / 'day-2').mkdir()
        (state_path / 'day-2/data').write_text('two')
        (state_path / 'latest').symlink_to('day-2')
        (state_path / 'file').symlink_to(state_path / 'day-2/data')
        (state_path.parent / 'beside').symlink_to('state/latest/data')
    """
    project = host.project(tmp_path, [host.code("links", f"if True:{code}")])
    statebake("refresh", cwd=project, env=host.env).ok()
    key_dir = host.state_dir(project) / "Text__links__"
    tree = read_tree(key_dir)
    del tree[".statebake.json"]
    names = ("beside", "state/day-2/data", "state/file", "state/latest/data")
    assert tree == dict.fromkeys(names, b"two")
    assert not [path for path in key_dir.rglob("*") if path.is_symlink()]


def test_a_fetch_that_kills_the_worker_fails_every_fetch_that_has_not_returned(tmp_path: Path) -> None:
    """A fetch that takes the whole interpreter down fails with those beside and behind it; what is done stays done."""
    host, good = NATIVE, "state_path.write_text('good')"
    documents = [host.text("before", text="old"), host.code("killer", good), host.text("behind", text="old")]
    project = host.project(tmp_path, documents)
    statebake("refresh", cwd=project).ok()
    before = read_tree(host.state_dir(project))
    kill = "os.kill(os.getppid(), 9)\nimport time\ntime.sleep(60)"
    documents = [host.text("before", text="new"), host.code("killer", kill), host.text("behind", text="new")]
    host.declare(project, documents)
    result = statebake("refresh", cwd=project, env={"STATEBAKE_JOBS": "1"}, timeout=30)
    assert result.code == 4
    errors = shown(result.err)
    assert [(item.code, item.where) for item in errors] == [
        ("SB403", host.where(documents, 1)),
        ("SB403", host.where(documents, 2)),
    ]
    for item, key in zip(errors, ("Text[killer]", "Text[behind]"), strict=True):
        assert item.message == f"The fetch of {key} did not return: the project's interpreter was ended by SIGKILL."
        assert item.next_step
    after = read_tree(host.state_dir(project))
    assert after.pop("Text__before__/state") == b"new"
    after.pop("Text__before__/.statebake.json")
    assert after == {name: data for name, data in before.items() if not name.startswith("Text__before__/")}
    assert leftovers(host.state_dir(project)) == []
