"""What a bake may not lose, mix up or find out too late: dependencies, locks, arguments of pex, settings."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from statebake.bake import find_dependencies, resolve_dependencies
from statebake.bake.dependencies import ResolvedDependencies
from statebake.bake.wanted import wanted_of
from statebake.config import find_projects
from statebake.model.discovery import Interpreter
from support.cli import Result, clean_env, run, statebake
from support.hosts import HostKit
from support.native import code_component, component, native_project, state_dir
from support.pexes import CACHE_ENV, bake, distributions, members, pex_info, run_pex
from support.trees import write_tree

PYTHON = Interpreter(sys.executable, sys.version.split()[0], f"test-{sysconfig.get_platform()}")
# Small pure Python distributions without dependencies; of the first one an old and a newer version.
OLD, NEW = "2.0.0", "2.1.0"
PYPROJECT = """
    [project]
    name = "tiny"
    version = "1"
    requires-python = ">=3.10"
    dependencies = ["iniconfig==2.0.0"]

    [project.optional-dependencies]
    loud = ["cowsay==6.0"]
    sly = ["six"]
"""


def tiny_project(root: Path, **files: str) -> Path:
    """Write a project whose framework is not statebake; ``__`` in a file's name stands for a dot."""
    named = {name.replace("__", "."): text for name, text in files.items()}
    return write_tree(root / "tiny", {"pyproject.toml": PYPROJECT, **named})


def wanted(project: Path, scratch: Path, *, native: bool = False) -> list[str]:
    """Return the requirements that pex is told for a project, the runtime part's wheel left out."""
    [found] = find_projects([project], project)
    scratch.mkdir()
    source = find_dependencies(found, None)
    told = wanted_of(source, found, brings_runtime=native, scratch=scratch, env=clean_env())
    assert not told.local
    option, file = told.arguments
    assert option == "--requirement"
    return [line for line in Path(file).read_text().splitlines() if not line.startswith("statebake @ file:")]


def resolved(project: Path, cache: Path) -> ResolvedDependencies:
    """Return the resolved dependencies of a project."""
    [found] = find_projects([project], project)
    options = {"brings_runtime": False, "pex_args": (), "upgrade": False, "env": clean_env()}
    return resolve_dependencies(find_dependencies(found, None), found, PYTHON, cache_dir=cache, **options)


def code_of(result: Result) -> str:
    return result.json["error"]["code"]


def wheels(pex: Path) -> list[str]:
    """Return name and version of every distribution in a PEX, doubles and all."""
    return ["-".join(name.lower().split("-")[:2]) for name in sorted(pex_info(pex)["distributions"])]


WITHOUT_DEPENDENCIES = '[project]\nname = "tiny"\nversion = "1"\n'


# --- the project's own dependencies ----------------------------------------------------------------------------------

DECLARED = ["iniconfig==2.0.0"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-e .", DECLARED),
        (".", DECLARED),
        ("--editable=.", DECLARED),
        ("-e file:.", DECLARED),
        (".[loud]", [*DECLARED, "cowsay==6.0"]),
        ("-e .[loud, sly]", [*DECLARED, "cowsay==6.0", "six"]),
        ("-e .[unknown]", DECLARED),
    ],
)
def test_the_project_stands_for_its_dependencies(tmp_path: Path, line: str, expected: list[str]) -> None:
    """Where ``requirements.txt`` names the project itself, what it and the named extras declare takes its place."""
    project = tiny_project(tmp_path, requirements__txt=f"{line}\nattrs\n")
    assert wanted(project, tmp_path / "scratch") == [*expected, "attrs"]


@pytest.mark.needs("dagster-1.13")
def test_dagster_must_be_inside(tmp_path: Path) -> None:
    """A Dagster project whose dependencies have no Dagster is refused: nothing in the PEX would run."""
    host = HostKit("1.13")
    files = {"requirements.txt": "iniconfig==2.0.0\n"}
    project = host.project(tmp_path / "depot", [host.text("one")], files)
    env = {**host.env, "STATEBAKE_CACHE_DIR": str(tmp_path / "cache")}
    result = bake(project, tmp_path / "out" / "depot.pex", env=env)
    assert (result.code, code_of(result)) == (2, "SB103")
    error = result.json["error"]
    assert "dagster" in error["message"]
    assert error["where"] == str(project / "requirements.txt")
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "cache").rglob("*.pex*"))


# --- native: what requirements.txt says more -------------------------------------------------------------------------


