"""From a project's files to what is written: the build, uv's cache, CI and Docker."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path, PurePosixPath

import pytest
import yaml

from statebake.bake.dependency_source import DependencyKind, DependencySource
from statebake.bake.image.generated_files import FileStatus, GeneratedFile
from statebake.config.project import Project
from statebake.config.toml_file import TomlFile
from statebake.errors import Code, StatebakeError
from statebake.inner_backend import load_inner
from statebake.setup.facts import CiFacts, DockerFacts, ExactFile, Facts
from statebake.setup.notes import Note
from statebake.setup.plan import plan_setup

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path("/repo/shop")
STATE = "src/shop/defs/.local_defs_state/**/*"

BACKENDS = {
    "hatchling": ('["hatchling>=1.27"]', "hatchling.build"),
    "setuptools": ('["setuptools>=70", "setuptools-scm"]', "setuptools.build_meta"),
    "uv_build": ('["uv_build>=0.9,<0.10"]', "uv_build"),
    "poetry-core": ('["poetry-core>=2.0.0,<3.0.0"]', "poetry.core.masonry.api"),
    "pdm-backend": ('["pdm-backend"]', "pdm.backend"),
    "flit-core": ('["flit_core >=3.2,<4"]', "flit_core.buildapi"),
}


def exact(name, text):
    text = textwrap.dedent(text).lstrip("\n") if text is not None else None
    return None if text is None else ExactFile(TomlFile(ROOT / name, tomllib.loads(text), text), text)


def facts(pyproject, *, own=None, hatch=None, **fields):
    given = {
        "project": Project(ROOT, "shop", ROOT / "pyproject.toml", None, "native", None, {}),
        "host": "native",
        "pyproject": exact("pyproject.toml", pyproject),
        "own": exact("statebake.toml", own),
        "hatch": exact("hatch.toml", hatch),
        "setup_py": False,
        "defs": PurePosixPath("src/shop/defs"),
        "lock": None,
        "unread_lock": None,
        "uv": None,
        "python": "3.12",
        "variables": (),
        "interpreter": "statebake's own",
        "ci": CiFacts(ROOT),
        "docker": DockerFacts(),
    }
    return Facts(**{**given, **fields})


def written(plan):
    """Return the files of a plan by name, TOML as data and all else as text."""
    return {
        change.path.relative_to(ROOT).as_posix(): tomllib.loads(change.new)
        if change.path.suffix == ".toml"
        else change.new
        for change in plan.changes
    }


def found(plan):
    return dict(plan.found)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_backends(backend):
    """Every backend is wrapped: it stays in ``requires``, and is named where statebake looks for it."""
    requires, module = BACKENDS[backend]
    plan = plan_setup(facts(f'[build-system]\nrequires = {requires}\nbuild-backend = "{module}"\n'))
    [text] = [change.new for change in plan.changes]
    assert text == (
        f'[build-system]\nrequires = {requires[:-1]}, "statebake"]\nbuild-backend = "statebake.backend"\n'
        f'\n[tool.statebake]\nbuild-backend = "{module}"\n'
    )
    assert found(plan)["build backend"] == f"{module} (pyproject.toml:3)"


def test_backend_of_the_project():
    """A backend that is a part of the project is found through statebake's ``backend-path`` from then on."""
    plan = plan_setup(
        facts(
            """
            [build-system]
            requires = []
            build-backend = "mine"
            backend-path = ["tools"]
            """
        )
    )
    assert written(plan)["pyproject.toml"] == {
        "build-system": {"requires": ["statebake"], "build-backend": "statebake.backend"},
        "tool": {"statebake": {"build-backend": "mine", "backend-path": ["tools"]}},
    }


def test_no_backend_named():
    """A ``[build-system]`` that names none has setuptools, as PEP 517 says."""
    plan = plan_setup(facts('[build-system]\nrequires = ["setuptools"]\n'))
    assert written(plan)["pyproject.toml"]["tool"]["statebake"] == {"build-backend": "setuptools.build_meta:__legacy__"}


