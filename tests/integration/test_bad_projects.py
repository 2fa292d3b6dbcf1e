"""Projects that cannot be worked on, wholly or in part: configuration, declarations, imports, keys, interpreters."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.dagster import dagster_python
from support.hosts import HOSTS, NATIVE, ONE_DAGSTER, HostKit
from support.pythons import old_pythons
from support.shown import assert_no_crash, shown, the_error
from support.trees import read_tree, write_tree


@dataclass
class Refreshed:
    """A project that was refreshed once, and its state as it was then."""

    host: HostKit
    directory: Path
    documents: list[str]
    before: dict[str, bytes]

    @property
    def state_dir(self) -> Path:
        return self.host.state_dir(self.directory)

    def run(self, *args: str, **env: str | None) -> Result:
        return statebake(*args, cwd=self.directory, env={**self.host.env, **env}, timeout=120)

    def add(self, name: str, text: str) -> None:
        """Write a file below the project's package."""
        write_tree(self.directory / "src" / self.host.package, {name: text})

    def assert_state_kept(self) -> None:
        """The whole state directory is byte for byte what it was."""
        assert read_tree(self.state_dir) == self.before

    def assert_refreshed(self) -> None:
        """The one healthy key has its new state, and the rest of the state directory is what it was."""
        after = read_tree(self.state_dir)
        assert (self.before["Text__good__/state"], after["Text__good__/state"]) == (b"old", b"new")
        own = "Text__good__/"
        assert {name: data for name, data in after.items() if not name.startswith(own)} == {
            name: data for name, data in self.before.items() if not name.startswith(own)
        }


MakeRefreshed = Callable[..., Refreshed]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[HostKit, Path]:
    """The refreshed project of each host, made when it is first needed."""
    return {}


@pytest.fixture
def refreshed(
    templates: dict[HostKit, Path], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> MakeRefreshed:
    """Makes projects with ``Text[good]`` and ``Text[other]``, refreshed; the former's text has changed since."""

    def make(host: HostKit) -> Refreshed:
        documents = [host.text("good", text="old"), host.text("other", text="kept")]
        if host not in templates:
            project = host.project(tmp_path_factory.mktemp("template"), documents)
            statebake("refresh", cwd=project, env=host.env).ok()
            templates[host] = project
        directory = shutil.copytree(templates[host], tmp_path / "project", symlinks=True)
        documents = [host.text("good", text="new"), host.text("other", text="kept")]
        before = read_tree(host.state_dir(directory))
        made = Refreshed(host, directory, documents, before)
        host.declare(directory, documents[:1])  # `Text[other]` is what each test breaks
        return made

    return make


COMMANDS = [("refresh",), ("status",), ("check",), ("bake", "pex"), ("config",)]


# --- no project, and configurations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_project_here(command: tuple[str, ...], tmp_path: Path) -> None:
    """Where there is no project up to the root, every command says where it looked and how to name one."""
    result = statebake(*command, cwd=tmp_path)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB101")
    assert str(tmp_path) in error.message
    assert "--project DIR" in error.next_step
    assert_no_crash(result.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("made", ["missing", "file", "empty"])
def test_the_named_directory_is_no_project(made: str, tmp_path: Path) -> None:
    """``--project`` with a directory that is missing, is a file, or has no project file is named in the error."""
    place = tmp_path / made
    if made == "file":
        place.write_text("x")
    elif made == "empty":
        place.mkdir()
    result = statebake("refresh", "--project", place, cwd=tmp_path)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB101")
    assert str(place) in error.message


def test_two_configurations_disagree(refreshed: MakeRefreshed) -> None:
    """A setting with two values is an error that names both files and lines, and nothing is fetched."""
    project = refreshed(NATIVE)
    (project.directory / "statebake.toml").write_text("# first\njobs = 2\n")
    pyproject = project.directory / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + "\n[tool.statebake]\njobs = 1\n")
    line = pyproject.read_text().splitlines().index("jobs = 1") + 1
    result = project.run("refresh")
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB104")
    assert error.where == f"{pyproject}:{line} and {project.directory / 'statebake.toml'}:2"
    assert "jobs" in error.message
    project.assert_state_kept()


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ("jobs = \n", "SB105", 1, "TOML"),
        ("# one\nhost = 'dagstar'\n", "SB103", 2, "dagstar"),
        ("# one\njobz = 3\n", "SB102", 2, "did you mean jobs?"),
        ("jobs = 0\n", "SB103", 1, "whole number"),
    ],
)
def test_a_bad_configuration(text: str, code: str, line: int, says: str, refreshed: MakeRefreshed) -> None:
    """A configuration that does not parse or holds what is not known is an error with its file and line."""
    project = refreshed(NATIVE)
    file = project.directory / "statebake.toml"
    file.write_text(text)
    result = project.run("refresh")
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (2, code, f"{file}:{line}")
    assert says in error.message
    project.assert_state_kept()