def test_native_requirements_say_more(tmp_path: Path) -> None:
    """What only ``requirements.txt`` lists is in the PEX; what it pins for statebake's build-time part only is not."""
    listed = "six==1.17.0\nclick==8.1.8\nrich==13.9.4\nPyYAML==6.0.2\nmarkdown-it-py==3.0.0\nstatebake==0.1.0\n"
    project = native_project(tmp_path / "shop", component("one"), {"requirements.txt": listed})
    bake(project, tmp_path / "shop.pex").ok()
    found = distributions(tmp_path / "shop.pex")
    assert (found["six"], found["pyyaml"]) == ("1.17.0", "6.0.2")
    assert set(found) == {"six", "pyyaml", "statebake"}
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "one\n"


def test_native_declared_dependencies_of_statebakes_stay(tmp_path: Path) -> None:
    """What the project itself declares is kept at its pin, although statebake's build-time part needs it too."""
    pyproject = '[project]\nname = "tiny"\nversion = "1"\ndependencies = ["statebake", "click"]\n'
    project = tiny_project(tmp_path, pyproject__toml=pyproject, requirements__txt="click==8.1.8\nrich==13.9.4\n-e .\n")
    told = wanted(project, tmp_path / "scratch", native=True)
    assert "click==8.1.8" in told
    assert not [line for line in told if line.startswith(("rich", "statebake"))]


def test_native_dynamic_dependencies(tmp_path: Path) -> None:
    """Dependencies that only a build backend knows are taken from ``requirements.txt``, where there is one."""
    pyproject = '[project]\nname = "tiny"\nversion = "1"\ndynamic = ["dependencies"]\n'
    text = f"-e .\nstatebake\niniconfig=={OLD}\n"
    project = tiny_project(tmp_path, pyproject__toml=pyproject, requirements__txt=text)
    assert wanted(project, tmp_path / "scratch", native=True) == [f"iniconfig=={OLD}"]


# --- locks -----------------------------------------------------------------------------------------------------------


@pytest.mark.needs("uv")
@pytest.mark.parametrize("more", [', "PyYAML"', ""], ids=["with what the runtime needs", "without it"])
def test_the_lock_of_another_project(tmp_path: Path, more: str) -> None:
    """``--lock ../other/uv.lock`` takes that lock's versions, although the project has a lock of its own."""
    pyproject = """
        [project]
        name = "{name}"
        version = "1"
        requires-python = ">=3.10"
        dependencies = ["iniconfig{pin}"{more}]
    """
    texts = {
        name: pyproject.format(name=name, pin=f"=={pin}", more=more) for name, pin in (("other", OLD), ("shop", NEW))
    }
    other = write_tree(tmp_path / "other", {"pyproject.toml": texts["other"]})
    project = native_project(tmp_path / "shop", component("one"), {"pyproject.toml": texts["shop"]})
    for directory in (other, project):
        run([Path(sys.executable).parent / "uv", "lock", "--quiet"], cwd=directory).ok()
    write_tree(project, {"pyproject.toml": pyproject.format(name="shop", pin="", more=more)})
    output = tmp_path / "shop.pex"
    command = ("bake", "pex", "--lock", "../other/uv.lock", "--output", output, "--format", "json")
    report = statebake(*command, cwd=project, env=CACHE_ENV).ok().json["projects"][0]
    assert Path(report["pex"]["dependencies"]["from"]).resolve() == other / "uv.lock"
    assert distributions(output)["iniconfig"] == OLD


# --- arguments of pex ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (("--pex-arg=-r", "--pex-arg=extra.txt"), "extra.txt"),
        (("--pex-arg=-rextra.txt",), "extra.txt"),
        (("--pex-arg=--requirement=extra.txt",), "more/inner.txt"),
    ],
    ids=["two words", "one word", "included"],
)
def test_a_changed_file_of_an_argument(tmp_path: Path, arguments: tuple[str, ...], changes: str) -> None:
    """A file that an argument of pex names is part of what was resolved: changed, only its new version is inside."""
    project = native_project(tmp_path / "shop", component("one"), {"extra.txt": "-r more/inner.txt\n"})
    seen = []
    for version in (OLD, NEW):
        write_tree(project, {changes: f"iniconfig=={version}\n"})
        report = bake(project, tmp_path / "shop.pex", *arguments).ok().json["projects"][0]
        assert report["pex"]["dependencies"]["from"] == str(project / "pyproject.toml")
        seen.append([name for name in wheels(tmp_path / "shop.pex") if name.startswith("iniconfig")])
    assert seen == [[f"iniconfig-{OLD}"], [f"iniconfig-{NEW}"]]


