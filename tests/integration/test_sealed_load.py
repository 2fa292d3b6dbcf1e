"""``statebake verify --sealed`` on work trees, native and Dagster: what a load does, told by key and by line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import statebake as statebake_package
from support.cli import Result, run, statebake
from support.dagster import dagster_project, dagster_python
from support.loading import READ, loads, project
from support.trees import read_tree

pytestmark = pytest.mark.needs("namespaces")


def verify(made: Path, *args: str, env: dict[str, str | None] | None = None) -> Result:
    return statebake("verify", "--sealed", "--format", "json", *args, cwd=made, env=env)


def findings(result: Result, *, but: tuple[str, ...] = ("SB306",)) -> list[tuple[str, str | None, str | None]]:
    """Return code, key and place of what was found; that the state has no record is no matter here."""
    found = result.json["reports"][0]["findings"]
    return [(item["code"], item["key"], item["where"]) for item in found if item["code"] not in but]


def keys(result: Result) -> dict[str, tuple[bool | None, int | None]]:
    return {item["key"]: (item["opened"], item["definitions"]) for item in result.json["reports"][0]["keys"]}


def message(result: Result, code: str) -> str:
    return next(item["message"] for item in result.json["reports"][0]["findings"] if item["code"] == code)


def test_a_sound_project(tmp_path):
    """Its state was opened, its definitions are counted, and nothing in it was changed."""
    made = project(tmp_path / "it", loads("one", READ), loads("two", READ + "[1:]"))
    before = read_tree(made)
    result = verify(made).ok()
    assert keys(result) == {"Text[one]": (True, 3), "Text[two]": (True, 2)}
    assert findings(result) == []
    assert read_tree(made) == before


def test_a_load_that_fetches_and_hides_it(tmp_path):
    """An attempt is an error also where the code goes on without an answer: component, line, host and port."""
    code = "import urllib.request\ntry: urllib.request.urlopen('https://api.example.com/x')\nexcept OSError: pass\n"
    made = project(tmp_path / "it", loads("one", READ), loads("two", code + READ))
    result = verify(made)
    assert result.code == 6
    assert findings(result) == [("SB602", "Text[two]", "src/shop/defs/things/defs.yaml:4")]
    assert message(result, "SB602").startswith("The component of Text[two] tried to reach api.example.com:443, in ")
    assert keys(result)["Text[two]"] == (True, 3)


def test_an_attempt_of_a_child_and_of_native_code(tmp_path):
    """What Python's audit hook does not see is told by the system: another program's connection, and ctypes'."""
    native = (
        "import ctypes, socket; libc = ctypes.CDLL(None); s = libc.socket(2, 1, 0);"
        "libc.connect(s, b'\\2\\0\\0\\x50\\1\\2\\3\\4' + bytes(8), 16)\n"
    )
    command = "echo > /dev/tcp/5.6.7.8/99"
    child = f"import subprocess; subprocess.run(['bash', '-c', {command!r}], stderr=subprocess.DEVNULL)\n"
    made = project(tmp_path / "it", loads("native", native + READ), loads("child", child + READ))
    result = verify(made)
    found = {item["key"]: item["message"] for item in result.json["reports"][0]["findings"] if item["code"] == "SB602"}
    assert found == {
        "Text[native]": "The component of Text[native] tried to reach 1.2.3.4:80.",
        "Text[child]": f"The component of Text[child] tried to reach 5.6.7.8:99, by `bash -c {command}`.",
    }


def test_an_attempt_at_import(tmp_path):
    """What no component does is the load's own."""
    made = project(tmp_path / "it", loads("one", READ))
    init = made / "src/shop/loads.py"
    reach = "import socket\ntry:\n    socket.create_connection(('10.0.0.1', 5432), 1)\nexcept OSError:\n    pass\n"
    init.write_text(reach + init.read_text())
    result = verify(made)
    assert findings(result) == [("SB602", None, str(made))]
    assert message(result, "SB602") == f"The load tried to reach 10.0.0.1:5432, in {init}:3."