@pytest.mark.parametrize("value", ["0", "-1", "two", ""])
def test_a_bad_count_on_the_command_line(value: str, refreshed: MakeRefreshed) -> None:
    """``--jobs`` takes whole numbers from 1; anything else is a usage error, and nothing is fetched."""
    project = refreshed(NATIVE)
    result = project.run("refresh", "--jobs", value)
    assert result.code == 2
    assert "--jobs" in result.err
    assert_no_crash(result.err)
    project.assert_state_kept()


def test_a_count_on_the_command_line(refreshed: MakeRefreshed) -> None:
    """``--jobs 2`` is accepted."""
    project = refreshed(NATIVE)
    project.run("refresh", "--jobs", "2").ok()
    project.assert_refreshed()


# --- declarations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BadDeclaration:
    """A ``defs/bad/defs.yaml`` that is wrong, and what is said of it.

    ``whole``: with Dagster the project as a whole cannot be read, for Dagster reads all files before any component.
    ``MODULE`` and ``PACKAGE`` in the texts stand for the host's names.
    """

    yaml: str
    code: str
    line: int
    says: str
    whole: bool = True
    files: tuple[tuple[str, str], ...] = ()


HALF = {
    "native": """
        from statebake import DefsStateConfig, StateBackedComponent


        class Half(StateBackedComponent):
            @property
            def defs_state_config(self):
                return DefsStateConfig(key="Half")

            def write_state_to_path(self, state_path):
                state_path.write_text("half")
    """,
    "dagster": """
        from dataclasses import dataclass
        from depot.components.text import DefsStateConfig, DefsStateConfigArgs, dg


        @dataclass
        class Half(dg.StateBackedComponent, dg.Resolvable):
            @property
            def defs_state_config(self):
                return DefsStateConfig.from_args(DefsStateConfigArgs.local_filesystem(), default_key="Half")

            def write_state_to_path(self, state_path):
                state_path.write_text("half")
    """,
}
RAISING = """
    import os
    from dataclasses import dataclass
    from MODULE import Text


    @dataclass
    class Needy(Text):
        def __post_init__(self):
            self.token = os.environ["SHOP_TOKEN_THAT_IS_NOT_SET"]
"""
DECLARATIONS = {
    "yaml-tab": BadDeclaration("type: MODULE.Text\nattributes:\n\tname: x\n", "SB201", 3, "cannot start any token"),
    "yaml-not-closed": BadDeclaration(
        "type: MODULE.Text\nattributes:\n  name: [x\n", "SB201", 3, "expected ',' or ']'"
    ),
    "yaml-quote-not-closed": BadDeclaration(
        "type: MODULE.Text\nattributes:\n  name: x\n  text: 'y\n\n", "SB201", 4, "unexpected end of stream"
    ),
    "type-without-module": BadDeclaration("# one\ntype: PACKAGE.nowhere.Text\n", "SB202", 2, "PACKAGE.nowhere"),
    "type-without-class": BadDeclaration("# one\ntype: MODULE.Texd\n", "SB202", 2, "Texd"),
    "type-whose-module-raises": BadDeclaration(
        "# one\ntype: PACKAGE.boom.Text\n",
        "SB202",
        2,
        "ValueError: at import",
        files=(("boom.py", "x = 1\nraise ValueError('at import')\n"),),
    ),
    "type-whose-module-exits": BadDeclaration(
        "# one\ntype: PACKAGE.boom.Text\n", "SB202", 2, "SystemExit: 3", files=(("boom.py", "raise SystemExit(3)\n"),)
    ),
    "type-that-is-no-component": BadDeclaration("# one\ntype: pathlib.Path\n", "SB203", 2, "pathlib.Path"),
    "missing-method": BadDeclaration(
        "# one\ntype: PACKAGE.half.Half\n",
        "SB203",
        2,
        "The class PACKAGE.half.Half lacks build_defs_from_state.",
        whole=False,
        files=(("half.py", "HALF"),),
    ),
    "unknown-attribute": BadDeclaration(
        "# one\ntype: MODULE.Text\nattributes: {name: x, nam: y}\n", "SB204", 2, "nam", whole=False
    ),
    "missing-attribute": BadDeclaration(
        "# one\ntype: MODULE.Text\nattributes: {text: y}\n", "SB204", 2, "name", whole=False
    ),
    "constructor-raises": BadDeclaration(
        "# one\ntype: PACKAGE.needy.Needy\nattributes: {name: x}\n",
        "SB207",
        2,
        "KeyError: 'SHOP_TOKEN_THAT_IS_NOT_SET'",
        whole=False,
        files=(("needy.py", RAISING),),
    ),
    "constructor-exits": BadDeclaration(
        "# one\ntype: PACKAGE.needy.Needy\nattributes: {name: x}\n",
        "SB207",
        2,
        "SystemExit: 3",
        whole=False,
        files=(("needy.py", RAISING.replace('os.environ["SHOP_TOKEN_THAT_IS_NOT_SET"]', "exit(3)")),),
    ),
}


