"""Installers and their caches: which of them install old state after a refresh, and what closes that.

A tool's caches are warm when it has built and installed the project with the state ``old``; then a refresh makes that
``new``, which has the same size. A test that shows a trap would fail if the tool had it no longer; the tools are those
of ``tests/tools/installers.txt``.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from statebake.config.uv_cache import state_entry
from support.cli import run, statebake
from support.hooks import build_sdist, build_wheel, only_wheel
from support.installers import WANTED, pip_program, uv_program
from support.pexes import CACHE_ENV
from support.warm import PACKAGED_STATE, Installed, Warm, state_of, uv

pytestmark = pytest.mark.needs("uv")

OLD, NEW = ({"still": "still", "moving": text} for text in ("old", "new"))
ENTRY = state_entry(PurePosixPath("src", PACKAGED_STATE))["file"]
KEYS = f'\n[tool.uv]\ncache-keys = [{{ file = "pyproject.toml" }}, {{ file = "{ENTRY}" }}]\n'


@pytest.fixture
def shell(tmp_path) -> Warm:
    """The project's caches, for what is built already."""
    return Warm(tmp_path)


@pytest.fixture
def shop(tmp_path) -> Warm:
    """The project, with the old state."""
    made = Warm.make(tmp_path)
    made.becomes("old")
    return made


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Callable[[Warm, str, str], Path]:
    """Puts a wheel or a source distribution with a state into a project's ``dist``, over the last one."""
    root = tmp_path_factory.mktemp("packed")
    source = Warm.make(root)
    for text in ("old", "new"):
        source.becomes(text)
        for hook in (build_wheel, build_sdist):
            hook(source.project, root / f"{hook.__name__}-{text}").ok()

    def put(shop: Warm, hook: str, text: str) -> Path:
        (shop.root / "dist").mkdir(exist_ok=True)
        return Path(shutil.copy(only_wheel(root / f"{hook}-{text}"), shop.root / "dist"))

    return put


@pytest.fixture(scope="module")
def older_pip(tmp_path_factory) -> Path:
    """The program of an older pip, for any interpreter."""
    target = tmp_path_factory.mktemp("pip") / "old"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", target, "pip==24.0"]
    run([sys.executable, *install], cwd=target.parent).ok()
    return target / "pip"


def pip(where: Installed, what: str, *args: str | Path) -> list[str | Path]:
    """Return a command of pip, for an environment, that builds without isolation."""
    return [where.python, pip_program(), what, "--no-build-isolation", "--no-deps", *args]


def install_twice(shop: Warm, where: Installed, argv: list[str | Path], cwd: Path | None = None) -> dict[str, str]:
    """Install the old state, then the new one by the same command, and return what is installed."""
    shop.run(*argv, cwd=cwd).ok()
    assert where.state == OLD
    shop.becomes("new")
    shop.run(*argv, cwd=cwd).ok()
    return where.state