def test_the_silent_empty(tmp_path):
    """A component that yields nothing is an error, unless it is allowed by name."""
    made = project(tmp_path / "it", loads("one", "state.read_text(); made = []"), loads("two", READ))
    result = verify(made)
    assert (result.code, findings(result)) == (6, [("SB604", "Text[one]", "src/shop/defs/things/defs.yaml:1")])
    verify(made, "--allow-empty", "Text[o*]").ok()


def test_state_that_is_not_opened(tmp_path):
    """It is not enough that it exists; who opens it does not matter."""
    made = project(
        tmp_path / "it",
        loads("looks", "made = [state.exists(), state.stat()]"),
        loads("child", "import subprocess; made = subprocess.check_output(['cat', state]).split()"),
        loads("native", "import ctypes; made = [ctypes.CDLL(None).open(os.fsencode(state), 0)]"),
    )
    result = verify(made)
    assert findings(result) == [("SB603", "Text[looks]", "src/shop/defs/things/defs.yaml:1")]
    assert {key: opened for key, (opened, _) in keys(result).items()} == {
        "Text[looks]": False,
        "Text[child]": True,
        "Text[native]": True,
    }


def test_too_few_definitions(tmp_path):
    """Policy sets how many there must be, for a key and for the whole."""
    settings = "\n[tool.statebake.policy]\nmin_total_definitions = 9\n"
    settings += '[tool.statebake.keys."Text[one]".policy]\nmin_definitions = 4\n'
    result = verify(project(tmp_path / "it", loads("one", READ), loads("two", READ), settings=settings))
    assert result.code == 6
    assert [found[:2] for found in findings(result)] == [("SB605", "Text[one]"), ("SB605", None)]
    assert result.json["reports"][0]["keys"][0]["verdict"] == "too few definitions"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("os._exit(0)", "ended its process with exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "was ended by SIGSEGV"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("open('/x', 'w')", "Read-only file system: '/x'"),
    ],
)
def test_a_load_that_fails(tmp_path, code, words):
    """It is an error with the reason and the component at work, whatever ends it; what was opened is not known then."""
    result = verify(project(tmp_path / "it", loads("one", code)))
    assert result.code == 6
    assert findings(result) == [("SB601", "Text[one]", "src/shop/defs/things/defs.yaml:1")]
    assert words in message(result, "SB601")
    if "ended" in words:
        assert keys(result) == {"Text[one]": (None, None)}


def test_a_load_that_makes_up_how_it_went(tmp_path):
    """The mark of what it tells is in no command line, no variable of any process, and not in standard input."""
    code = r"""
import glob, json, re
texts = [open(path, 'rb').read() for path in glob.glob('/proc/[0-9]*/cmdline') + glob.glob('/proc/[0-9]*/environ')]
words = {word.decode() for text in texts for word in re.findall(rb'[0-9a-f]{32}', text)} | {sys.stdin.read()}
for word in words:
    pins = {'file': None, 'keys': [], 'problem': None}
    for event in (
        {'event': 'seals', 'by': ['anything I like'], 'missing': []},
        {'event': 'leave', 'definitions': 12345, 'error': None},
        {'event': 'loaded', 'seconds': 0.2, 'opened': ['Text__one__'], 'pins': pins},
        {'event': 'bye'},
    ):
        os.write(2, ('\n' + word + json.dumps(event) + '\n').encode())
os._exit(0)
"""
    result = verify(project(tmp_path / "it", loads("one", code)))
    assert result.code == 6
    assert [found[0] for found in findings(result)] == ["SB601"]
    assert "ended its process with exit code 0" in message(result, "SB601")