@pytest.mark.parametrize(
    ("setup_py", "backend"), [(False, "setuptools.build_meta"), (True, "setuptools.build_meta:__legacy__")]
)
def test_no_build_system(setup_py, backend):
    """Where there is no table, setuptools is written down, as far as anything builds the project."""
    plan = plan_setup(facts('[project]\nname = "shop"\n', setup_py=setup_py))
    assert written(plan)["pyproject.toml"] == {
        "project": {"name": "shop"},
        "build-system": {"requires": ["setuptools>=61", "statebake"], "build-backend": "statebake.backend"},
        "tool": {"statebake": {"build-backend": backend}},
    }
    assert plan.next_steps == ("statebake refresh", "python -m build")


@pytest.mark.parametrize(
    ("text", "uv", "said"),
    [
        ('[project]\nname = "x"\n[tool.uv]\npackage = false\n', "[tool.uv]", "package = false"),
        ('[project]\nname = "x"\n', "uv.lock", "there is no [build-system]"),
        ("[tool.dg]\n", None, "no [project] to build"),
        (None, None, "there is no pyproject.toml"),
    ],
)
def test_never_built(text, uv, said):
    """A project that nothing builds is left as it is, and that is said."""
    plan = plan_setup(facts(text, uv=uv))
    assert plan.changes == ()
    assert said in found(plan)["build backend"]
    assert plan.next_steps == ("statebake refresh",)


def test_a_package_of_uv():
    """With ``package = true`` uv builds a project without a ``[build-system]``."""
    plan = plan_setup(facts('[project]\nname = "x"\n[tool.uv]\npackage = true\n', uv="[tool.uv]"))
    assert written(plan)["pyproject.toml"]["build-system"]["build-backend"] == "statebake.backend"


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        '[build-system]\nrequires = ["statebake"]\nbuild-backend = "statebake.backend"\n',
        '[project]\nname = "shop"\n[tool.uv]\npackage = true\n',
    ],
)
def test_a_single_module(text):
    """Definitions that no build can carry the state of leave the builds as they are, and it is said why."""
    ci = CiFacts(ROOT, github=True)
    plan = plan_setup(facts(text, single_module=True, defs=PurePosixPath(), uv="[tool.uv]", ci=ci))
    [workflow] = plan.changes
    assert "uv build" not in workflow.new
    assert "Make the module a package" in plan.notes[0].text
    assert plan.next_steps == ("statebake refresh",)


def test_settings_in_a_file_of_their_own():
    """Where settings stand in ``statebake.toml``, the wrapped backend does too; that file is written first."""
    plan = plan_setup(
        facts('[build-system]\nrequires = ["a"]\nbuild-backend = "b"\n', own="# mine\njobs = 3\n[pex]\nargs = []\n")
    )
    assert [change.path.name for change in plan.changes] == ["statebake.toml", "pyproject.toml"]
    assert plan.changes[0].new == '# mine\njobs = 3\nbuild-backend = "b"\n\n[pex]\nargs = []\n'
    assert "tool" not in written(plan)["pyproject.toml"]


def test_both_places():
    """``[tool.statebake]`` goes first where there are both, and a setting keeps its spelling."""
    plan = plan_setup(
        facts(
            '[build-system]\nrequires = ["a"]\nbuild-backend = "b"\n[tool.statebake]\nbuild_backend = "old"\n',
            own="jobs = 3\n",
        )
    )
    assert [change.path.name for change in plan.changes] == ["pyproject.toml"]
    assert written(plan)["pyproject.toml"]["tool"]["statebake"] == {"build_backend": "b"}


HOOK = '[build-system]\nrequires = ["hatchling", "{}"]\nbuild-backend = "hatchling.build"\n'


@pytest.mark.parametrize(
    ("text", "hatch"),
    [
        (HOOK + '[tool.hatch.build.hooks.statebake]\non_build = "check"\n', None),
        (
            HOOK
            + "[tool.hatch.build.targets.wheel.hooks.statebake]\n[tool.hatch.build.targets.sdist.hooks.statebake]\n",
            None,
        ),
        (HOOK, "[build.hooks.statebake]\n"),
    ],
)
def test_hook_of_hatchling(text, hatch):
    """With the build hook nothing is to do but to require statebake."""
    done = plan_setup(facts(text.format("Statebake[x]>=0.1"), hatch=hatch))
    assert (done.changes, done.to_do) == ((), ())
    plan = plan_setup(facts(text.format("statebake-extra"), hatch=hatch))
    assert written(plan)["pyproject.toml"]["build-system"] == {
        "requires": ["hatchling", "statebake-extra", "statebake"],
        "build-backend": "hatchling.build",
    }


