"""The build backend: what it checks, refreshes and puts in, and how a build fails."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from statebake.model.manifest import Manifest
from support.builds import EPOCH, check_record, contents, load, wrapped_project
from support.cli import run, statebake
from support.hooks import build_sdist, build_wheel, call_hook, only_wheel
from support.installed import UV, unpack
from support.native import component, documents, state_dir
from support.trees import write_tree

STATE = "shop/defs/.local_defs_state"


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory) -> Callable[[str], Path]:
    """Gives a refreshed project by its backend, to be copied; each is made once."""
    root = tmp_path_factory.mktemp("refreshed")
    return functools.cache(lambda backend: wrapped_project(root / backend / "shop", backend))


@pytest.fixture
def copied(refreshed, tmp_path) -> Callable[[str], Path]:
    """Gives a copy of such a project."""
    return lambda backend: Path(shutil.copytree(refreshed(backend), tmp_path / "shop", symlinks=True))


@pytest.fixture
def project(copied) -> Path:
    """A copy of the quickest one."""
    return copied("flit-core")


def replaced(project: Path, old: str, new: str) -> None:
    """Change a project's ``pyproject.toml``."""
    path = project / "pyproject.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def failed(result, out: Path, code: int) -> str:
    """Assert that a hook has failed with a message of ours and left nothing, and return what it printed."""
    assert result.code == code, result.err
    assert "Traceback" not in result.err
    assert list(out.iterdir()) == []
    return result.err


def test_a_failed_check_fails_the_build(project, tmp_path):
    """State that is missing ends the build with the check's exit code and finding, and nothing is built."""
    shutil.rmtree(state_dir(project) / "Text__one__")
    err = failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 3)
    assert "error[SB301]: Text[one]: No state: " in err
    assert "next: statebake refresh --key 'Text[one]'" in err
    failed(build_sdist(project, tmp_path / "out"), tmp_path / "out", 3)


@pytest.mark.needs("uv")
@pytest.mark.parametrize("frontend", ["build", "uv", "pip"])
def test_how_frontends_show_it(builder, project, tmp_path, frontend):
    """Every frontend fails and shows the finding, without a traceback of the backend."""
    (state_dir(project) / "Text__one__/state").write_text("changed by hand")
    result = builder.run(frontend, project, tmp_path / "out")
    shown = result.out + result.err
    assert result.code != 0
    assert "error[SB303]: Text[one]: The state is not what was fetched" in shown
    assert "next: statebake refresh --key 'Text[one]'" in shown
    assert "Traceback" not in shown
    assert list(tmp_path.glob("out/shop*")) == []


@pytest.mark.needs("uv")
@pytest.mark.parametrize("frontend", ["build", "uv", "pip"])
def test_a_backend_that_is_not_required(builder, project, tmp_path, frontend):
    """Where ``requires`` lacks the wrapped backend, every frontend shows which line to write."""
    replaced(project, 'requires = ["statebake", "flit-core"]', 'requires = ["statebake"]')
    result = builder.run(frontend, project, tmp_path / "out")
    shown = result.out + result.err
    assert result.code != 0
    assert "error[SB117]: The build backend flit_core.buildapi cannot be imported" in shown
    assert 'next: in pyproject.toml, below [build-system]: requires = ["statebake", "flit-core"]' in shown
    assert "Traceback" not in shown


@pytest.mark.needs("uv")
def test_refresh_in_an_isolated_build(builder, project, tmp_path):
    """``-C statebake.on_build=refresh`` fetches with the project's own interpreter, though the build is isolated."""
    replaced(project, 'dependencies = ["statebake"]', 'dependencies = ["statebake", "hypothesis"]')
    (project / ".venv").symlink_to(Path(sys.executable).parent.parent)
    shutil.rmtree(state_dir(project))
    out = tmp_path / "out"
    result = builder.run("uv", project, out, "-C", "statebake.on_build=refresh").ok()
    assert "Text[one]  updated" in result.err
    assert "3 keys have their state, checked with .venv/bin/python (project .venv)" in result.err
    [wheel] = out.glob("*.whl")
    check_record(wheel)
    assert contents(wheel)[f"{STATE}/Text__one__/state"] == b"one"