def test_a_load_that_finds_its_mark(tmp_path):
    """It is not heard about the seals, nor if it ends before its load does; what cannot be read fails the load."""
    find = (
        "import json; frame = sys._getframe()\n"
        "while 'mark' not in frame.f_locals: frame = frame.f_back\n"
        "def say(event): os.write(2, ('\\n' + frame.f_locals['mark'] + json.dumps(event) + '\\n').encode())\n"
    )
    seals = "say({'event': 'seals', 'by': ['anything I like'], 'missing': []})\n"
    assert "anything I like" not in verify(project(tmp_path / "seals", loads("one", find + seals + READ))).ok().out
    broken = verify(project(tmp_path / "broken", loads("one", find + "say({'event': 'attempt'})\n" + READ)))
    assert (broken.code, findings(broken)[0][0]) == (6, "SB601")
    assert "what it told of its load cannot be read" in message(broken, "SB601")
    early = "say({'event': 'loaded', 'seconds': 1, 'opened': [], 'pins': {'keys': []}})\nos._exit(0)"
    assert findings(verify(project(tmp_path / "early", loads("one", find + early))))[0][0] == "SB601"


def test_a_load_that_hangs_and_prints(tmp_path):
    """It is ended in time, with its children; who hung is named, and megabytes of output do no harm."""
    mark = f"hangs-{os.getpid()}"
    code = (
        "import subprocess, time; print('x' * 10_000_000); [print('y' * 100) for _ in range(100_000)];"
        f"subprocess.Popen(['bash', '-c', 'exec -a {mark} sleep 600'], start_new_session=True); time.sleep(600)"
    )
    made = project(tmp_path / "it", loads("one", READ), loads("two", code))
    result = verify(made, "--sealed-timeout", "3s")
    assert (result.code, findings(result)) == (6, [("SB606", "Text[two]", "src/shop/defs/things/defs.yaml:4")])
    assert keys(result) == {"Text[one]": (None, 3), "Text[two]": (None, None)}
    assert run(["pgrep", "-f", mark], cwd=tmp_path).code == 1


def test_no_credentials_get_in(tmp_path):
    """Of the caller's variables only those that are named; a value can be given instead."""
    code = "made = [name for name in os.environ if 'TOKEN' in name]; state.read_text()\n"
    made = project(tmp_path / "it", loads("one", code + "made += [os.environ['NEEDED_TOKEN']]"))
    env: dict[str, str | None] = {"MY_TOKEN": "secret-of-mine", "NEEDED_TOKEN": "needed"}
    result = verify(made, env=env)
    assert findings(result)[0][0] == "SB601"
    assert "NEEDED_TOKEN" in message(result, "SB601")
    assert keys(verify(made, "--sealed-env", "NEEDED_TOKEN", env=env).ok()) == {"Text[one]": (True, 2)}
    assert keys(verify(made, "--sealed-env", "NEEDED_TOKEN=none", env=env).ok()) == {"Text[one]": (True, 2)}


def test_a_strategy_that_fetches_at_run_time(tmp_path):
    """Snapshots are fetched at every start: what they try is told, and the strategy is an error."""
    made = project(tmp_path / "it", loads("one", READ))
    yaml = made / "src/shop/defs/things/defs.yaml"
    yaml.write_text(
        yaml.read_text().replace("}", ', "defs_state": {"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"}}')
    )
    result = verify(made)
    assert "SB307" in {code for code, _, _ in findings(result)}


def _link(source: str, target: str) -> None:
    """Let a file have another name, or copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that everybody can read, with an interpreter that has statebake in it."""
    with tempfile.TemporaryDirectory() as path:
        root = Path(path)
        root.chmod(0o755)
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", root / "venv"], check=True)
        [site] = root.glob("venv/lib/python*/site-packages")
        # Copies: the sources, and the environment that runs this, may lie where only root can read them.
        installed = Path(yaml.__file__ or "").parent.parent
        shutil.copytree(
            installed, site, copy_function=_link, ignore=shutil.ignore_patterns("*.pth"), dirs_exist_ok=True
        )
        shutil.copytree(Path(statebake_package.__file__).parent, site / "statebake")
        yield root


