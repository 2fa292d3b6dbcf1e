"""The seals of a sealed load, each with a control: the same probe reaches a listener where the seal is left out."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from statebake.hosts.sealing import Listener as Told
from statebake.hosts.sealing import SealedLoad, run_sealed
from support.cli import clean_env

pytestmark = pytest.mark.needs("namespaces", "gcc")

EXTENSION = r"""
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *PyErr_NewException(const char *, void *, void *);
extern void PyErr_SetString(void *, const char *);
extern void *PyExc_ImportError;

void *PyInit_probe(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PROBE_PORT")))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int descriptor = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (!syscall(SYS_connect, descriptor, &to, sizeof to)) write(descriptor, "extension", 9);
    PyErr_SetString(PyExc_ImportError, "it is only a probe");
    return 0;
}
"""

PROBES = {
    "python": "import socket; socket.create_connection(('127.0.0.1', PORT), 2).send(b'python')",
    "raw": "import _socket; s = _socket.socket(2, 1); s.connect(('127.0.0.1', PORT)); s.send(b'raw')",
    "datagram": "import socket; socket.socket(2, 2).sendto(b'datagram', ('127.0.0.1', PORT))",
    "unix": "import socket; s = socket.socket(1, 1); s.connect(UNIX); s.send(b'unix')",
    "ctypes": (
        "import ctypes, struct; c = ctypes.CDLL(None); s = c.socket(2, 1, 0);"
        "c.connect(s, struct.pack('>4s', b'') and struct.pack('<H', 2) + struct.pack('>H', PORT)"
        "+ bytes([127, 0, 0, 1]) + bytes(8), 16) or c.send(s, b'ctypes', 6, 0)"
    ),
    "sendmsg": "send_messages(1, lambda c, s, m: c.sendmsg(s, m, 0))",
    "sendmmsg": "send_messages(2, lambda c, s, m: c.sendmmsg(s, m, 2, 0))",
    "extension": "import sys; sys.path.insert(0, DIR); import probe",
    "child": "import subprocess; subprocess.run(['bash', '-c', 'echo child > /dev/tcp/127.0.0.1/' + str(PORT)])",
    "inherited": "import os; [os.write(n, b'inherited') for n in range(3, 64) if is_socket(n)]",
}
CODE = """
import os, stat
PORT, UNIX, DIR = {port}, {unix!r}, {directory!r}
def is_socket(number):
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False
def send_messages(count, send):
    import ctypes, struct
    libc = ctypes.CDLL(None)
    address = ctypes.create_string_buffer(struct.pack('<H', 2) + struct.pack('>H4B8x', PORT, 127, 0, 0, 1), 16)
    text = ctypes.create_string_buffer(b'message')
    part = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(text), 7))
    header = struct.pack('QI4xQQQQi4xI4x', ctypes.addressof(address), 16, ctypes.addressof(part), 1, 0, 0, 0, 0)
    send(libc, libc.socket(2, 2, 0), ctypes.create_string_buffer(header * count))
{probe}
"""


@dataclass
class Listener:
    """What a probe may reach: a stream, datagrams and a path, all of this machine."""

    port: int
    unix: str
    sockets: list[socket.socket]

    def reached(self) -> bool:
        """Whether anybody has come."""
        return bool(select.select(self.sockets, [], [], 0.3)[0])


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that others can get to: root becomes another user where that one can read the interpreter."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with contextlib.ExitStack() as stack:
        stream, datagrams, path = (
            stack.enter_context(socket.socket(*kind))
            for kind in ((2, socket.SOCK_STREAM), (2, socket.SOCK_DGRAM), (1, socket.SOCK_STREAM))
        )
        stream.bind(("127.0.0.1", 0))
        port = stream.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        path.bind(str(tmp_path / "listener"))
        (tmp_path / "listener").chmod(0o777)
        for one in (stream, path):
            one.listen()
        yield Listener(port, str(tmp_path / "listener"), [stream, datagrams, path])


@pytest.fixture(scope="module")
def extension() -> Iterator[Path]:
    """A directory with a compiled extension module that connects when it is imported."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "probe.c").write_text(EXTENSION)
        target = directory / "probe.abi3.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", target, directory / "probe.c"], check=True)
        directory.chmod(0o755)
        yield directory