@pytest.mark.needs("uv")
def test_no_interpreter(builder, project, tmp_path):
    """Where nothing has what the project requires, a refresh fails; a check goes by the files, and says so."""
    replaced(project, 'dependencies = ["statebake"]', 'dependencies = ["statebake", "hypothesis"]')
    run([UV, "venv", "--quiet", "--python", sys.executable, project / ".venv"], cwd=project).ok()
    with_code = build_wheel(project, tmp_path / "code", env={"STATEBAKE_PYTHON": sys.executable}).ok()
    assert f"checked with {sys.executable} (env STATEBAKE_PYTHON)" in with_code.err
    refused = builder.run("uv", project, tmp_path / "refused", "-C", "statebake.on_build=refresh")
    assert refused.code != 0
    assert "error[SB107]: on_build is `refresh`, and there is no interpreter that has what" in refused.err
    assert "next: name one: STATEBAKE_PYTHON=PATH; or take the state that is there: STATEBAKE_ON_BUILD" in refused.err
    result = builder.run("uv", project, tmp_path / "out").ok()
    assert "The project .venv is not used, for it lacks hypothesis, statebake." in result.err
    assert "the state is checked by its files alone. STATEBAKE_PYTHON=PATH names" in result.err
    assert "3 keys have their state, checked by its files alone" in result.err
    [wheel] = (tmp_path / "out").glob("*.whl")
    assert contents(wheel) == contents(only_wheel(tmp_path / "code"))


@pytest.mark.needs("uv")
def test_virtual_env(builder, project, tmp_path):
    """``VIRTUAL_ENV`` is the project's interpreter, unless the frontend has set it to the build's own."""
    replaced(project, 'dependencies = ["statebake"]', 'dependencies = ["statebake", "hypothesis"]')
    env = {"VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}
    result = builder.run("build", project, tmp_path / "out", "--wheel", env=env).ok()
    assert f"checked with {env['VIRTUAL_ENV']}/bin/python (env VIRTUAL_ENV)" in result.out + result.err
    assert "by its files alone" in builder.run("uv", project, tmp_path / "uv", env=env).ok().err


def no_interpreter(project: Path) -> None:
    replaced(project, 'dependencies = ["statebake"]', 'dependencies = ["statebake", "not-there-at-all"]')


@pytest.mark.needs("root", "setpriv")
def test_an_interpreter_where_the_user_may_not_enter(project, tmp_path):
    """A ``.venv`` whose interpreter lies where this user may not enter is a problem that is told; a build goes on."""
    python = tmp_path / "closed/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    python.parent.chmod(0)
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to(python)
    plain = ("setpriv", "--inh-caps", "-all", "--bounding-set", "-all")  # root like anybody else
    cli = (*plain, sys.executable, "-m", "statebake")
    for options in ((), ("--python", python)):
        checked = run([*cli, "check", *options], cwd=project)
        assert checked.code == 2, checked.err
        assert "error[SB107]: " in checked.err
        assert "/python (flag --python) " * bool(options) + "cannot be reached (permission denied)" in checked.err
    assert "interpreter: none: the project's .venv" in run([*cli, "init", "--dry-run"], cwd=project).ok().out
    no_interpreter(project)
    script = "import statebake.backend as b; b.build_wheel('..')"
    built = run([*plain, sys.executable, "-c", script], cwd=project).ok()
    assert "The project .venv is not used: the project's .venv has no interpreter: " in built.err
    assert "checked by its files alone" in built.err


@pytest.mark.parametrize(
    ("broken", "code", "message"),
    [
        (lambda state: (state / "Text__one__/state").write_text("other"), "SB303", "is not what was fetched"),
        (lambda state: (state / "Text__one__/state").write_text(""), "SB302", "has no content"),
        (lambda state: (state / "Text__one__/.statebake.json").write_text("{"), "SB309", "not a statebake record"),
        (lambda state: (state / "Text__one__/.statebake.json").unlink(), "SB306", "nothing can tell whose it is"),
        (shutil.rmtree, "SB301", "There is no state"),
        (lambda state: (state / "Text__one__/x").symlink_to("/etc/hosts"), "SB311", "leaves the key directory"),
        (
            lambda state: write_tree(state.parent, {"new/defs.yaml": component("four")}),
            "SB312",
            "at src/shop/defs/new/defs.yaml",
        ),
        (
            lambda state: (state.parent / "more/defs.yaml").write_text(documents(component("three"), component("two"))),
            "SB312",
            "at src/shop/defs/more/defs.yaml",
        ),
    ],
)
def test_by_files_alone(project, tmp_path, broken, code, message):
    """Without an interpreter, what records and digests tell still fails the build."""
    no_interpreter(project)
    broken(state_dir(project))
    err = failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 3)
    assert f"error[{code}]" in err
    assert message in err