@pytest.mark.needs("root", "system-python")
@pytest.mark.parametrize("private", [False, True])
def test_root_loads_as_another_user(public, private):
    """What that one can read is loaded without root's rights; state that only root can read is loaded with them."""
    look = "\nmade += ['shadow'] * os.access('/etc/shadow', os.R_OK)"
    made = project(public / "it", loads("one", READ + look))
    if private:
        (made / "src/shop/defs/.local_defs_state/Text__one__/state").chmod(0o600)
    result = verify(made, "--python", str(public / "venv/bin/python")).ok()
    assert keys(result) == {"Text[one]": (True, 3 + private)}
    assert ("root's files can be read" in result.out) == private


@pytest.mark.needs("root", "setpriv")
def test_a_user_that_is_not_root_has_no_devices_either(public):
    """Its namespaces have a /dev of their own as well."""
    look = "\nmade += ['tty'] * os.path.exists('/dev/tty')\nopen('/dev/null', 'w').write('x')"
    made = project(public / "it", loads("one", READ + look))
    user = ("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "--no-new-privs")
    command = (public / "venv/bin/python", "-m", "statebake", "verify", "--sealed", "--format", "json")
    result = run([*user, *map(str, command)], cwd=made).ok()
    assert keys(result) == {"Text[one]": (True, 3)}
    assert "no devices" in result.out


# --- Dagster ---------------------------------------------------------------------------------------------------------

DAGSTER_LOADS = """
    import dagster as dg

    from depot.components.text import Text


    class Loads(Text):
        def build_defs_from_state(self, context, state_path):
            scope = {"state": state_path, "dg": dg}
            exec(self.text, scope)
            return dg.Definitions(assets=scope["made"])
"""
ASSETS = "made = [dg.AssetSpec(key) for key in state.read_text().split()]"


@pytest.fixture(params=["1.12", "1.13"])
def version(request) -> str:
    return request.param


@pytest.mark.needs("dagster-1.12", "dagster-1.13")
def test_a_dagster_project(tmp_path, version):
    """What its code server would do at its start: attempts, silent empties and what was opened, by component."""
    fetch = "import urllib.request\ntry: urllib.request.urlopen('http://api.example.com:81/')\nexcept OSError: pass\n"
    codes = {
        "good": ASSETS,
        "fetches": fetch + ASSETS,
        "empty": "state.read_text(); made = []",
        "blind": "made = [dg.AssetSpec('x')]",
    }
    yaml = {
        name: f"type: depot.loads.Loads\nattributes: {json.dumps({'name': name, 'text': code})}\n"
        for name, code in codes.items()
    }
    made = dagster_project(tmp_path / "it", yaml, {"src/depot/loads.py": DAGSTER_LOADS})
    for name in codes:
        place = made / f"src/depot/defs/.local_defs_state/Text__{name}__"
        place.mkdir(parents=True)
        (place / "state").write_text(f"{name}_one {name}_two")
    (made / "src/depot/defs/.local_defs_state/.gitignore").write_text("*\n")
    before = read_tree(made)
    result = verify(made, "--python", str(dagster_python(version)))
    assert result.code == 6
    assert sorted(findings(result)) == [
        ("SB602", "Text[fetches]", "src/depot/defs/fetches/defs.yaml:1"),
        ("SB603", "Text[blind]", "src/depot/defs/blind/defs.yaml:1"),
        ("SB604", "Text[empty]", "src/depot/defs/empty/defs.yaml:1"),
    ]
    assert keys(result) == {
        "Text[blind]": (False, 1),
        "Text[empty]": (True, 0),
        "Text[fetches]": (True, 2),
        "Text[good]": (True, 2),
    }
    assert "api.example.com:81" in message(result, "SB602")
    assert read_tree(made) == before
