"""Resolving real dependencies from every kind of file, with the real tools that write those files."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from statebake.bake import find_dependencies, resolve_dependencies
from statebake.config import find_projects
from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Interpreter
from support.cli import clean_env, run
from support.dagster import REPO
from support.native import component, native_project
from support.pexes import bake, distributions, members, run_pex
from support.trees import write_tree

PYTHON = Interpreter(sys.executable, sys.version.split()[0], f"test-{sysconfig.get_platform()}")
PYPROJECT = """
    [project]
    name = "tiny"
    version = "1"
    requires-python = ">=3.10"
    dependencies = ["iniconfig>=2"]
"""
BUILD_SYSTEM = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"
"""
LIBRARY = """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["."]

    [project]
    name = "library"
    version = "1"
    requires-python = ">=3.10"
"""
BACKEND = """
    import zipfile
    from pathlib import Path


    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        files = {
            "library/__init__.py": Path("library/__init__.py").read_text(),
            "library-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: library\\nVersion: 1\\n",
            "library-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        }
        files["library-1.dist-info/RECORD"] = "".join(f"{name},,\\n" for name in files)
        wheel = "library-1-py3-none-any.whl"
        with zipfile.ZipFile(Path(wheel_directory, wheel), "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return wheel


    build_editable = build_wheel
"""
# Two small pure Python distributions without dependencies, each with an old and a newer version.
OLD, NEW = "2.0.0", "2.1.0"


@dataclass
class Tiny:
    """A project whose framework is not statebake, and a cache of its own."""

    directory: Path
    cache: Path

    def write(self, **files):
        write_tree(self.directory, {name.replace("__", "."): text for name, text in files.items()})

    def resolved(self, lock=None, **options):
        """Return what the found or given file resolves to."""
        [project] = find_projects([self.directory], self.directory)
        arguments = {"brings_runtime": False, "pex_args": (), "upgrade": False, "env": clean_env(), **options}
        source = find_dependencies(project, lock)
        return resolve_dependencies(source, project, PYTHON, cache_dir=self.cache, **arguments)

    def resolve(self, lock=None, **options):
        """Return the name of that file, the distributions that it resolves to, and whether they were reused."""
        [project] = find_projects([self.directory], self.directory)
        found = self.resolved(lock, **options)
        return find_dependencies(project, lock).path.name, distributions(found.pex), found.reused

    def tool(self, *argv):
        """Run a tool in the project, as its user does."""
        run([Path(sys.executable).parent / argv[0], *argv[1:]], cwd=self.directory).ok()


@pytest.fixture
def tiny(tmp_path):
    """A project with one dependency, in its ``pyproject.toml`` only."""
    made = Tiny(tmp_path / "tiny", tmp_path / "cache")
    made.write(pyproject__toml=PYPROJECT)
    return made


def test_pyproject(tiny):
    """``pyproject.toml`` is resolved once and reused until it changes or ``upgrade`` asks for more."""
    name, found, reused = tiny.resolve()
    assert (name, set(found), reused) == ("pyproject.toml", {"iniconfig"}, False)
    assert tiny.resolve() == (name, found, True)
    tiny.write(pyproject__toml=PYPROJECT.replace("iniconfig>=2", f"iniconfig=={OLD}"))
    assert tiny.resolve() == (name, {"iniconfig": OLD}, False)
    assert tiny.resolve() == (name, {"iniconfig": OLD}, True)
    assert tiny.resolve(upgrade=True) == (name, {"iniconfig": OLD}, False)
    assert len(list((tiny.cache / "dependencies").iterdir())) == 2


def test_pyproject_without_dependencies(tiny):
    """A project that depends on nothing has nothing resolved, and that is fine."""
    tiny.write(pyproject__toml='[project]\nname = "tiny"\nversion = "1"\n')
    assert tiny.resolve() == ("pyproject.toml", {}, False)


def test_dynamic_dependencies(tiny):
    """Dependencies that only a build backend knows are refused, and a lock is asked for."""
    tiny.write(pyproject__toml='[project]\nname = "tiny"\nversion = "1"\ndynamic = ["dependencies"]\n')
    with pytest.raises(StatebakeError) as caught:
        tiny.resolve()
    assert caught.value.code is Code.BAD_SETTING
    tiny.write(requirements__txt=f"iniconfig=={OLD}\n")
    assert tiny.resolve()[1] == {"iniconfig": OLD}