def test_declarations_by_files_alone(project, tmp_path):
    """What declares nothing needs no record, nor has one what is fetched at run time, which then is a warning."""
    no_interpreter(project)
    write_tree(project, {"src/shop/defs/new/defs.yaml": "# nothing yet\n---\n"})
    assert "SB312" not in build_wheel(project, tmp_path / "empty").ok().err
    write_tree(project, {"src/shop/defs/new/defs.yaml": component("four")})
    path = project / "pyproject.toml"
    path.write_text(f'{path.read_text()}allow_runtime_fetch = ["Text[[]four]"]\n')
    assert "warning[SB312]: No record knows" in build_wheel(project, tmp_path / "warned").ok().err


def test_policy_by_files_alone(project, tmp_path):
    """The project's policy counts without an interpreter as well."""
    no_interpreter(project)
    path = project / "pyproject.toml"
    path.write_text(f'{path.read_text()}\n[tool.statebake.policy]\nrequire_keys = ["Nothing*"]\nmax_size = "1B"\n')
    err = failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 3)
    assert "error[SB333]" in err
    assert "error[SB332]: Text[one]" in err


def test_modes(project, tmp_path):
    """``refresh`` fetches, ``check`` does not, ``off`` gives what the backend alone would give."""
    source = state_dir(project) / "Text__one__/.statebake.json"
    before = source.read_bytes()
    build_wheel(project, tmp_path / "check").ok()
    assert source.read_bytes() == before
    refreshed = build_wheel(project, tmp_path / "refresh", env={"STATEBAKE_ON_BUILD": "refresh"}).ok()
    assert "refreshing 3 keys" in refreshed.err
    assert "Text[one]  unchanged" in refreshed.err
    assert only_wheel(tmp_path / "check").read_bytes() == only_wheel(tmp_path / "refresh").read_bytes()
    path = project / "pyproject.toml"
    path.write_text(f'{path.read_text()}on_build = "refresh"\n')
    build_wheel(project, tmp_path / "off", {"statebake.on_build": "off"}).ok()
    (tmp_path / "alone").mkdir()
    code = "import flit_core.buildapi as b; b.build_wheel('../alone')"
    run([sys.executable, "-c", code], cwd=project, env=EPOCH).ok()
    assert only_wheel(tmp_path / "off").read_bytes() == only_wheel(tmp_path / "alone").read_bytes()


def test_everything_else_is_untouched(project, tmp_path):
    """Entries that are no state are those of the wrapped backend, to the byte, in their order, with their rows."""
    build_wheel(project, tmp_path / "with").ok()
    build_wheel(project, tmp_path / "off", {"statebake.on_build": "off"}).ok()
    with_state, alone = contents(only_wheel(tmp_path / "with")), contents(only_wheel(tmp_path / "off"))
    kept = [name for name in with_state if name in alone and not name.startswith(f"{STATE}/")]
    assert kept == [name for name in alone if not name.startswith(f"{STATE}/")]
    assert all(with_state[name] == alone[name] for name in kept if not name.endswith("/RECORD"))
    [record] = [name for name in alone if name.endswith("/RECORD")]
    rows = [line for line in alone[record].splitlines() if not line.startswith(STATE.encode())]
    assert [line for line in with_state[record].splitlines() if not line.startswith(STATE.encode())] == rows


def test_a_refresh_that_fails(project, tmp_path):
    """A fetch that fails fails the build with the exit code of a refresh; the old state is still there."""
    path = project / "src/shop/defs/things/defs.yaml"
    path.write_text(path.read_text().replace('"name": "one"', '"name": "one", "source": "/not/there"'))
    err = failed(build_wheel(project, tmp_path / "out", {"statebake.on_build": "refresh"}), tmp_path / "out", 4)
    assert "error[SB401]" in err
    assert "/not/there" in err
    assert (state_dir(project) / "Text__one__/state").read_text() == "one"