@pytest.mark.parametrize(
    ("target", "without"), [("wheel", "source distributions carry no state"), ("sdist", "a wheel carries no state")]
)
def test_hook_for_one_target(target, without):
    """A hook for one target only leaves something to do, with the table that is for both."""
    table = f"hatch.build.targets.{target}.hooks.statebake"
    plan = plan_setup(facts(f"{HOOK.format('statebake')}[tool.{table}]\n"))
    assert plan.changes == ()
    [note] = plan.to_do
    assert without in note.text
    assert "[tool.hatch.build.hooks.statebake]" in note.text
    [note] = plan_setup(facts(HOOK.format("statebake"), hatch=f"[{table.removeprefix('hatch.')}]\n")).to_do
    assert "[build.hooks.statebake]" in note.text


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        (f"{HOOK}[tool.hatch.build.hooks.statebake]\n", True),
        (f"{HOOK}[tool.hatch.build.hooks.statebake]\non-build = 'off'\n", False),
        (f"{HOOK}[tool.hatch.build.hooks.statebake]\n[tool.statebake]\non_build = 'off'\n", False),
        (f"{HOOK}[tool.statebake]\non_build = 'off'\n", False),
    ],
)
def test_builds_without_state(text, noticed):
    """Where ``on_build`` is off, wheels carry no state, and uv needs no ``cache-keys``."""
    plan = plan_setup(facts(text.format("statebake"), uv="uv.lock"))
    assert any("cache-keys" in change.new for change in plan.changes) is noticed


def test_wrapped_already():
    """A project that is wrapped needs nothing; one that does not say what is wrapped is told the setting."""
    text = '[build-system]\nrequires = ["statebake", "a"]\nbuild-backend = "statebake.backend"\n'
    plan = plan_setup(facts(text + '[tool.statebake]\nbuild-backend = "a.b"\n'))
    assert (plan.changes, plan.notes) == ((), ())
    assert found(plan)["build backend"] == "a.b, wrapped by statebake (pyproject.toml:3)"
    [note] = plan_setup(facts(text)).notes
    assert '[tool.statebake] build-backend = "…"' in note.text
    assert plan_setup(facts(text, own='build_backend = "a"\n')).notes == ()


@pytest.mark.parametrize("name", ["statebake.backend", "statebake.backend:x"])
@pytest.mark.parametrize(
    ("table", "own", "where"),
    [
        ('[tool.statebake]\nbuild-backend = "{}"\n', None, "pyproject.toml:5"),
        ('[tool.statebake]\nbuild_backend = "{}"\n', 'build-backend = "hatchling.build"\n', "pyproject.toml:5"),
        ("", 'jobs = 3\nbuild-backend = "{}"\n', "statebake.toml:2"),
    ],
)
def test_wrapping_itself(table, own, where, name):
    """A backend that wraps itself is the error that its builds end with, and the line is named."""
    text = '[build-system]\nrequires = ["statebake", "a"]\nbuild-backend = "statebake.backend"\n' + table.format(name)
    with pytest.raises(StatebakeError) as caught:
        plan_setup(facts(text, own=own and own.format(name)))
    with pytest.raises(StatebakeError) as of_build:
        load_inner(name, [], ROOT, {})
    error = caught.value
    assert error.code is of_build.value.code is Code.NO_BACKEND
    assert (error.message, error.next_step) == (of_build.value.message, of_build.value.next_step)
    assert error.where == f"/repo/shop/{where}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[build-system]\nrequires = []\nbuild-backend = "statebake.backend:x"\n', "the backend of statebake is"),
        ("build-system = 3\n", "build-system is not a table"),
        ("[[build-system]]\nrequires = []\n", "build-system is not a table"),
        ("[build-system]\n", "has no `requires`"),
        ('[build-system]\nrequires = "a"\n', "`requires` is not a list of strings"),
        ("[build-system]\nrequires = [1]\n", "`requires` is not a list of strings"),
        ("[build-system]\nrequires = []\nbuild-backend = 3\n", "`build-backend` is not the name"),
        ("[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = 'x'\n", "`backend-path` is not a list"),
        ("[build-system]\nrequires = []\n[tool.uv]\ncache-keys = 3\n", "`cache-keys` is not a list"),
    ],
)
def test_what_no_build_can_read(text, message):
    """A table that no frontend could read is an error with its line."""
    with pytest.raises(StatebakeError) as caught:
        plan_setup(facts(text, uv="[tool.uv]"))
    assert caught.value.code is Code.BAD_SETTING
    assert message in caught.value.message
    assert caught.value.where.startswith("/repo/shop/pyproject.toml:")