def commit(shop: Warm) -> str:
    """Put the project under git, which ignores the state, and return how an installer names the commit."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for args in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        run([*git, *args], cwd=shop.project).ok()
    return f"shop @ git+{shop.project.as_uri()}@{run(['git', 'rev-parse', 'HEAD'], cwd=shop.project).ok().out.strip()}"


def test_the_installers(tmp_path):
    """What is tested are the installers that are named, not those that happen to be there."""
    ours = run([sys.executable, pip_program(), "--version"], cwd=tmp_path).ok().out.split()
    theirs = run([uv_program(), "--version"], cwd=tmp_path).ok().out.split()
    wanted = [line for line in WANTED.read_text().splitlines() if not line.startswith("#")]
    assert [f"{name}=={version}" for name, version in (ours[:2], theirs[:2])] == wanted


def test_uv_sync_without_cache_keys(shop):
    """A trap: ``uv sync --no-editable`` installs the old state, which a check says before."""
    where = shop.environment("shop/.venv")
    sync = uv("sync", "--no-editable")
    assert install_twice(shop, where, sync, shop.project) == OLD
    checked = statebake("check", cwd=shop.project).ok()
    assert "warning[SB336]: uv does not notice new state" in checked.err
    assert "at pyproject.toml\n" in checked.err
    assert f'cache-keys = [{{ file = "pyproject.toml" }}, {{ dir = "src" }}, {{ file = "{ENTRY}" }}]' in checked.err
    shop.run(*sync, "--reinstall-package", "shop", cwd=shop.project).ok()
    assert where.state == NEW


def test_uv_sync_with_cache_keys(tmp_path):
    """Closed by ``cache-keys``: a refresh, and the removal of a key, are installed; nothing else is built anew."""
    shop = Warm.make(tmp_path, KEYS)
    shop.becomes("old")
    where = shop.environment("shop/.venv")
    sync = uv("sync", "--no-editable")
    assert install_twice(shop, where, sync, shop.project) == NEW
    assert "SB336" not in statebake("check", cwd=shop.project).ok().err
    assert "shop" not in shop.run(*sync, cwd=shop.project).ok().err
    (shop.project / "src/shop/defs/still/defs.yaml").unlink()
    statebake("gc", cwd=shop.project).ok()  # another key's files are the newest
    shop.run(*sync, cwd=shop.project).ok()
    assert where.state == {"moving": "new"}


def test_uv_pip_install_of_a_directory(shop):
    """No trap: a directory on the command line is built each time."""
    where = shop.environment("env")
    install = uv("pip install", "--python", where.python, shop.project)
    assert install_twice(shop, where, install) == NEW


@pytest.mark.parametrize(("settings", "state"), [("", OLD), (KEYS, NEW)], ids=["trap", "closed"])
def test_uv_pip_install_of_a_requirement(tmp_path, settings, state):
    """A trap: a directory in a requirements file is as in ``uv sync``; closed by ``cache-keys``."""
    shop = Warm.make(tmp_path, settings)
    shop.becomes("old")
    where = shop.environment("env")
    (tmp_path / "requirements.txt").write_text(f"shop @ {shop.project.as_uri()}\n")
    install = uv("pip install", "--python", where.python, "-r", tmp_path / "requirements.txt")
    assert install_twice(shop, where, install) == state


def test_uv_build(shop):
    """No trap: ``uv build`` builds each time, and isolated by default."""
    out = shop.root / "out"
    build = uv("build", "--wheel", "--python", shop.environment("env").python, "--out-dir", out, shop.project)
    shop.run(*build).ok()
    assert state_of(only_wheel_in(out)) == OLD
    shop.becomes("new")
    shop.run(*build).ok()
    assert state_of(only_wheel_in(out)) == NEW


def only_wheel_in(out: Path) -> Path:
    [found] = out.glob("*.whl")
    return found


def test_pip_and_a_directory(shop):
    """No trap: ``pip install`` and ``pip wheel`` build a directory each time."""
    where = shop.environment("env")
    wheel = pip(where, "wheel", "-w", shop.root / "out", shop.project)
    shop.run(*wheel).ok()
    assert state_of(only_wheel_in(shop.root / "out")) == OLD
    assert install_twice(shop, where, pip(where, "install", shop.project)) == NEW
    shop.run(*wheel).ok()
    assert state_of(only_wheel_in(shop.root / "out")) == NEW


@pytest.mark.parametrize("version", ["newer", "older"])
def test_pip_and_a_wheel_over_an_installed_one(shell, packed, request, version):
    """A trap: pip keeps what is installed where a wheel has the same version; ``--force-reinstall`` closes it."""
    where = shell.environment("env")
    install = pip(where, "install", packed(shell, "build_wheel", "old"))
    if version == "older":
        install[1] = request.getfixturevalue("older_pip")
    shell.run(*install).ok()
    packed(shell, "build_wheel", "new")
    assert "already installed with the same version as the provided wheel" in shell.run(*install).ok().out
    assert where.state == OLD
    shell.run(*install, "--force-reinstall").ok()
    assert where.state == NEW


def test_uv_and_a_wheel_over_an_installed_one(shell, packed):
    """No trap: uv installs a wheel whose file has changed, and a source distribution as well."""
    where = shell.environment("env")
    for hook in ("build_wheel", "build_sdist"):
        for text, state in (("old", OLD), ("new", NEW)):
            shell.run(*uv("pip install", "--python", where.python, packed(shell, hook, text))).ok()
            assert where.state == state


def test_pip_and_a_source_distribution(shell, packed):
    """A trap where a requirement names it: pip's cache goes by the path; a hash in the address closes it."""
    where = shell.environment("env")
    sdist = packed(shell, "build_sdist", "old")
    named = pip(where, "install", f"shop @ {sdist.as_uri()}")
    shell.run(*named).ok()
    packed(shell, "build_sdist", "new")
    shell.run(*named).ok()
    assert where.state == OLD
    hashed = hashlib.sha256(sdist.read_bytes()).hexdigest()
    shell.run(*pip(where, "install", f"shop @ {sdist.as_uri()}#sha256={hashed}")).ok()
    assert where.state == NEW