def test_no_longer_state(project, tmp_path):
    """What no component uses any more is left out, also where the backend had put it in; staging is never in."""
    (project / "src/shop/defs/more/defs.yaml").unlink()
    off = build_wheel(project, tmp_path / "off", {"statebake.on_build": "off"}).ok()
    assert "statebake" not in off.err
    assert f"{STATE}/Text__three__/state" in contents(only_wheel(tmp_path / "off"))
    result = build_wheel(project, tmp_path / "out").ok()
    assert "warning[SB305]: No component uses the state in Text__three__" in result.err
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    directories = {name.split("/")[3] for name in contents(wheel) if name.startswith(f"{STATE}/")}
    assert directories == {".gitignore", "Text__one__", "Text__tree__", "statebake-manifest.json"}


def test_from_an_sdist(project, tmp_path):
    """A wheel from an sdist carries what the sdist does, without fetching or importing, and to the byte."""
    build_wheel(project, tmp_path / "direct").ok()
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    (source / "src/shop/components.py").write_text("raise SystemExit('imported')")
    result = build_wheel(source, tmp_path / "wheel", {"statebake.on_build": "refresh"}).ok()
    assert "3 keys have their state, checked by the manifest of the source distribution" in result.err
    changed = contents(only_wheel(tmp_path / "wheel"))
    direct = contents(only_wheel(tmp_path / "direct"))
    state = [name for name in direct if name.startswith(f"{STATE}/")]
    assert {name: changed[name] for name in state} == {name: direct[name] for name in state}
    again = build_sdist(source, tmp_path / "again").ok()
    assert "by the manifest" in again.err


def test_a_broken_sdist(project, tmp_path):
    """State that is not what the manifest of an sdist says fails the wheel, also with a record to match."""
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    state = source / "src" / STATE
    (state / "Text__one__/state").write_text("other")
    assert "error[SB303]" in failed(build_wheel(source, tmp_path / "out"), tmp_path / "out", 3)
    (state / "Text__one__/.statebake.json").unlink()
    err = failed(build_wheel(source, tmp_path / "out"), tmp_path / "out", 3)
    assert "not the one that the source distribution was made with" in err
    shutil.rmtree(state / "Text__tree__")
    assert "error[SB301]: Text[tree]" in failed(build_wheel(source, tmp_path / "out"), tmp_path / "out", 3)


def test_an_sdist_without_state(project, tmp_path):
    """What is built from an sdist that was made without its state says so, and not what to do where it was unpacked."""
    shutil.rmtree(state_dir(project))  # flit takes all that is there
    build_sdist(project, tmp_path / "sdist", {"statebake.on_build": "off"}).ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    err = failed(build_wheel(source, tmp_path / "out"), tmp_path / "out", 3)
    assert "error[SB301]: This source distribution carries no state: " in err
    assert f"at src/{STATE}\n" in err


def test_declarations_that_the_build_makes(copied, tmp_path):
    """What a build itself declares ends it, named; made before a build, it is checked as all else is."""
    project = copied("hatchling")
    hook = """
        from pathlib import Path
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface

        class Hook(BuildHookInterface):
            def initialize(self, version, build_data):
                made = Path(self.root, "src/shop/defs/gen/defs.yaml")
                made.parent.mkdir(exist_ok=True)
                made.write_text(Path(self.root, "gen.yaml").read_text())
    """
    write_tree(project, {"hatch_build.py": hook, "gen.yaml": component("gen")})
    with (project / "pyproject.toml").open("a") as stream:
        stream.write("\n[tool.hatch.build.hooks.custom]\n")
    for build in (build_wheel, build_sdist):
        err = failed(build(project, tmp_path / "out"), tmp_path / "out", 3)
        assert "SB313" in err
        assert "shop/defs/gen/defs.yaml is in the " in err
        shutil.rmtree(project / "src/shop/defs/gen")
    build_wheel(project, tmp_path / "out")
    assert "error[SB301]: Text[gen]: No state: " in failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 3)
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    build_sdist(project, tmp_path / "sdist").ok()
    unpacked = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    build_wheel(unpacked, tmp_path / "wheel").ok()
    assert f"{STATE}/Text__gen__/state" in contents(only_wheel(tmp_path / "wheel"))