def test_cache_keys():
    """Where uv is used its cache learns of the state; entries that are there stay, and are enough if they match it."""
    system = '[build-system]\nrequires = ["statebake"]\nbuild-backend = "statebake.backend"\n'
    system += '[tool.statebake]\nbuild-backend = "hatchling.build"\n'
    plan = plan_setup(facts(system, uv="uv.lock"))
    keys = [{"file": "pyproject.toml"}, {"dir": "src"}, {"file": STATE}]
    assert written(plan)["pyproject.toml"]["tool"]["uv"] == {"cache-keys": keys}
    given = f'{system}[tool.uv]\ncache-keys = [{{ file = "x" }}]  # mine\n'
    [change] = plan_setup(facts(given, uv="uv.lock")).changes
    assert change.new.endswith(f'cache-keys = [{{ file = "x" }}, {{ file = "{STATE}" }}]  # mine\n')
    assert plan_setup(facts(f'{system}[tool.uv]\ncache-keys = ["**/*"]\n', uv="uv.lock")).changes == ()
    assert plan_setup(facts(system)).changes == ()


UNKNOWN = StatebakeError(Code.BAD_SETTING, "It is not known.", next_step="name it: module")


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nrequires = ["a"]\nbuild-backend = "b"\n',
        '[project]\nname = "shop"\n[tool.uv]\npackage = true\n',
        '[build-system]\nrequires = []\nbuild-backend = "statebake.backend"\n[tool.statebake]\nbuild-backend = "b"\n',
    ],
)
@pytest.mark.parametrize("own", [None, "jobs = 3\n"])
def test_definitions_that_are_not_found(text, own):
    """Where it is not told which module has the definitions, the setting is named, and no build is made to fail."""
    plan = plan_setup(facts(text, own=own, defs=UNKNOWN, uv="[tool.uv]", ci=CiFacts(ROOT, github=True)))
    [workflow] = plan.changes
    assert "uv sync" in workflow.new
    assert "uv build" not in workflow.new
    assert plan.to_do == (Note("It is not known. Name it: module.", to_do=True),)
    [note] = [note for note in plan.notes if not note.to_do]
    assert note.text.startswith("The builds stay as they are as long as the definitions are not found")
    assert plan.next_steps == ("statebake refresh",)


WRAPPED = """
    [build-system]
    requires = ["statebake", "hatchling"]
    build-backend = "statebake.backend"
    [tool.statebake]
    build-backend = "hatchling.build"
    [tool.uv]
    cache-keys = ["**/*"]
"""