def _put(project: Refreshed, bad: BadDeclaration) -> str:
    """Add the declaration to the project and return what the error must say."""
    host = project.host

    def fill(text: str) -> str:
        return text.replace("MODULE", host.module).replace("PACKAGE", host.package)

    project.add("defs/bad/defs.yaml", fill(bad.yaml))
    for name, text in bad.files:
        project.add(name, HALF["dagster" if host.dagster else "native"] if text == "HALF" else fill(text))
    return fill(bad.says)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("bad", DECLARATIONS.values(), ids=list(DECLARATIONS))
def test_a_bad_declaration(host: HostKit, bad: BadDeclaration, refreshed: MakeRefreshed) -> None:
    """A declaration that cannot be used is reported with its file and line; the other keys are refreshed if they can.

    Dagster reads every file of a project before any component, so there some of these stop the whole project.
    """
    project = refreshed(host)
    says = _put(project, bad)
    result = project.run("refresh")
    error = the_error(result.err)
    assert (error.code, error.where) == (bad.code, f"src/{host.package}/defs/bad/defs.yaml:{bad.line}")
    assert says in error.message
    assert_no_crash(result.err)
    if host.dagster and bad.whole:
        assert result.code == 2
        project.assert_state_kept()
    else:
        assert result.code == 4
        project.assert_refreshed()


@pytest.mark.parametrize("host", HOSTS)
def test_a_component_that_cannot_be_loaded_does_not_stop_a_selected_key(
    host: HostKit, refreshed: MakeRefreshed
) -> None:
    """``--key`` succeeds beside a component that lacks its variable, with a warning; ``check`` counts it an error."""
    project = refreshed(host)
    _put(project, DECLARATIONS["constructor-raises"])
    result = project.run("refresh", "--key", "Text[good]").ok()
    project.assert_refreshed()
    where = f"src/{host.package}/defs/bad/defs.yaml:2"
    assert any(line.startswith("warning") and where in line for line in result.err.splitlines())
    assert "SHOP_TOKEN_THAT_IS_NOT_SET" in result.err
    assert_no_crash(result.err)
    checked = project.run("check")
    error = the_error(checked.err)
    assert (checked.code, error.code, error.where) == (3, "SB312", where)


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_an_unknown_key(host: HostKit, refreshed: MakeRefreshed) -> None:
    """A key that no component has is answered with the nearest one, and nothing is fetched."""
    project = refreshed(host)
    result = project.run("refresh", "--key", "Text[god]")
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB110")
    assert "Did you mean: Text[good]" in error.message
    project.assert_state_kept()