def test_declarations_behind_a_link(copied, tmp_path):
    """What a directory that is a symbolic link declares was there before the build, though backends copy it."""
    project = copied("hatchling")
    write_tree(tmp_path, {"common/deep/defs.yaml": component("linked")})
    (tmp_path / "common/deep/up").symlink_to("..")
    (project / "src/shop/defs/linked").symlink_to(tmp_path / "common")
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    build_wheel(project, tmp_path / "wheel").ok()
    assert "shop/defs/linked/deep/defs.yaml" in contents(only_wheel(tmp_path / "wheel"))


def test_revision(project, tmp_path):
    """The manifest has the git revision, and a wheel from the sdist has the same one."""
    run(["git", "init", "--quiet"], cwd=project).ok()
    run(["git", "add", "."], cwd=project).ok()
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    run(["git", *who, "commit", "--quiet", "-m", "it"], cwd=project).ok()
    revision = run(["git", "rev-parse", "HEAD"], cwd=project).ok().out.strip()
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    build_wheel(source, tmp_path / "wheel").ok()
    text = contents(only_wheel(tmp_path / "wheel"))[f"{STATE}/statebake-manifest.json"].decode()
    assert Manifest.loads(text, "it").revision == revision


def test_state_behind_a_link(project, tmp_path):
    """A state directory that is a symbolic link is put in as a directory, in the wheel and in the sdist."""
    moved = state_dir(project).rename(tmp_path / "elsewhere")
    state_dir(project).symlink_to(moved)
    build_wheel(project, tmp_path / "out").ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    assert contents(wheel)[f"{STATE}/Text__one__/state"] == b"one"
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    assert not (source / "src" / STATE).is_symlink()
    assert (source / "src" / STATE / "Text__one__/state").read_text() == "one"


@pytest.mark.parametrize("backend", ["hatchling", "poetry-core", "setuptools"])
@pytest.mark.parametrize("rule", ["shop/", "*/state\nstate/\n.local*", "*.yaml"])
def test_ignored_by_git(copied, tmp_path, backend, rule):
    """Whatever ``.gitignore`` rules match, the project's own path among it, nothing is lost without an error."""
    project = copied(backend)
    run(["git", "init", "--quiet"], cwd=tmp_path).ok()
    (tmp_path / ".gitignore").write_text(f"{rule}\n")
    (project / ".gitignore").write_text(f"{rule}\n")
    result = build_wheel(project, tmp_path / "out")
    if result.code:
        err = failed(result, tmp_path / "out", 3)
        assert (backend, rule) in {("hatchling", "shop/"), ("poetry-core", "shop/")}
        assert "error[SB321]: The package shop.defs itself is not in the wheel" in err
        err = failed(build_sdist(project, tmp_path / "sdist"), tmp_path / "sdist", 3)
        assert "error[SB321]: The package shop.defs itself is not in the source distribution" in err
    else:
        files = contents(only_wheel(tmp_path / "out"))
        assert {f"{STATE}/Text__tree__/state/target/a.py", "shop/defs/things/defs.yaml"} <= set(files)


@pytest.mark.parametrize(
    ("backend", "table"),
    [
        (
            "setuptools",
            'setuptools]\npackage-dir = {"" = "python"}\n[tool.setuptools.packages.find]\nwhere = ["python"]',
        ),
        ("hatchling", 'hatch.build.targets.wheel]\npackages = ["python/shop"]'),
        ("poetry-core", 'poetry]\npackages = [{ include = "shop", from = "python" }]'),
        ("pdm-backend", 'pdm.build]\npackage-dir = "python"'),
        ("uv_build", 'uv.build-backend]\nmodule-root = "python"'),
    ],
)
def test_packages_that_are_elsewhere(copied, tmp_path, backend, table):
    """Where the backend is told to look for packages, the state is found, in the project and in its source."""
    project = copied(backend)
    (project / "src").rename(project / "python")
    (project / "pyproject.toml").write_text((project / "pyproject.toml").read_text() + f"\n[tool.{table}\n")
    statebake("check", cwd=project).ok()
    build_sdist(project, tmp_path / "sdist").ok()
    unpacked = unpack(next((tmp_path / "sdist").iterdir()), tmp_path / "unpacked")
    for source, out in ((project, tmp_path / "direct"), (unpacked, tmp_path / "from-sdist")):
        build_wheel(source, out).ok()
        check_record(only_wheel(out))
        assert {f"{STATE}/Text__one__/state", "shop/defs/more/defs.yaml"} <= contents(only_wheel(out)).keys()
    assert "host: native, definitions in python/shop/defs" in statebake("init", "--dry-run", cwd=project).ok().out