@pytest.mark.parametrize("root", [ROOT, ROOT.parent])
@pytest.mark.parametrize("uv", [None, "uv.lock"])
@pytest.mark.parametrize("built", [True, False])
def test_ci_files_are_yaml(root, uv, built):
    """Whatever the project is, the files for CI are YAML that does the steps in their order, each in its directory."""
    lock = DependencySource(DependencyKind.UV_LOCK, ROOT / "uv.lock") if uv else None
    if not built and not uv:
        lock = DependencySource(DependencyKind.REQUIREMENTS, ROOT / "requirements.txt")
    ci = CiFacts(root, github=True, gitlab="")
    plan = plan_setup(facts(WRAPPED if built else "[tool.dg]\n", uv=uv, lock=lock, ci=ci, variables=("API_TOKEN",)))
    files = {change.path.relative_to(root).as_posix(): change.new for change in plan.changes}
    title = "statebake" if root == ROOT else "statebake-shop"
    assert set(files) == {f".github/workflows/{title}.yml", f".gitlab/{title}.yml", ".gitlab-ci.yml"}
    workflow, job, include = (yaml.safe_load(text) for text in files.values())
    steps = workflow["jobs"]["statebake"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    program = "uvx statebake" if uv else "statebake"
    project = "--editable ." if built else "--requirement requirements.txt"
    tools = "statebake build" if built else "statebake"
    of_pip = ("python -m venv .venv", f".venv/bin/python -m pip install {project}", f"python -m pip install {tools}")
    assert commands[0].splitlines() == (["uv sync --locked"] if uv else list(of_pip))
    assert commands[1:3] == [f"{program} refresh", f"{program} check --format github"]
    assert commands[3:] == ([] if not built else ["uv build"] if uv else ["python -m build"])
    assert all(step["uses"].rpartition("@v")[2].isdigit() for step in steps if "uses" in step)
    directory = workflow["jobs"]["statebake"].get("defaults", {}).get("run", {}).get("working-directory")
    assert directory == (None if root == ROOT else "shop")
    [fetch] = [step for step in steps if step.get("run") == f"{program} refresh"]
    assert fetch["env"] == {"API_TOKEN": "${{ secrets.API_TOKEN }}"}
    assert f"{program} refresh" in job[title]["script"]
    assert ("cd shop" in job[title]["script"]) == (root != ROOT)
    assert ("paths" in job[title]["artifacts"]) == built
    assert include == {"include": [{"local": f"/.gitlab/{title}.yml"}]}


PIP = "python -m venv .venv\n.venv/bin/python -m pip install {}\npython -m pip install statebake build\n"


@pytest.mark.parametrize(
    ("kind", "path", "wanted"),
    [
        (DependencyKind.PYPROJECT, "pyproject.toml", PIP.format("--editable .")),
        (DependencyKind.REQUIREMENTS, "requirements/prod.txt", PIP.format("--requirement requirements/prod.txt")),
        (DependencyKind.REQUIREMENTS, "../all of it.txt", PIP.format("--requirement '../all of it.txt'")),
        (
            DependencyKind.PYLOCK,
            "locks/pylock.prod.toml",
            (
                "python -m pip install statebake build uv\npython -m venv .venv\n"
                "uv pip install --requirement locks/pylock.prod.toml\n"
            ),
        ),
        (
            DependencyKind.PEX_LOCK,
            "pex.lock",
            "python -m pip install statebake build pex\npex3 venv create --lock pex.lock --dir .venv\n",
        ),
    ],
)
def test_what_ci_installs(kind, path, wanted):
    """What is installed is what the project's lock says, wherever that is; without one, the project."""
    lock = DependencySource(kind, Path(os.path.normpath(ROOT / path)))
    [workflow, job, _] = plan_setup(facts(WRAPPED, lock=lock, ci=CiFacts(ROOT, github=True, gitlab=""))).changes
    [step, *_] = [step for step in yaml.safe_load(workflow.new)["jobs"]["statebake"]["steps"] if "run" in step]
    assert step["run"] == wanted
    assert yaml.safe_load(job.new)["statebake"]["script"][: wanted.count("\n")] == wanted.splitlines()


@pytest.mark.parametrize(
    ("kind", "path", "wanted"),
    [
        (DependencyKind.PYPROJECT, "pyproject.toml", "uv sync\n"),
        (DependencyKind.UV_LOCK, "uv.lock", "uv sync --locked\n"),
        (DependencyKind.REQUIREMENTS, "requirements.txt", "uv venv\nuv pip install --requirement requirements.txt\n"),
    ],
)
def test_what_uv_installs(kind, path, wanted):
    """So does uv."""
    lock = DependencySource(kind, ROOT / path)
    [workflow] = plan_setup(facts(WRAPPED, uv="[tool.uv]", lock=lock, ci=CiFacts(ROOT, github=True))).changes
    [step, *_] = [step for step in yaml.safe_load(workflow.new)["jobs"]["statebake"]["steps"] if "run" in step]
    assert step["run"] == wanted


@pytest.mark.parametrize("text", ["[tool.dg]\n", None])
def test_ci_that_could_install_nothing(text):
    """Where nothing is built and nothing locked, no job is written that could not run, and it is said why."""
    plan = plan_setup(facts(text, ci=CiFacts(ROOT, github=True, gitlab="")))
    assert plan.changes == ()
    assert "A requirements.txt or a lock does" in plan.notes[0].text


@pytest.mark.parametrize(
    ("lock", "build"), [(ROOT / "uv.lock", "uv build"), (ROOT.parent / "uv.lock", "uv build --out-dir dist")]
)
def test_ci_of_a_member(lock, build):
    """A member of a uv workspace is built into the directory that CI keeps, and not into the root's."""
    source = DependencySource(DependencyKind.UV_LOCK, lock)
    plan = plan_setup(facts(WRAPPED, uv="uv.lock", lock=source, ci=CiFacts(ROOT.parent, github=True, gitlab="")))
    assert all(f" {build}\n" in change.new for change in plan.changes[:2])
    assert 'path: "shop/dist/"' in plan.changes[0].new


def ci_plan(files=None, gitlab=None):
    ci = CiFacts(ROOT, github=True, gitlab=gitlab, files=files or {})
    return plan_setup(facts(WRAPPED, ci=ci))


def test_ci_files_of_somebody():
    """A file that somebody else wrote is left and named; one that was edited is left; an old one is written anew."""
    name = ".github/workflows/statebake.yml"
    text = ci_plan().changes[0].new
    assert ci_plan({name: text}).changes == ()
    assert ci_plan({name: text.replace("\n", "\r\n")}).changes == ()
    edited = ci_plan({name: text.replace("# env", "env")})
    assert edited.changes == ()
    assert edited.notes[0].text.startswith(f"{name} was edited by hand: it stays as it is.")
    foreign = ci_plan({name: "on: push\n"})
    assert foreign.changes == ()
    assert foreign.notes == (Note(f"{name} is there already and is not of statebake: it stays as it is."),)
    from statebake.bake.image.generated import seal

    assert ci_plan({name: seal("old: 1\n", "statebake init")}).changes[0].new == text


@pytest.mark.parametrize(
    ("gitlab", "text", "to_do"),
    [
        ("a: 1\n", "foo: {script: [x]}\n", True),
        ("a: 1\n", "foo: {script: [statebake refresh]}\n", True),
        ("include: .gitlab/*.yml\n", "foo: {script: [x]}\n", True),
        ("include: .gitlab/*.yml\n", "foo: {script: [statebake refresh]}\n", False),
        ("include: other.yml\n", "foo: {script: [x]}\n", True),
    ],
)
def test_a_file_of_somebody_for_gitlab(gitlab, text, to_do):
    """Somebody else's file is never brought into the pipeline; that the job is lacking then is to be mended by hand."""
    name = ".gitlab/statebake.yml"
    plan = plan_setup(facts(WRAPPED, ci=CiFacts(ROOT, gitlab=gitlab, files={name: text})))
    assert plan.changes == ()
    [note] = plan.notes
    assert note.text.startswith(f"{name} is there already and is not of statebake: it stays as it is.")
    assert note.to_do == ("Give it another name" in note.text) == to_do


@pytest.mark.parametrize(
    ("gitlab", "line"),
    [
        ("a: 1\nstatebake:\n  script: [x]\n", 2),
        ("'statebake': {extends: .a}\n", 1),
        ("statebake: !reference [a, b]\n", 1),
        ("include: other.yml\n\nstatebake:\n  script: [x]\n", 3),
        ("include: .gitlab/*.yml\nstatebake: {tags: [x]}\n", 2),
    ],
)
def test_a_job_of_that_name(gitlab, line):
    """A job that is called as the one of statebake, and would be merged with that, is to be renamed first."""
    plan = ci_plan({".github/workflows/statebake.yml": ci_plan().changes[0].new}, gitlab)
    assert plan.changes == ()
    [note] = plan.to_do
    assert note.text.startswith(f".gitlab-ci.yml:{line} has a job of its own called `statebake`,")
    assert "Rename that job" in note.text
    assert plan.notes == plan.to_do


@pytest.mark.parametrize(
    ("job", "rival"),
    [
        ("{tags: [docker]}", False),
        ("{extends: .a}", False),
        ("{script: [x]}", True),
        ("{<<: [{tags: [x]}, {<<: {script: [x]}}]}", True),
        ("{trigger: x}", True),
        ("", True),
    ],
)
def test_a_job_that_changes_ours(job, rival):
    """What a project adds to the job that it includes already stays as it is wanted, but for other commands."""
    name = ".gitlab/statebake.yml"
    files = {name: ci_plan(gitlab="a: 1\n").changes[1].new}
    text = f"include: {name}\nstatebake: {job}\n"
    plan = plan_setup(facts(WRAPPED, ci=CiFacts(ROOT, gitlab=text, files=files)))
    assert plan.changes == ()
    assert len(plan.to_do) == len(plan.notes) == rival


def test_an_edited_file_of_gitlab():
    """The job that statebake wrote and somebody edited is still its own, and is included."""
    name = ".gitlab/statebake.yml"
    text = ci_plan(gitlab="a: 1\n").changes[1].new
    plan = plan_setup(facts(WRAPPED, ci=CiFacts(ROOT, gitlab="a: 1\n", files={name: f"{text}# mine\n"})))
    assert [change.path.name for change in plan.changes] == [".gitlab-ci.yml"]
    [note] = plan.notes
    assert note.text.startswith(f"{name} was edited by hand")
    assert not note.to_do


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_ci_files_of_another_version(monkeypatch, ends):
    """What another version of statebake wrote in the same words is as it should be; in other words, it is not."""
    from statebake.bake.image import generated

    monkeypatch.setattr(generated, "__version__", "0.0.1")
    before = ci_plan(gitlab="").changes
    monkeypatch.undo()
    files = {change.path.relative_to(ROOT).as_posix(): change.new.replace("\n", ends) for change in before[:2]}
    assert all("statebake 0.0.1" in text for text in files.values())
    include = before[2].new
    assert ci_plan(files, gitlab=include).changes == ()
    old = {name: generated.seal("old: 1\n", "statebake init") for name in files}
    assert len(ci_plan(old, gitlab=include).changes) == 2


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("", "test"),
        ("a: 1\n", "test"),
        ("stages: [build, test]\n", "test"),
        ("stages:\n  - .pre\n  - build\n  - deploy\n", "build"),
        ("stages: [build]\ninclude:\n  - local: /.gitlab/statebake-north.yml\n", "build"),
        ("include: .gitlab/statebake.yml\na: 1\n", "test"),
        ("include:\n  - template: x\n", ".pre"),
        ("stages: !reference [x, stages]\n", ".pre"),
        ("stages: []\n", ".pre"),
        ("a: [\n", ".pre"),
    ],
)
def test_stage_of_gitlab(text, stage):
    """The job is in a stage that the pipeline has; only where that cannot be known, in the one that each has."""
    [job] = [change.new for change in ci_plan(gitlab=text).changes if change.path.parent.name == ".gitlab"]
    assert yaml.safe_load(job)["statebake"]["stage"] == stage


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("stages: [a]\n", "stages: [a]\n\ninclude:\n  - local: /.gitlab/statebake.yml\n"),
        ("a: 1", "a: 1\n\ninclude:\n  - local: /.gitlab/statebake.yml\n"),
        ("a: !reference [x, y]\r\n", "a: !reference [x, y]\r\n\r\ninclude:\r\n  - local: /.gitlab/statebake.yml\r\n"),
        ("include:\n  - local: /.gitlab/statebake.yml\n", "as it is"),
        ("include: .gitlab/statebake.yml\n", "as it is"),
        (
            "a: 1\ninclude:\n  - local: /.gitlab/statebake-north.yml\n",
            "a: 1\ninclude:\n  - local: /.gitlab/statebake-north.yml\n  - local: /.gitlab/statebake.yml\n",
        ),
        ("include:\n  - local: /.gitlab/statebake-north.yml\na: 1\n", None),
        ("include:\n  - template: x\n", None),
        ("{a: 1}\n", None),
        ("a: 1\n...\n", None),
    ],
)
def test_include_of_gitlab(text, wanted):
    """A line is added only where nothing else has to change; elsewhere it is told."""
    plan = ci_plan(gitlab=text)
    [change] = [change for change in plan.changes if change.path.name == ".gitlab-ci.yml"] or [None]
    if wanted is None or wanted == "as it is":
        assert change is None
        assert plan.notes == (
            ()
            if wanted
            else (Note("Add this to `include` in .gitlab-ci.yml: - local: /.gitlab/statebake.yml", to_do=True),)
        )
    else:
        assert change.new == wanted