def test_a_relative_path_in_an_argument(tmp_path: Path) -> None:
    """A relative path in an argument of pex is taken from the project, wherever the command is given."""
    files = {"more/addition.py": "NAME = 'added'\n", "src/shop/show.py": "import addition\nprint(addition.NAME)\n"}
    project = native_project(tmp_path / "shop", component("one"), files)
    arguments = ("--pex-arg=-D", "--pex-arg=more", "--entry-point", "shop.show")
    bake(project, tmp_path / "shop.pex", *arguments).ok()
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "added\n"


def test_a_project_with_a_package_called_pex(tmp_path: Path) -> None:
    """A project whose own top-level package, and a directory beside it, is called ``pex`` is baked and runs."""
    bad = "raise SystemExit('not the pex that is meant')\n"
    files = {
        "pex/__init__.py": bad,
        "pex/__main__.py": bad,
        "src/pex/__init__.py": "NAME = 'the own pex'\n",
        "src/shop/show.py": "import pex\nprint(pex.NAME)\n",
    }
    project = native_project(tmp_path / "shop", component("one"), files)
    command = ("bake", "pex", "--output", tmp_path / "shop.pex", "--format", "json", "--entry-point", "shop.show")
    statebake(*command, cwd=project, env=CACHE_ENV).ok()
    assert members(tmp_path / "shop.pex")["pex/__init__.py"] == b"NAME = 'the own pex'\n"
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "the own pex\n"
    statebake("inspect", tmp_path / "shop.pex", cwd=project).ok()


# --- the cache -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0, 0.5], ids=["nothing", "a half"])
def test_a_damaged_cache(tmp_path: Path, left: float) -> None:
    """Resolved dependencies of which a power cut left a part or nothing are resolved again, without a word."""
    project = tiny_project(tmp_path, pyproject__toml=WITHOUT_DEPENDENCIES)
    first = resolved(project, tmp_path / "cache")
    whole = first.pex.read_bytes()
    first.pex.write_bytes(whole[: int(len(whole) * left)])
    second = resolved(project, tmp_path / "cache")
    assert (first.pex, first.reused, second.pex, second.reused) == (second.pex, False, first.pex, False)
    assert second.pex.read_bytes() == whole
    assert resolved(project, tmp_path / "cache").reused


# --- before anything is fetched --------------------------------------------------------------------------------------

MARKING = "Path('fetched').touch()\nstate_path.write_text('new')"
NO_PROJECT_TABLE = '[tool.statebake]\nmodule = "shop"\n'
NO_ENTRY_POINT = """
    [project]
    name = "market"
    version = "1"
    dependencies = ["statebake"]

    [tool.statebake]
    defs_module = "shop.stuff"
"""


@pytest.mark.parametrize(
    ("arguments", "pyproject", "code"),
    [
        ((), NO_PROJECT_TABLE, "SB103"),
        (("--lock", "nowhere/uv.lock"), None, "SB103"),
        (("--output", "src"), None, "SB703"),
        (("--package", "nowhere"), None, "SB103"),
        (("--package", ".."), None, "SB103"),
        (("--package", "src/.."), None, "SB103"),
        ((), NO_ENTRY_POINT, "SB103"),
    ],
    ids=[
        "nothing names dependencies",
        "no lock",
        "output is a directory",
        "no package",
        "package above",
        "package above, otherwise",
        "no entry point",
    ],
)
def test_mistakes_show_before_the_fetch(
    tmp_path: Path, arguments: tuple[str, ...], pyproject: str | None, code: str
) -> None:
    """What cannot be baked is refused before any component has fetched."""
    project = native_project(tmp_path / "shop", code_component("one", MARKING))
    if pyproject:
        write_tree(project, {"pyproject.toml": pyproject})
    if pyproject is NO_ENTRY_POINT:
        (project / "src/shop/defs").rename(project / "src/shop/stuff")
    result = statebake("bake", "pex", "--format", "json", *arguments, cwd=project)
    assert (result.code, code_of(result)) == (7 if code == "SB703" else 2, code), result.err
    assert result.json["error"]["next_step"]
    assert not (project / "fetched").exists()
    assert not (project / "dist").exists()
    assert not state_dir(project).exists()


def test_a_package_above_in_the_configuration(tmp_path: Path) -> None:
    """``packages = [".."]`` would ship whatever lies beside the project: it is refused, and nothing is written."""
    project = native_project(tmp_path / "shop", component("one"), {"statebake.toml": 'packages = [".."]\n'})
    result = bake(project, tmp_path / "shop.pex")
    assert (result.code, code_of(result)) == (2, "SB103")
    assert "'..'" in result.json["error"]["message"]
    assert not (tmp_path / "shop.pex").exists()