def test_packages_with_other_names(copied, tmp_path):
    """Where a package is imported by another name than its directory has, the setting that says so is named."""
    project = copied("setuptools")
    (project / "src/shop").rename(project / "src/depot")
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(f'{text}\n[tool.setuptools]\npackage-dir = {{ shop = "src/depot" }}\n')
    err = failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 3)
    assert "statebake: shop: [tool.setuptools] package-dir says where packages are; give the package's directory" in err
    replaced(project, "[tool.statebake]\n", '[tool.statebake]\nmodule = "shop"\n')
    refused = statebake("init", "--dry-run", cwd=project)
    assert "[tool.setuptools] package-dir says where packages are" in refused.out + refused.err


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("None", "it returned None, not the name of a wheel."),
        ("7", "it returned 7, not the name of a wheel."),
        ("'shop.tar.gz'", "it returned 'shop.tar.gz', which is not the name of a wheel."),
        ("'../shop-1-py3-none-any.whl'", "which is not the name of a wheel."),
        ("'shop-1-py3-none-any.whl'", "and made no such file."),
        ("__import__('sys').exit()", "ended the build, as if there were nothing to make."),
        ("(open(where + '/a.whl', 'w').write('text'), 'a.whl')[1]", "is no wheel that can be read"),
        ("(__import__('zipfile').ZipFile(where + '/a.whl', 'w').close(), 'a.whl')[1]", "it has no RECORD"),
    ],
)
def test_garbage(project, tmp_path, answer, message):
    """A backend that returns garbage, or makes it, fails the build with its name, and leaves nothing."""
    own_backend(project, f"return {answer}")
    err = failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 7)
    assert "error[SB714]: " in err
    assert "own_backend" in err
    assert message.removeprefix("it ") in err


def own_backend(project: Path, body: str, extra: str = "") -> None:
    """Have a project's own backend wrapped, found by ``backend-path``."""
    (project / "tools").mkdir()
    hooks = f"def build_wheel(where, *_):\n    {body}\ndef build_sdist(where, *_):\n    {body}\n{extra}"
    (project / "tools/own_backend.py").write_text(hooks)
    replaced(project, '"flit_core.buildapi"', '"own_backend"\nbackend-path = ["tools"]')


@pytest.mark.parametrize("text", ["", "no row", "shop/__init__.py,sha256=x,1\\n" * 2, "gone.py,,\\n\\n,,\\n"])
def test_a_record_that_is_wrong(project, tmp_path, text):
    """Whatever ``RECORD`` a backend wrote, that of the wheel with the state is right."""
    made = f"""made = flit_core.buildapi.build_wheel(where)
    with zipfile.ZipFile(where + '/' + made) as old, zipfile.ZipFile(where + '/new', 'w') as new:
        for info in old.infolist():
            new.writestr(info, '{text}' if info.filename.endswith('RECORD') else old.read(info))
    os.replace(where + '/new', where + '/' + made)
    return made"""
    own_backend(project, made, "import flit_core.buildapi, os, zipfile\n")
    build_wheel(project, tmp_path / "out").ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    assert load(wheel, tmp_path / "installed").splitlines()[:2] == ["three", "one"]


def test_a_directory_in_the_way(project, tmp_path):
    """Where a directory has the name of the wheel, the build ends with its path, and leaves it."""
    place = tmp_path / "out/shop-1-py2.py3-none-any.whl"
    place.mkdir(parents=True)
    result = build_wheel(project, tmp_path / "out")
    assert result.code == 7
    assert "error[SB703]: shop-1-py2.py3-none-any.whl cannot be written with the state in it" in result.err
    assert f"at {place}\n  next: move the directory away" in result.err
    assert list((tmp_path / "out").iterdir()) == [place]