def run_command(
    command: list[str], scratch: Path, *, env: dict[str, str], within_s: float = 30, without: tuple[str, ...] = ()
) -> SealedLoad:
    told = Told()
    run_sealed(command, told, env=env, cwd="/", scratch=scratch, within_s=within_s, without=without)
    return told.result()


def run_code(code: str, tmp_path: Path, *, without: tuple[str, ...] = (), port: int = 0) -> SealedLoad:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "PROBE_PORT": str(port)}
    return run_command([sys.executable, "-c", code], scratch, env=env, without=without)


def probe(name: str, listener: Listener, extension: Path, tmp_path: Path, without: tuple[str, ...]) -> SealedLoad:
    code = CODE.format(port=listener.port, unix=listener.unix, directory=str(extension), probe=PROBES[name])
    return run_code(code, tmp_path, without=without, port=listener.port)


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"inherited"}))
def test_without_any_seal_a_probe_gets_out(name, listener, extension, tmp_path):
    """The control: each probe reaches the listener."""
    load = probe(name, listener, extension, tmp_path, ("namespaces", "seccomp"))
    assert listener.reached()
    assert load.seals == ()


@pytest.mark.parametrize("name", sorted(PROBES))
@pytest.mark.parametrize(
    "without",
    [
        pytest.param((), id="all"),
        pytest.param(("namespaces",), id="seccomp only"),
        pytest.param(("unshare",), id="bwrap", marks=pytest.mark.needs("bwrap")),
    ],
)
def test_nothing_gets_out(without, name, listener, extension, tmp_path):
    """Neither Python nor ctypes, no extension, no child, and no descriptor of the tool's leads anywhere."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", listener.port))) as inherited:
        listener.sockets[0].accept()[0].close()
        inherited.set_inheritable(True)
        load = probe(name, listener, extension, tmp_path, without)
    assert not listener.reached()
    assert any("seccomp" in seal for seal in load.seals)
    assert bool(load.missing) == (without == ("namespaces",))
    assert load.ended is not None


@pytest.mark.parametrize("name", sorted(set(PROBES) - {"inherited", "unix"}))
def test_namespaces_alone_hold_the_network_back(name, listener, extension, tmp_path):
    """What they let out is a socket that has a path: that is what the filter is for."""
    probe(name, listener, extension, tmp_path, ("seccomp",))
    assert not listener.reached()
    probe("unix", listener, extension, tmp_path, ("seccomp",))
    assert listener.reached()


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("ctypes", None),
        ("extension", None),
        ("sendmsg", None),
        ("sendmmsg", None),
        ("child", "bash -c echo child"),
    ],
)
def test_attempts_that_python_does_not_see_are_told(name, program, listener, extension, tmp_path):
    """Who tried to connect where, as the system itself saw it."""
    [attempt] = probe(name, listener, extension, tmp_path, ()).attempts
    assert (attempt.host, attempt.port) == ("127.0.0.1", listener.port)
    assert attempt.program is None if program is None else attempt.program.startswith(program)


def test_sockets_that_have_a_path_are_told(tmp_path):
    """Who tried one is told with the path, Python or not; the load's own, and what the C library asks, are no fetch."""
    code = f"""
import ctypes, socket, struct
libc = ctypes.CDLL(None)
own = {str(tmp_path / "scratch")!r}
paths = ['/var/run/docker.sock', '/var/run/nscd/socket', own + '/own', own + '/..' * 20 + '/run/up.sock']
paths += ['/run/systemd/resolve/io.systemd.Resolve']
for path in paths:
    address = struct.pack('<H', 1) + path.encode() + bytes(1)
    print(libc.connect(libc.socket(1, 1, 0), address, len(address)), file=sys.stderr)
os.chdir('/run')
for path in ['/run/other.sock', 'relative.sock', '/dev/log', '/dev/logger', '\\0abstract']:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError:
        pass
"""
    load = run_code("import os, sys" + code, tmp_path)
    assert load.log.splitlines() == ["-1"] * 5
    told = {"/var/run/docker.sock", "/run/up.sock", "/run/other.sock", "/run/relative.sock", "/dev/logger"}
    assert {item.host for item in load.attempts} == {f"unix:{path}" for path in told}