def test_what_is_to_be_done_by_hand():
    """What nothing works without is to be done; what somebody wrote, edited or decided is only told."""
    unsure = StatebakeError(Code.BAD_SETTING, "It is not known.", next_step="name it: defs_module")
    lacking = '[build-system]\nrequires = ["statebake"]\nbuild-backend = "statebake.backend"\n'
    mend = Note(".dockerignore is left as it is.", to_do=True)
    for plan in (
        ci_plan(gitlab="include:\n  - template: x\n"),
        plan_setup(facts(lacking)),
        plan_setup(facts(WRAPPED, defs=unsure)),
        plan_setup(facts(WRAPPED, docker=DockerFacts(("Dockerfile",), note=mend))),
    ):
        assert plan.to_do == plan.notes != ()
    edited = GeneratedFile(ROOT / ".dockerignore", "x\n", "y\n", FileStatus.EDITED)
    for plan in (
        ci_plan({".github/workflows/statebake.yml": "on: push\n"}),
        plan_setup(facts('[project]\nname = "x"\n', uv="uv.lock")),
        plan_setup(facts("[tool.dg]\n", ci=CiFacts(ROOT, github=True))),
        plan_setup(facts(WRAPPED, single_module=True, defs=PurePosixPath())),
        plan_setup(facts(WRAPPED, docker=DockerFacts(("Dockerfile",), edited))),
    ):
        assert plan.notes
        assert plan.to_do == ()