def test_a_backend_that_raises(project, tmp_path):
    """What the wrapped backend raises is its own: it is shown as without statebake, and nothing is left."""
    own_backend(project, "raise ZeroDivisionError('its own reason')")
    result = build_wheel(project, tmp_path / "out")
    assert result.code == 1
    assert result.err.rstrip().endswith("ZeroDivisionError: its own reason")
    assert list((tmp_path / "out").iterdir()) == []
    own = "class UnsupportedOperation(Exception): pass"
    (project / "tools/own_backend.py").write_text(
        f"{own}\ndef build_wheel(*_): pass\ndef build_sdist(*_): raise UnsupportedOperation('no sdist')\n"
    )
    code = (
        "import statebake.backend as b\ntry: b.build_sdist('.')\nexcept b.UnsupportedOperation as e: print('caught', e)"
    )
    assert run([sys.executable, "-c", code], cwd=project).ok().out == "caught no sdist\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('build-backend = "flit_core.buildapi"', "", "It is not known which build backend statebake wraps."),
        ('"flit_core.buildapi"', '"statebake.backend"', "statebake would wrap itself"),
        ('"flit_core.buildapi"', '"flit_core.nothing"', "there is no module flit_core.nothing"),
        ('"flit_core.buildapi"', '"flit_core.buildapi:it"', "flit_core.buildapi has nothing called it"),
        ('"flit_core.buildapi"', '"json"', "json is no build backend: it has no build_wheel."),
        ('"flit_core.buildapi"', '"own"\nbackend-path = [".."]', "is no directory of the project"),
        ('"flit_core.buildapi"', '"flit_core.buildapi"\non_build = "always"', "on_build is 'always'"),
        ('"flit_core.buildapi"', '"flit_core.buildapi"\non_bild = "check"', "did you mean on_build?"),
    ],
)
def test_bad_settings(project, tmp_path, old, new, message):
    """Settings that cannot be end every hook, also those that are looked for, with exit code 2 and no traceback."""
    head, _, tail = (project / "pyproject.toml").read_text().partition("[tool.statebake]")
    assert old in tail
    (project / "pyproject.toml").write_text(f"{head}[tool.statebake]{tail.replace(old, new)}")
    assert message in failed(build_wheel(project, tmp_path / "out"), tmp_path / "out", 2)
    assert message in failed(call_hook(project, "get_requires_for_build_wheel"), tmp_path / "out", 2)


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"statebake.on_build": "always"}, "SB103", "on_build is 'always' (flag -C statebake.on_build)"),
        ({"statebake.on_build": ["check", "off"]}, "SB103", "on_build is given as ['check', 'off']"),
        ({"statebake.on_bild": "check"}, "SB102", "did you mean statebake.on_build?"),
        ({"statebake": "off"}, "SB102", "statebake is not a setting of a build"),
    ],
)
def test_bad_config_settings(project, tmp_path, settings, code, message):
    """A config setting of ours with a bad name or value fails the build with what is expected."""
    err = failed(build_wheel(project, tmp_path / "out", settings), tmp_path / "out", 2)
    assert f"error[{code}]" in err
    assert message in err


def test_config_settings_of_the_backend(project, tmp_path):
    """The wrapped backend gets its own config settings, and none of ours."""
    extra = "def get_requires_for_build_wheel(settings=None):\n    return [repr(settings)]\n"
    own_backend(project, "return None", extra)
    call = ("get_requires_for_build_wheel", {"statebake.on_build": "off", "--global-option": ["a", "b"]})
    assert call_hook(project, *call).ok().out == "[\"{'--global-option': ['a', 'b']}\"]\n"
    only_ours = call_hook(project, "get_requires_for_build_wheel", {"statebake.on_build": "off"})
    assert only_ours.ok().out == "['None']\n"


def test_arguments_by_name(project):
    """A frontend may give a hook's arguments by their names (PEP 517); the wrapped backend gets them likewise."""
    hook = "prepare_metadata_for_build_wheel"
    body = "return f'{metadata_directory} {config_settings}'"
    own_backend(project, "return None", f"def {hook}(metadata_directory, config_settings=None):\n    {body}\n")
    settings = {"statebake.on_build": "off", "a": "b"}
    called = call_hook(project, hook, named={"metadata_directory": "place", "config_settings": settings})
    assert called.ok().out == "place {'a': 'b'}\n"
    assert call_hook(project, hook, named={"metadata_directory": "place"}).ok().out == "place None\n"