def test_a_directory_of_wheels(shell, packed):
    """A trap: uv takes a wheel from a ``--find-links`` directory to be the same while its name is; pip does not."""
    found = {}
    for text in ("old", "new"):
        packed(shell, "build_wheel", text)
        source = ["--no-index", "--find-links", shell.root / "dist", "shop"]
        ours = shell.environment(f"uv-{text}")
        shell.run(*uv("pip install", "--python", ours.python, *source)).ok()
        theirs = shell.environment(f"pip-{text}")
        shell.run(theirs.python, pip_program(), "install", *source).ok()
        found[text] = (ours.state, theirs.state)
    assert found == {"old": (OLD, OLD), "new": (OLD, NEW)}


def test_git_without_the_state(shop):
    """No trap: git has no state, so the check fails the build of a commit, whatever the caches have."""
    requirement = commit(shop)
    where = shop.environment("env")
    for install in (pip(where, "install", requirement), uv("pip install", "--python", where.python, requirement)):
        result = shop.run(*install)
        assert result.code != 0
        told = " ".join((result.out + result.err).split())  # uv breaks lines where it likes
        assert "error[SB301]: Text[moving]: No state: " in told, told
        assert where.state == {}


def test_git_with_a_refresh_in_the_build(tmp_path):
    """A trap: a build of a commit that fetches is cached by the commit; closed by not using the cache."""
    shop = Warm.make(tmp_path)
    requirement = commit(shop)
    text = shop.root / "moving.txt"
    ours, theirs = shop.environment("uv"), shop.environment("pip")
    commands = {
        ours: (uv("pip install", "--python", ours.python, "--reinstall", requirement), "--no-cache"),
        theirs: (
            [theirs.python, pip_program(), "install", "--no-build-isolation", "--force-reinstall", requirement],
            "--no-cache-dir",
        ),
    }
    for where, (install, without_cache) in commands.items():
        for content in ("old", "new"):
            text.write_text(content)
            shop.run(*install, env={"STATEBAKE_ON_BUILD": "refresh"}).ok()
            assert where.state == OLD
        shop.run(*install, without_cache, env={"STATEBAKE_ON_BUILD": "refresh"}).ok()
        assert where.state == NEW


def test_wheels_with_a_version_of_their_own(shell):
    """Closed by ``version_from_state``: pip installs such a wheel over an older one, and a directory keeps both."""
    source = Warm.make(shell.root / "source", "version_from_state = true\n")
    where = shell.environment("env")
    dist = shell.root / "dist"
    dist.mkdir()
    for text, state in (("old", OLD), ("new", NEW)):
        source.becomes(text)
        out = shell.root / text
        build_wheel(source.project, out).ok()
        wheel = Path(shutil.copy(only_wheel(out), dist))
        shell.run(*pip(where, "install", wheel)).ok()
        assert where.state == state
        version = wheel.name.split("-")[1]
        fresh = shell.environment(f"uv-{text}")
        found = ["--no-index", "--find-links", dist, f"shop=={version}"]
        shell.run(*uv("pip install", "--python", fresh.python, *found)).ok()
        assert fresh.state == state
    assert len(list(dist.iterdir())) == 2


def test_uv_sync_with_a_version_of_its_own(tmp_path):
    """``uv sync`` takes such a version, though its lock has the plain one; it installs it each time, from its cache."""
    shop = Warm.make(tmp_path, f"version_from_state = true\n{KEYS}")
    shop.becomes("old")
    where = shop.environment("shop/.venv")
    sync = uv("sync", "--no-editable")
    assert install_twice(shop, where, sync, shop.project) == NEW
    again = shop.run(*sync, "--locked", cwd=shop.project).ok().err
    assert "~ shop==1+state." in again
    assert "Built shop" not in again
    assert [path.name.startswith("shop-1+state.") for path in where.site.glob("shop-*.dist-info")] == [True]


def test_pex(builder, shop):
    """No trap: ``pex .`` builds each time, a bake takes the state that is there, and every PEX runs with its own."""
    programs = Path(sys.executable).parent
    needed = [option for name in ("statebake", "flit-core") for option in ("--extra-pip-requirement", name)]
    local = ["--find-links", builder.wheels, "--no-build-isolation", *needed]
    env = {**CACHE_ENV, "PIP_NO_INDEX": None}

    def make(name: str, *argv: str | Path) -> Path:
        shop.run(programs / argv[0], *argv[1:], "--output", shop.root / name, cwd=shop.project, env=env).ok()
        return shop.root / name

    for text, state in (("old", OLD), ("new", NEW)):
        shop.becomes(text)
        assert state_of(make(f"{text}.pex", "pex", ".", *local)) == state
        baked = make(f"baked-{text}.pex", "statebake", "bake", "pex", "--no-refresh")
        assert shop.run(sys.executable, baked).ok().out == f"still\n{text}\n"