def test_docker():
    """The block of .dockerignore is written where the state would be lost, and never over somebody's edits."""
    ignore = GeneratedFile(ROOT / ".dockerignore", "**/.*\n", "**/.*\n# block\n", FileStatus.MISSING)
    plan = plan_setup(facts(WRAPPED, docker=DockerFacts(("Dockerfile",), ignore, ".dockerignore:1 (`**/.*`)")))
    [change] = plan.changes
    assert (change.new, change.why) == (ignore.new, ".dockerignore:1 (`**/.*`) keeps the state out")
    assert plan.next_steps[-1] == "statebake dockerfile"
    edited = GeneratedFile(ROOT / ".dockerignore", "x\n", "y\n", FileStatus.EDITED)
    plan = plan_setup(facts(WRAPPED, docker=DockerFacts(("Dockerfile",), edited)))
    assert plan.changes == ()
    assert "was edited by hand" in plan.notes[0].text


def test_lock_files():
    """The lock that is read is named, and one of another tool as what it is."""
    lock = DependencySource(DependencyKind.UV_LOCK, ROOT.parent / "uv.lock")
    assert found(plan_setup(facts(WRAPPED, lock=lock)))["lock file"] == "repo/uv.lock"
    lock = DependencySource(DependencyKind.PYPROJECT, ROOT / "pyproject.toml")
    assert found(plan_setup(facts(WRAPPED, lock=lock)))["lock file"] == "none: dependencies from pyproject.toml"
    plan = plan_setup(facts(WRAPPED, unread_lock="poetry.lock"))
    assert found(plan)["lock file"] == "none that statebake reads (poetry.lock)"


def test_diff():
    """A diff names the file before and after, and /dev/null where there was none."""
    [change] = plan_setup(facts('[build-system]\nrequires = []\nbuild-backend = "b"\n')).changes
    assert change.diff("pyproject.toml")[:3] == ["--- a/pyproject.toml", "+++ b/pyproject.toml", "@@ -1,3 +1,6 @@"]
    assert ci_plan().changes[0].diff("x.yml")[0] == "--- /dev/null"