@pytest.mark.parametrize("without", [(), ("namespaces",)])
def test_a_pair_for_datagrams_leads_nowhere(without, tmp_path):
    """One that is made together needs no connection to send to a socket that has a path."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as outside:
        outside.bind(str(tmp_path / "outside"))
        code = f"""
import ctypes, struct
libc = ctypes.CDLL(None)
pair = (ctypes.c_int * 2)()
libc.socketpair(1, 2, 0, pair)
path = {str(tmp_path / "outside")!r}.encode()
address = ctypes.create_string_buffer(struct.pack('<H', 1) + path + bytes(1))
text = ctypes.create_string_buffer(b'message')
part = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(text), 7))
header = struct.pack('QI4xQQQQi4x', ctypes.addressof(address), len(path) + 3, ctypes.addressof(part), 1, 0, 0, 0)
libc.sendmsg(pair[0], ctypes.create_string_buffer(header), 0)
"""
        assert run_code(code, tmp_path, without=("namespaces", "seccomp")).ended == (0, None)
        assert outside.recv(7) == b"message"
        assert run_code(code, tmp_path, without=without).ended == (0, None)
        assert not select.select([outside], [], [], 0.3)[0]


def test_messages_between_processes_of_the_load_go_on(tmp_path):
    """A pair of sockets carries messages and descriptors, as multiprocessing has it; nobody tried to connect."""
    code = """
import socket, sys
one, other = socket.socketpair()
socket.send_fds(one, [b'through'], [0])
print(socket.recv_fds(other, 7, 1)[0], file=sys.stderr)
"""
    load = run_code(code, tmp_path)
    assert (load.log, load.attempts) == ("b'through'", ())


@pytest.mark.parametrize("without", [(), pytest.param(("unshare",), id="bwrap", marks=pytest.mark.needs("bwrap"))])
def test_nothing_can_be_written_but_the_scratch_directory(without, tmp_path):
    """Not even what belongs to the user; and the user is nobody, without privileges."""
    (tmp_path / "mine").mkdir()
    code = f"""
import os, pathlib, sys
def can_write(path):
    try:
        pathlib.Path(path).write_text('x')
        return True
    except OSError:
        return False
found = [can_write(path) for path in ({str(tmp_path / "mine/x")!r}, '/x', '/tmp/x', {str(tmp_path / "scratch/x")!r})]
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
print('found', found, os.getuid(), int(status['CapEff'], 16), status['NoNewPrivs'].strip(), file=sys.stderr)
"""
    load = run_code(code, tmp_path, without=without)
    assert load.log == "found [False, False, False, True] 65534 0 1"


LOOKS = """
import os, sys
def can(*arguments):
    try:
        os.close(os.open(*arguments))
        return True
    except OSError:
        return False
print(can('/etc/shadow', os.O_RDONLY), can('/dev/kmsg', os.O_WRONLY), can('/dev/fuse', os.O_RDWR),
      can('/dev/null', os.O_RDWR), can('/dev/urandom', os.O_RDONLY),
      can('{scratch}/x', os.O_CREAT | os.O_WRONLY), os.getuid(), file=sys.stderr)
"""


@pytest.mark.needs("root")
@pytest.mark.parametrize("private", [False, True])
def test_root_becomes_another_user_where_that_can_read_what_it_needs(private, tmp_path):
    """It cannot read root's files then; an interpreter that only root can read runs as before, which is told."""
    python = ["/usr/bin/python3"]
    if private:
        (tmp_path / "private").mkdir(mode=0o700)
        subprocess.run([*python, "-m", "venv", "--without-pip", tmp_path / "private/venv"], check=True)
        python = [str(tmp_path / "private/venv/bin/python")]
    with tempfile.TemporaryDirectory() as made:
        load = run_command([*python, "-c", LOOKS.format(scratch=made)], Path(made), env={"PATH": os.environ["PATH"]})
    assert load.log == f"{private} False False True True True 65534"
    assert any("root's files can be read" in seal for seal in load.seals) == private
    assert "no devices" in load.seals