@pytest.mark.parametrize("backend", ["hatchling", "setuptools", "uv_build", "poetry-core", "pdm-backend", "flit-core"])
def test_hooks_are_those_of_the_backend(copied, backend):
    """Frontends find the optional hooks that the wrapped backend has, and no others."""
    project = copied(backend)
    script = """
import sys, importlib, statebake.backend as ours
theirs = importlib.import_module(sys.argv[1])
hooks = [f"{what}_for_build_{kind}" for what in ("get_requires", "prepare_metadata") for kind in ("wheel", "editable")]
hooks += ["get_requires_for_build_sdist", "build_editable", "build_wheel", "build_sdist", "UnsupportedOperation", "x"]
assert [hasattr(ours, name) for name in hooks] == [hasattr(theirs, name) for name in hooks]
assert list(ours.get_requires_for_build_wheel()) == list(theirs.get_requires_for_build_wheel())
"""
    module = (project / "pyproject.toml").read_text().partition("[tool.statebake]")[2].split('"')[1]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run([sys.executable, "-c", script, module], cwd=project, env={"PATH": programs}).ok()


def test_editable(project, tmp_path):
    """An editable build is the wrapped backend's: nothing is checked, and nothing is put in."""
    shutil.rmtree(state_dir(project))
    out = tmp_path / "out"
    out.mkdir()
    call_hook(project, "build_editable", str(out)).ok()
    assert not any(STATE in name for name in contents(only_wheel(out)))


@pytest.mark.needs("uv")
def test_not_yet_installed(builder, project, tmp_path):
    """``uv sync`` builds the project before its ``.venv`` has what it requires, and that is no failure."""
    replaced(project, 'dependencies = ["statebake"]', 'dependencies = ["statebake", "flit-core"]')
    env = builder.env({"UV_PROJECT_ENVIRONMENT": str(project / ".venv")})
    run([UV, "sync", "--quiet", "--no-editable", "--python", sys.executable], cwd=project, env=env).ok()
    listed = run([project / ".venv/bin/python", "-m", "shop"], cwd=tmp_path, env=env).ok().out
    assert listed.splitlines()[0] == "three"


def test_a_configuration_beside_pyproject(project, tmp_path):
    """``statebake.toml`` goes into the sdist: a build from there knows the settings."""
    (project / "statebake.toml").write_text('jobs = 3\nmodule = "shop"\n')
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    assert (source / "statebake.toml").read_text() == (project / "statebake.toml").read_text()


def test_a_path_layout(copied, tmp_path):
    """A project without ``src`` is built as well."""
    project = copied("setuptools")
    (project / "src/shop").rename(project / "shop")
    (project / "src").rmdir()
    statebake("check", cwd=project).ok()
    build_wheel(project, tmp_path / "out").ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    assert load(wheel, tmp_path / "installed").splitlines() == ["three", "one", ".config/x build/b empty target/a.py"]


def test_names_that_csv_quotes(project, tmp_path):
    """Files whose names have commas, quotes or letters of any language are listed in ``RECORD`` as they must be."""
    text = "(state_path / 'a,\"b\" ø').parent.mkdir(); (state_path / 'a,\"b\" ø').write_text('x')"
    path = project / "src/shop/defs/more/defs.yaml"
    path.write_text(component("odd", text=text).replace("components.Text", "components.Code"))
    build_wheel(project, tmp_path / "out", {"statebake.on_build": "refresh"}).ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    assert f'{STATE}/Text__odd__/state/a,"b" ø' in contents(wheel)


def test_secrets_are_not_printed(project, tmp_path):
    """What a build prints of a failed fetch has no secret of the environment in it."""
    path = project / "src/shop/defs/more/defs.yaml"
    text = "raise ValueError('refused: ' + os.environ['SHOP_TOKEN'])"
    path.write_text(component("odd", text=text).replace("components.Text", "components.Code"))
    env = {"SHOP_TOKEN": "a-token-of-the-shop"}
    result = build_wheel(project, tmp_path / "out", {"statebake.on_build": "refresh"}, env=env)
    assert "refused: ****" in failed(result, tmp_path / "out", 4)
    assert env["SHOP_TOKEN"] not in result.err


def test_state_with_a_secret(project, tmp_path):
    """State that has a secret in it is not built in: the build ends with 5, as a bake does."""
    env = {"SHOP_TOKEN": "a-token-of-the-shop"}
    declared = project / "src/shop/defs/more/defs.yaml"
    declared.write_text(component("odd", text=env["SHOP_TOKEN"]))
    statebake("refresh", "--secrets", "off", cwd=project, env=env).ok()
    assert "error[SB501]: Text[odd]: state has the value of SHOP_TOKEN" in failed(
        build_wheel(project, tmp_path / "out", env=env), tmp_path / "out", 5
    )
    build_wheel(project, tmp_path / "out").ok()