def test_an_unknown_key_beside_a_component_that_cannot_be_loaded(refreshed: MakeRefreshed) -> None:
    """Where a component could not be loaded, its key cannot be known: the error for an unknown key says so."""
    project = refreshed(NATIVE)
    _put(project, DECLARATIONS["constructor-raises"])
    result = project.run("refresh", "--key", "Text[x]")
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB110")
    assert "src/shop/defs/bad/defs.yaml:2" in result.err
    project.assert_state_kept()


# --- imports ---------------------------------------------------------------------------------------------------------

IMPORTS = {
    "raises": ("raise ValueError('at import')", "SB206", "ValueError: at import"),
    "does-not-parse": ("def broken(:", "SB206", "SyntaxError"),
    "misses-a-module": ("import no_such_module_here", "SB206", "No module named 'no_such_module_here'"),
    "exits": ("import sys; sys.exit(3)", "SB206", "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "SB206", "KeyboardInterrupt"),
    "os-exits": ("import os; print('bye', flush=True); os._exit(3)", "SB208", "left with exit code 3"),
    "os-exits-well": ("import os; os._exit(0)", "SB208", "left with exit code 0"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "SB208", "SIGSEGV"),
}


@pytest.mark.parametrize("host", ONE_DAGSTER)
@pytest.mark.parametrize(("code", "error_code", "says"), IMPORTS.values(), ids=list(IMPORTS))
def test_the_package_cannot_be_imported(
    host: HostKit, code: str, error_code: str, says: str, refreshed: MakeRefreshed
) -> None:
    """When the import of the project fails, the error names the user's line, or how the interpreter ended."""
    project = refreshed(host)
    project.add("__init__.py", f"# one\n{code}\n")
    result = project.run("refresh")
    error = the_error(result.err)
    python = project.host.env.get("STATEBAKE_PYTHON") or sys.executable
    where = python if error_code == "SB208" else f"src/{host.package}/__init__.py:2"
    assert (result.code, error.code, error.where) == (2, error_code, where)
    assert says in error.message
    if "bye" in code:
        assert error.detail == ["bye"]
    assert_no_crash(result.err)
    project.assert_state_kept()


@pytest.mark.parametrize("host", ONE_DAGSTER)
@pytest.mark.parametrize("case", ["raises", "does-not-parse", "exits"])
def test_a_module_of_the_definitions_cannot_be_imported(host: HostKit, case: str, refreshed: MakeRefreshed) -> None:
    """A Python module that would declare components is named with its own line; natively, the rest goes on."""
    code, error_code, says = IMPORTS[case]
    project = refreshed(host)
    project.add("defs/stuff.py", f"# component_instance\n{code}\n")
    result = project.run("refresh")
    error = the_error(result.err)
    assert (error.code, error.where) == (error_code, f"src/{host.package}/defs/stuff.py:2")
    assert says in error.message
    assert_no_crash(result.err)
    if host.dagster:
        assert result.code == 2
        project.assert_state_kept()
    else:
        assert result.code == 4
        project.assert_refreshed()
        pasted = subprocess.run(error.next_step or "", shell=True, cwd="/", capture_output=True, text=True, check=False)
        assert pasted.returncode != 0
        assert "No module named" not in pasted.stderr
        assert case == "exits" or says in pasted.stderr


LEAKS = {
    "import-raises": ("__init__.py", "raise ValueError('no access with ' + os.environ['SHOP_TOKEN'])"),
    "import-dies": ("__init__.py", "print('using', os.environ['SHOP_TOKEN'], flush=True); os._exit(1)"),
    "module-raises": ("defs/stuff.py", "raise ValueError('no access with ' + os.environ['SHOP_TOKEN'])"),
    "constructor-raises": ("needy.py", RAISING.replace('["SHOP_TOKEN_THAT_IS_NOT_SET"]', "['SHOP_TOKEN'] + 1")),
}


@pytest.mark.parametrize("host", ONE_DAGSTER)
@pytest.mark.parametrize(("file", "code"), LEAKS.values(), ids=list(LEAKS))
def test_what_stops_a_project_does_not_show_a_secret(
    host: HostKit, file: str, code: str, refreshed: MakeRefreshed
) -> None:
    """Errors of the project's own code are shown without the values of secret variables, in text and in JSON."""
    project = refreshed(host)
    if file == "needy.py":
        code = code.replace("MODULE", host.module).replace("self.token = ", "raise ValueError(")
        code = code.replace("['SHOP_TOKEN'] + 1", "['SHOP_TOKEN'])")
        project.add("defs/bad/defs.yaml", f"type: {host.package}.needy.Needy\nattributes: {{name: x}}\n")
        project.add(file, code)
    else:
        project.add(file, f"# component_instance\nimport os\n{code}\n")
    for command in (("refresh",), ("status", "--format", "json")):
        result = project.run(*command, SHOP_TOKEN="tok-5ae1c0ffee")
        assert "tok-5ae1c0ffee" not in result.out + result.err
        assert "****" in result.out + result.err
        assert_no_crash(result.err)


NOISE = {
    "prints": "import os, sys\nprint('y' * (5 << 20))\nos.write(2, b'yyyy' * 1024)\nprint('yyyy', file=sys.stderr)",
    "speaks-the-protocol": """print('{"event": "discovered", "components": []}', flush=True)""",
    "closes-descriptors": "import os\nos.closerange(0, 3)",
    "has-no-streams": "import sys\nsys.stdin = sys.stdout = sys.stderr = None",
    "closes-streams": "import sys\nsys.stdout.close(); sys.stderr.close()",
    "changes-directory": "import os\nos.chdir('/')",
    "warns": "import warnings\nwarnings.warn('yyyy')",
    "registers-exit": "import atexit, os\natexit.register(os._exit, 9)",
    "handles-signals": "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
}


@pytest.mark.parametrize("host", ONE_DAGSTER)
@pytest.mark.parametrize("code", NOISE.values(), ids=list(NOISE))
def test_an_import_that_is_noisy(host: HostKit, code: str, refreshed: MakeRefreshed) -> None:
    """An import may print, close descriptors or change the process: the refresh succeeds, and shows none of it."""
    project = refreshed(host)
    project.add("__init__.py", f"{code}\n")
    result = project.run("refresh").ok()
    assert "yyyy" not in result.out + result.err
    project.assert_refreshed()


# --- keys ------------------------------------------------------------------------------------------------------------

KEYED = """
    from dataclasses import dataclass
    from MODULE import DefsStateConfig, Text


    @dataclass
    class Keyed(Text):
        @property
        def defs_state_config(self):
            strategy = super().defs_state_config.management_type
            return DefsStateConfig(key=self.name, management_type=strategy, refresh_if_dev=True)
"""
BAD_KEYS = {
    "x" * 300: ("SB308", "300 bytes"),
    "..": ("SB308", "leaves the state directory"),
    ".": ("SB308", "leaves the state directory"),
    "": ("SB308", "it is empty"),
    " ": ("SB308", "it is empty"),
    "bell\a": ("SB308", "control character"),
    "line\nbreak": ("SB308", "control character"),
    ".staging": ("SB308", "a name that statebake uses itself"),
    ".gitignore": ("SB308", "a name that statebake uses itself"),
    "statebake-manifest.json": ("SB308", "a name that statebake uses itself"),
    "C[https://x/y]": ("SB304", "'C[https://x?y]'"),
    "C[https://x?y]": ("SB304", "'C[https://x/y]'"),
    "Case": ("SB304", "'case'"),
    "case": ("SB304", "'Case'"),
    "Text[Good]": ("SB304", "'Text[good]'"),
    "Zoë": ("SB304", "'Zoé'"),
    "Zoé": ("SB304", "'Zoë'"),
}
GOOD_KEYS = {
    "Größe[日本]": "Gr____e________",
    "a/../../b": "a__..__..__b",
    "/etc/passwd": "__etc__passwd",
    "x" * 255: "x" * 255,
    "-rf": "-rf",
    "$HOME`id`;": "__HOME__id____",
}


@pytest.fixture(params=ONE_DAGSTER)
def keyed(request: pytest.FixtureRequest, refreshed: MakeRefreshed) -> tuple[Refreshed, list[str]]:
    """A refreshed project to which components with every bad and every unusual key are added; and their documents."""
    host: HostKit = request.param
    project = refreshed(host)
    project.add("keyed.py", KEYED.replace("MODULE", host.module))
    documents = [
        project.documents[0],
        *(
            host.text(key, text="new").replace(f"{host.module}.Text", f"{host.package}.keyed.Keyed")
            for key in (*BAD_KEYS, *GOOD_KEYS)
        ),
    ]
    host.declare(project.directory, documents)
    return project, documents


def test_keys_that_cannot_be_a_directory_and_keys_that_can(keyed: tuple[Refreshed, list[str]]) -> None:
    """Keys that cannot name a directory of their own fail by name and place, whatever is beside them goes on."""
    project, documents = keyed
    outside = sorted(project.directory.rglob("*.toml"))
    result = project.run("refresh")
    assert result.code == 4
    assert_no_crash(result.err)
    errors = {item.where: item for item in shown(result.err)}
    for number, (code, says) in enumerate(BAD_KEYS.values(), start=1):
        error = errors.pop(project.host.where(documents, number))
        assert error.code == code
        assert says in error.message
        assert "defs_state: {key: …}" in error.next_step
    assert "\nbreak" not in result.err
    assert "\a" not in result.out + result.err
    # `Text[good]` shares a directory with `Text[Good]` on some file systems, so it is refused as well.
    refused = errors.pop(project.host.where(documents, 0))
    assert refused.code == "SB304"
    assert errors == {}
    after = read_tree(project.state_dir)
    assert {name for name in after if name not in project.before} == {
        f"{name}/{file}" for name, file in itertools.product(GOOD_KEYS.values(), ("state", ".statebake.json"))
    }
    assert {name: data for name, data in after.items() if name in project.before} == project.before
    assert sorted(project.directory.rglob("*.toml")) == outside
    assert not list(project.directory.parent.glob("state*"))


def test_check_and_status_of_bad_keys(keyed: tuple[Refreshed, list[str]]) -> None:
    """``check`` finds the same keys unfit, and ``status`` shows every key, each without touching anything."""
    project, documents = keyed
    checked = project.run("check")
    assert checked.code == 3
    assert_no_crash(checked.err)
    found = {(item.code, item.where) for item in shown(checked.err)}
    for number, (code, _) in enumerate(BAD_KEYS.values(), start=1):
        if code == "SB308":
            assert ("SB308", project.host.where(documents, number)) in found
    for number in (11, 13, 15, 17):  # the first of each group that shares a directory
        group = {project.host.where(documents, number + offset) for offset in (-1, 0, 1)}
        group.add(project.host.where(documents, 0))
        assert any(code == "SB304" and where in group for code, where in found)
    status = project.run("status").ok()
    assert "bad key" in status.out
    assert "collides" in status.out
    assert "Größe[日本]" in status.out
    assert "\a" not in status.out + checked.err
    project.assert_state_kept()


def test_a_collision_keeps_the_state_of_the_key_that_was_there_first(refreshed: MakeRefreshed) -> None:
    """A key that would share the directory of a key with good state stops both, and the state stays."""
    host = NATIVE
    project = refreshed(host)
    first = host.text("https://x/y", text="old")
    host.declare(project.directory, [first])
    project.run("refresh").ok()
    before = read_tree(project.state_dir)
    documents = [host.text("https://x/y", text="new"), host.text("https://x?y", text="new")]
    host.declare(project.directory, documents)
    result = project.run("refresh")
    assert result.code == 4
    errors = shown(result.err)
    assert [(item.code, item.where) for item in errors] == [
        ("SB304", host.where(documents, 0)),
        ("SB304", host.where(documents, 1)),
    ]
    assert "its last good state is still there" in result.err
    assert read_tree(project.state_dir) == before


# --- interpreters ----------------------------------------------------------------------------------------------------


def _refuse(project: Refreshed, python: str | Path) -> tuple[Result, str, str]:
    """Refresh with ``--python`` and return the result, the error's code and where it is."""
    result = project.run("refresh", "--python", str(python))
    error = the_error(result.err)
    assert result.code == 2
    assert_no_crash(result.err)
    project.assert_state_kept()
    return result, error.code, error.where or ""


def test_an_interpreter_that_is_missing(refreshed: MakeRefreshed, tmp_path: Path) -> None:
    """An interpreter that is not there, or that is no program, is named together with who chose it."""
    project = refreshed(NATIVE)
    (tmp_path / "text").write_text("not a program")
    result, code, _ = _refuse(project, tmp_path / "nowhere/python")
    assert code == "SB107"
    assert f"{tmp_path}/nowhere/python (flag --python) does not exist" in result.err
    assert _refuse(project, "python-that-is-nowhere")[1] == "SB107"
    assert _refuse(project, tmp_path)[1] == "SB107"
    assert _refuse(project, tmp_path / "text")[1] == "SB107"


def test_an_interpreter_that_cannot_be_started(refreshed: MakeRefreshed, tmp_path: Path) -> None:
    """A file with the right to run that the system cannot run is an error about the interpreter."""
    project = refreshed(NATIVE)
    python = tmp_path / "python"
    python.write_bytes(b"\x7fnot a program")
    python.chmod(0o755)
    _, code, where = _refuse(project, python)
    assert (code, where) == ("SB107", str(python))


@pytest.mark.parametrize("program", ["true", "false", "echo"])
def test_an_interpreter_that_is_no_python(program: str, refreshed: MakeRefreshed) -> None:
    """A program that is no Python is not waited for: the error says how it ended."""
    path = shutil.which(program)
    _, code, where = _refuse(refreshed(NATIVE), path or program)
    assert (code, where) == ("SB208", path)


def test_a_virtual_environment_without_its_interpreter(refreshed: MakeRefreshed) -> None:
    """A ``.venv`` whose interpreter has gone is an error, not a reason to take another interpreter."""
    project = refreshed(NATIVE)
    (project.directory / ".venv/bin").mkdir(parents=True)
    (project.directory / ".venv/bin/python").symlink_to("/nowhere/python3")
    result = project.run("refresh")
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB107")
    assert f"{project.directory}/.venv/bin/python" in error.message
    project.assert_state_kept()


@pytest.mark.needs("old-python")
def test_an_interpreter_that_is_too_old(refreshed: MakeRefreshed) -> None:
    """A Python before 3.10, even 2.7, says its version instead of failing on our syntax."""
    project = refreshed(NATIVE)
    for python in old_pythons():
        result, code, where = _refuse(project, python)
        assert (code, where) == ("SB108", str(python))
        assert "3.10 or later is needed" in result.err
        assert f"Python {python.name.removeprefix('python')};" in result.err


def test_an_interpreter_without_statebake(refreshed: MakeRefreshed, tmp_path: Path) -> None:
    """A native project's interpreter that has no statebake is told how to get it."""
    project = refreshed(NATIVE)
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare/bin/python"
    result, code, where = _refuse(project, python)
    assert (code, where) == ("SB109", str(python))
    assert f"{python} -m pip install statebake" in result.err


@pytest.mark.needs("dagster-1.13")
def test_an_interpreter_without_dagster(refreshed: MakeRefreshed) -> None:
    """A Dagster project's interpreter that has no Dagster is named."""
    project = refreshed(HostKit("1.13"))
    result, code, where = _refuse(project, sys.executable)
    assert (code, where) == ("SB109", sys.executable)
    assert "no Dagster" in result.err


@pytest.mark.needs("dagster-1.13")
def test_a_dagster_project_with_the_wrong_host(refreshed: MakeRefreshed) -> None:
    """``--host native`` for Dagster's interpreter says that statebake is missing there; nothing is imported."""
    project = refreshed(HostKit("1.13"))
    result = project.run("refresh", "--host", "native")
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (2, "SB109", str(dagster_python("1.13")))
    project.assert_state_kept()