@pytest.mark.needs("uv")
def test_requirements_with_hashes(tiny):
    """``requirements.txt`` with hashes, as uv compiles it, is taken as it is; a wrong hash is refused."""
    tiny.tool("uv", "pip", "compile", "--quiet", "--generate-hashes", "pyproject.toml", "-o", "requirements.txt")
    text = (tiny.directory / "requirements.txt").read_text()
    assert "--hash=sha256:" in text
    name, found, reused = tiny.resolve()
    assert (name, set(found), reused) == ("requirements.txt", {"iniconfig"}, False)
    assert tiny.resolve() == (name, found, True)
    at = text.index("sha256:") + len("sha256:")
    tiny.write(requirements__txt=text[:at] + "0" * 64 + "\n")
    with pytest.raises(StatebakeError) as caught:
        tiny.resolve()
    assert caught.value.code is Code.PEX_FAILED


@pytest.mark.parametrize("own", ["-e .", "--editable .", ".", "-e file:.", "tiny @ file://{directory}", "-e .[extra]"])
def test_the_project_itself_is_left_out(tiny, own):
    """The project in its own ``requirements.txt`` is left out: it goes in as sources."""
    own = own.format(directory=tiny.directory)
    tiny.write(requirements__txt=f"# what we need\n{own}\niniconfig=={OLD}\n")
    assert tiny.resolve()[1] == {"iniconfig": OLD}


def test_included_requirements(tiny):
    """``-r`` and ``-c`` are followed from where they are written, and a change in those files resolves anew."""
    tiny.write(requirements__txt="-r deps/base.txt\n-c deps/pins.txt\n")
    write_tree(tiny.directory / "deps", {"base.txt": "-r more.txt\n-e ..\n", "more.txt": "iniconfig\n"})
    write_tree(tiny.directory / "deps", {"pins.txt": f"iniconfig=={OLD}\n"})
    assert tiny.resolve()[1:] == ({"iniconfig": OLD}, False)
    assert tiny.resolve()[1:] == ({"iniconfig": OLD}, True)
    write_tree(tiny.directory / "deps", {"pins.txt": f"iniconfig=={NEW}\n"})
    assert tiny.resolve()[1:] == ({"iniconfig": NEW}, False)
    write_tree(tiny.directory / "deps", {"more.txt": "iniconfig\ncowsay==6.0\n"})
    assert tiny.resolve()[1:] == ({"iniconfig": NEW, "cowsay": "6.0"}, False)


@pytest.mark.needs("uv")
def test_pylock(tiny):
    """``pylock.toml`` as uv writes it gives the versions that it pins, and a changed one resolves anew."""

    def lock(version):
        tiny.write(**{"in": f"iniconfig=={version}\n"})
        tiny.tool(
            "uv", "pip", "compile", "--python", sys.executable, "--format", "pylock.toml", "in", "-o", "pylock.toml"
        )

    lock(OLD)
    assert tiny.resolve() == ("pylock.toml", {"iniconfig": OLD}, False)
    assert tiny.resolve() == ("pylock.toml", {"iniconfig": OLD}, True)
    lock(NEW)
    assert tiny.resolve() == ("pylock.toml", {"iniconfig": NEW}, False)