def test_only_the_environment_that_is_given(tmp_path, monkeypatch):
    """No variable of the caller's gets in."""
    monkeypatch.setenv("MY_TOKEN", "secret")
    load = run_code("import os, sys; print(sorted(os.environ), file=sys.stderr)", tmp_path)
    assert "MY_TOKEN" not in load.log
    assert "PATH" in load.log


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    """A daemon that left its session ends as well."""
    mark = f"mark-{os.getpid()}"
    code = (
        "import subprocess, time;"
        f"subprocess.Popen(['bash', '-c', 'exec -a {mark} sleep 600'], start_new_session=True); time.sleep(600)"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    load = run_command([sys.executable, "-c", code], scratch, env=clean_env(), within_s=1)
    assert load.timed_out
    assert subprocess.run(["pgrep", "-f", mark], capture_output=True, check=False).stdout == b""


@pytest.mark.parametrize(
    "without",
    [
        pytest.param((), id="all"),
        pytest.param(("namespaces",), id="seccomp only"),
        pytest.param(("unshare",), id="bwrap", marks=pytest.mark.needs("bwrap")),
    ],
)
def test_no_process_shows_the_mark_of_the_seal(without, tmp_path):
    """Neither a command line nor an environment that the program can read has it; all it gets is a mark of its own."""
    code = """
import contextlib, glob, re, sys
words = {sys.stdin.read().encode()}
for path in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ'):
    with contextlib.suppress(OSError):
        words.update(re.findall(rb'[0-9a-f]{32}', open(path, 'rb').read()))
print('found', *words, file=sys.stderr)
"""
    told = Told()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", code]
    run_sealed(command, told, env=clean_env(), cwd="/", scratch=scratch, within_s=30, without=without)
    assert told.result().ended == (0, None)
    [found] = [line for line in told.log if line.startswith("found ")]
    assert told.mark not in found


REFUSED_HALF_WAY = """
import os, sys
from pathlib import Path
from statebake.hosts.sealing import Listener, run_sealed
told = Listener()
path, scratch = sys.argv[1:]
program = "import threading; threading.Thread(target=print).start()"
env = {"PATH": path}
run_sealed([sys.executable, "-c", program], told, env=env, cwd="/", scratch=Path(scratch), within_s=30)
load = told.result()
print(load.seals, load.ended, os.listdir(scratch), file=sys.stderr)
"""


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "path", ["/nowhere", pytest.param(os.environ["PATH"], id="bwrap", marks=pytest.mark.needs("bwrap"))]
)
def test_where_namespaces_are_refused_half_way_the_filter_is_left(path, tmp_path):
    """A namespace of users that nobody may set up, as Ubuntu has it, leaves the load as it was, under seccomp."""
    refused = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]
    command = [*refused, sys.executable, "-c", REFUSED_HALF_WAY, path, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stderr == "('connections refused (seccomp)',) (0, None) []\n"


def test_megabytes_of_output_are_no_matter(tmp_path):
    """Only the end of what is printed is kept, and a line without an end does not hold anything up."""
    load = run_code(
        "import sys; sys.stderr.write('x' * 5_000_000); print(*range(300_000), sep='\\n', file=sys.stderr)", tmp_path
    )
    assert load.ended == (0, None)
    assert load.log.splitlines()[-1] == "299999"


def test_a_program_that_is_not_there(tmp_path):
    """It is an error of the load, which names the program."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    load = run_command(["/no/python", "x"], scratch, env={}, within_s=5)
    assert load.failure is not None
    assert load.failure["message"] == "/no/python cannot be started: No such file or directory"