@pytest.mark.needs("uv")
def test_pylock_with_the_project_inside(tiny):
    """A lock that holds the project itself is refused: a cache would serve an old build of it."""
    tiny.write(pyproject__toml=PYPROJECT + BUILD_SYSTEM)
    write_tree(tiny.directory, {"tiny/__init__.py": ""})
    tiny.tool("uv", "export", "--quiet", "--format", "pylock.toml", "-o", "pylock.toml")
    with pytest.raises(StatebakeError) as caught:
        tiny.resolve()
    assert caught.value.code is Code.BAD_SETTING
    tiny.tool("uv", "export", "--quiet", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml")
    assert set(tiny.resolve()[1]) == {"iniconfig"}


@pytest.mark.needs("uv")
def test_uv_lock(tiny):
    """``uv.lock`` gives the versions that it pins, without the project and its development dependencies."""
    groups = """
    [dependency-groups]
    dev = ["cowsay"]
    """
    tiny.write(pyproject__toml=PYPROJECT.replace("iniconfig>=2", f"iniconfig=={OLD}") + groups)
    tiny.tool("uv", "lock", "--quiet")
    before = (tiny.directory / "uv.lock").read_bytes()
    assert tiny.resolve() == ("uv.lock", {"iniconfig": OLD}, False)
    assert tiny.resolve() == ("uv.lock", {"iniconfig": OLD}, True)
    text = (tiny.directory / "pyproject.toml").read_text()
    (tiny.directory / "pyproject.toml").write_text(text.replace(OLD, NEW))
    assert (tiny.directory / "uv.lock").read_bytes() == before  # reading it never changes it
    tiny.tool("uv", "lock", "--quiet")
    assert tiny.resolve() == ("uv.lock", {"iniconfig": NEW}, False)


def test_pex_lock(tiny):
    """A lock of pex itself gives the versions that it pins, found as ``pex.lock`` or named by the setting."""

    def lock(version, name):
        tiny.tool("pex3", "lock", "create", "--pip-version", "25.3", f"iniconfig=={version}", "-o", name)

    lock(OLD, "pex.lock")
    assert tiny.resolve() == ("pex.lock", {"iniconfig": OLD}, False)
    assert tiny.resolve() == ("pex.lock", {"iniconfig": OLD}, True)
    lock(NEW, "other.json")
    assert tiny.resolve(tiny.directory / "other.json") == ("other.json", {"iniconfig": NEW}, False)


def test_pex_arguments_and_interpreter_are_part_of_the_name(tiny):
    """Dependencies that were resolved with other arguments are not reused."""
    assert tiny.resolve()[2] is False
    assert tiny.resolve(pex_args=("--no-compile",))[2] is False
    assert tiny.resolve(pex_args=("--no-compile",))[2] is True


def _library(directory, what):
    code = f"WHAT = '{what}'\n"
    write_tree(directory, {"pyproject.toml": LIBRARY, "backend.py": BACKEND, "library/__init__.py": code})
    return directory


def _as_editable(tiny):
    write_tree(tiny.directory, {"requirements.txt": "-r deps/it.txt\n", "deps/it.txt": "-e ../../library\n"})


def _as_direct_reference(tiny):
    dependency = f'dependencies = ["library @ {(tiny.directory.parent / "library").as_uri()}"]'
    tiny.write(pyproject__toml=PYPROJECT.replace('dependencies = ["iniconfig>=2"]', dependency))


def _as_uv_workspace(tiny):
    sources = """
    [tool.uv.sources]
    library = { workspace = true }
    """
    tiny.write(pyproject__toml=PYPROJECT.replace("iniconfig>=2", "library") + BUILD_SYSTEM + sources)
    write_tree(
        tiny.directory.parent,
        {
            "pyproject.toml": """
                [tool.uv.workspace]
                members = ["tiny", "library"]
            """,
            "tiny/tiny/__init__.py": "",
        },
    )
    tiny.tool("uv", "lock", "--quiet")


@pytest.mark.needs("uv")
@pytest.mark.parametrize("written", [_as_editable, _as_direct_reference, _as_uv_workspace])
def test_changed_local_dependency(tiny, written):
    """The code of a dependency on this machine is never an old one: it is built at each bake."""
    library = _library(tiny.directory.parent / "library", "before")
    written(tiny)
    lock = tiny.directory.parent / "uv.lock" if written is _as_uv_workspace else None

    def code():
        [text] = [
            text for name, text in members(tiny.resolved(lock).pex).items() if name.endswith("/library/__init__.py")
        ]
        return text

    assert code() == b"WHAT = 'before'\n"
    _library(library, "after")
    assert code() == b"WHAT = 'after'\n"


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": f"iniconfig=={OLD}\nstatebake==0.1.0\nPyYAML==6.0.2\n"},
        {"requirements.txt": "-r locked.txt\n", "locked.txt": f"-e .\niniconfig=={OLD} ; python_version > '3'\n"},
    ],
    ids=["pins", "included"],
)
def test_native_with_pins(tmp_path, files):
    """A native project's direct dependencies come at the pinned versions, with the runtime part for statebake."""
    project = native_project(
        tmp_path / "shop",
        component("one"),
        {
            "pyproject.toml": """
                [project]
                name = "shop"
                version = "1"
                dependencies = ["statebake", "iniconfig"]
            """,
            **files,
        },
    )
    report = bake(project, tmp_path / "shop.pex").ok().json["projects"][0]
    assert report["pex"]["dependencies"]["from"] == str(project / "requirements.txt")
    assert report["pex"]["dependencies"]["locked"] is True
    found = distributions(tmp_path / "shop.pex")
    assert found["iniconfig"] == OLD
    assert set(found) == {"iniconfig", "pyyaml", "statebake"}
    if "PyYAML" in files["requirements.txt"]:
        assert found["pyyaml"] == "6.0.2"
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "one\n"


@pytest.mark.needs("uv")
@pytest.mark.parametrize("kind", ["uv.lock", "pylock.toml"])
def test_native_with_uv(tmp_path, kind):
    """A native project that uv locks, statebake and all that it needs included, carries the runtime part only."""
    project = native_project(
        tmp_path / "shop",
        component("one"),
        {
            "pyproject.toml": f"""
                [project]
                name = "shop"
                version = "1"
                requires-python = ">=3.10,<3.15"
                dependencies = ["statebake", "iniconfig=={OLD}"]

                [tool.uv.sources]
                statebake = {{ path = "{REPO}", editable = true }}
            """,
        },
    )
    uv = Path(sys.executable).parent / "uv"
    run([uv, "lock", "--quiet"], cwd=project).ok()
    if kind == "pylock.toml":
        run([uv, "export", "--quiet", "--format", "pylock.toml", "-o", "pylock.toml"], cwd=project).ok()
    report = bake(project, tmp_path / "shop.pex", env={"STATEBAKE_PYTHON": sys.executable}).ok().json["projects"][0]
    assert report["pex"]["dependencies"]["from"] == str(project / kind)
    found = distributions(tmp_path / "shop.pex")
    assert found["iniconfig"] == OLD
    assert set(found) == {"iniconfig", "pyyaml", "statebake"}


def test_native_with_a_pex_lock(tmp_path):
    """A lock of pex itself cannot serve a native project, and the error says what can."""
    project = native_project(tmp_path / "shop", component("one"), {"pex.lock": "{}"})
    result = bake(project, tmp_path / "shop.pex")
    assert (result.code, result.json["error"]["code"]) == (2, "SB103")
    assert "requirements.txt" in result.json["error"]["next_step"]
    assert not (tmp_path / "shop.pex").exists()


def test_unresolvable(tmp_path):
    """A dependency that cannot be had ends the bake with 7 and pex's own words; nothing is written or kept."""
    project = native_project(tmp_path / "shop", component("one"), {"requirements.txt": "iniconfig==0.0.77\n"})
    pyproject = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(pyproject.replace('"statebake"', '"statebake", "iniconfig"'))
    env = {"STATEBAKE_CACHE_DIR": str(tmp_path / "cache")}
    result = bake(project, tmp_path / "out" / "shop.pex", env=env)
    assert result.code == 7
    error = result.json["error"]
    assert error["code"] == "SB701"
    assert "0.0.77" in error["detail"]
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "cache").rglob("*.pex*"))


def test_missing_lock(tmp_path):
    """A lock that is named and not there is an error of the configuration."""
    project = native_project(tmp_path / "shop", component("one"))
    result = bake(project, tmp_path / "shop.pex", "--lock", tmp_path / "nowhere.txt")
    assert (result.code, result.json["error"]["code"]) == (2, "SB103")
    assert not (tmp_path / "shop.pex").exists()


@pytest.mark.needs("uv")
def test_broken_uv_lock(tmp_path):
    """A ``uv.lock`` that uv cannot read ends the bake with uv's own words."""
    project = native_project(tmp_path / "shop", component("one"), {"uv.lock": "this is no lock"})
    result = bake(project, tmp_path / "shop.pex")
    assert (result.code, result.json["error"]["code"]) == (7, "SB704")
    assert "uv.lock" in result.json["error"]["detail"]


def test_uv_is_missing(tiny, monkeypatch):
    """Without uv, on PATH or beside statebake, a ``uv.lock`` ends with the code of a missing tool."""
    tiny.write(**{"uv.lock": "version = 1\n"})
    bare = tiny.directory / "bin"
    bare.mkdir()
    monkeypatch.setattr(sys, "executable", str(bare / "python"))
    with pytest.raises(StatebakeError) as caught:
        tiny.resolve(env={"PATH": str(bare)})
    assert caught.value.code is Code.TOOL_MISSING
    assert caught.value.code.exit == 7
    assert "statebake[uv]" in caught.value.next_step
