"""The build hook of hatchling: what the backend does, for projects that stay with hatchling."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from support.builds import PRINTED, check_record, contents, expected_state, load, wrapped_project
from support.cli import run, statebake
from support.hooks import EPOCH, build_sdist, build_wheel, only_wheel
from support.installed import UV, unpack
from support.native import state_dir

STATE = "shop/defs/.local_defs_state"
HOOK = "\n[tool.hatch.build.hooks.statebake]\n"


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory) -> Path:
    """A refreshed project that is wrapped, to be copied."""
    return wrapped_project(tmp_path_factory.mktemp("refreshed") / "shop", "hatchling")


@pytest.fixture
def project(refreshed, tmp_path) -> Path:
    """The same project with the hook in place of the backend."""
    copy = Path(shutil.copytree(refreshed, tmp_path / "shop"))
    path = copy / "pyproject.toml"
    text = path.read_text().partition("[tool.statebake]")[0]
    path.write_text(f"{text.replace('statebake.backend', 'hatchling.build')}{HOOK}")
    return copy


def hatch(project: Path, hook: str, out: Path, env=None):
    """Call one of hatchling's hooks."""
    out.mkdir(exist_ok=True)
    code = f"import hatchling.build as b; print(b.{hook}({str(out)!r}))"
    return run([sys.executable, "-c", code], cwd=project, env={**EPOCH, **(env or {})})


def set_option(project: Path, line: str) -> None:
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace(HOOK, f"{HOOK}{line}\n"))


@pytest.mark.needs("uv")
def test_isolated(builder, project, tmp_path):
    """An isolated build finds the hook: the state is in the wheel, by way of an sdist as well, and it loads."""
    wheel = builder.wheel("build", project, tmp_path / "out")
    check_record(wheel)
    assert expected_state(project).items() <= contents(wheel).items()
    assert load(wheel, tmp_path / "installed") == PRINTED


def test_as_the_backend_does(refreshed, project, tmp_path):
    """The hook gives the wheel that the backend gives, to the byte, and the same files of an sdist."""
    hatch(project, "build_wheel", tmp_path / "wheel").ok()
    hatch(project, "build_sdist", tmp_path / "sdist").ok()
    build_wheel(refreshed, tmp_path / "wrapped").ok()
    build_sdist(refreshed, tmp_path / "wrapped-sdist").ok()
    assert only_wheel(tmp_path / "wheel").read_bytes() == only_wheel(tmp_path / "wrapped").read_bytes()
    one = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "one")
    other = unpack(only_wheel(tmp_path / "wrapped-sdist"), tmp_path / "other")
    names = [{path.relative_to(top).as_posix() for path in top.rglob("*")} for top in (one, other)]
    assert names[0] == names[1]


@pytest.mark.parametrize("rule", ["*/state\nstate/\n.local*", "*.yaml", "target/"])
def test_ignored_by_git(project, tmp_path, rule):
    """What rules of ``.gitignore`` keep out is in nevertheless."""
    (project / ".gitignore").write_text(f"{rule}\n")
    hatch(project, "build_wheel", tmp_path / "out").ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    files = contents(wheel)
    assert expected_state(project).items() <= files.items()
    assert "shop/defs/things/defs.yaml" in files


def test_no_longer_state(project, tmp_path):
    """State that no component uses, which hatchling takes by itself, is taken out again."""
    (project / "src/shop/defs/more/defs.yaml").unlink()
    hatch(project, "build_wheel", tmp_path / "out").ok()
    wheel = only_wheel(tmp_path / "out")
    check_record(wheel)
    directories = {name.split("/")[3] for name in contents(wheel) if name.startswith(f"{STATE}/")}
    assert directories == {".gitignore", "Text__one__", "Text__tree__", "statebake-manifest.json"}


def test_a_failed_check(project, tmp_path):
    """A check that fails ends the build with its finding and exit code, and leaves nothing."""
    shutil.rmtree(state_dir(project) / "Text__one__")
    for hook in ("build_wheel", "build_sdist"):
        result = hatch(project, hook, tmp_path / "out")
        assert result.code == 3
        assert "error[SB301]: Text[one]: No state: " in result.err
        assert "Traceback" not in result.err
        assert list((tmp_path / "out").iterdir()) == []


def test_a_package_that_is_not_there(project, tmp_path):
    """A wheel without the code itself is refused, and does not stay behind."""
    path = project / "pyproject.toml"
    path.write_text(f'{path.read_text()}\n[tool.hatch.build.targets.wheel]\nexclude = ["*.py"]\n')
    result = hatch(project, "build_wheel", tmp_path / "out")
    assert result.code == 3
    assert "error[SB321]: The package shop.defs itself is not in the wheel that hatchling made." in result.err
    assert list((tmp_path / "out").iterdir()) == []


def test_options(project, tmp_path):
    """``on_build`` is an option of the hook; the variable is stronger."""
    set_option(project, 'on_build = "refresh"')
    assert "refreshing 3 keys" in hatch(project, "build_wheel", tmp_path / "refresh").ok().err
    off = hatch(project, "build_wheel", tmp_path / "off", env={"STATEBAKE_ON_BUILD": "off"}).ok()
    assert "statebake" not in off.err
    assert f"{STATE}/statebake-manifest.json" not in contents(only_wheel(tmp_path / "off"))


def test_caches(project):
    """Where the hook's own option is ``off``, no cache of uv needs to notice state; the variable is stronger."""
    (project / "uv.lock").touch()
    assert "SB336" in statebake("check", cwd=project).ok().err
    set_option(project, 'on-build = "off"')
    assert "SB336" not in statebake("check", cwd=project).ok().err
    assert "SB336" in statebake("check", cwd=project, env={"STATEBAKE_ON_BUILD": "check"}).ok().err


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('on_build = "always"', "SB103", "on_build is 'always'; expected: `refresh`, `check` or `off`"),
        ("on-build = 1", "SB103", "on_build is 1"),
        ("jobs = 3", "SB102", "jobs is no option of the hook"),
    ],
)
def test_bad_options(project, tmp_path, line, code, message):
    """An option that cannot be is refused with its table."""
    set_option(project, line)
    result = hatch(project, "build_wheel", tmp_path / "out")
    assert result.code == 2
    assert f"error[{code}]: {message}" in result.err
    assert "at [tool.hatch.build.hooks.statebake]" in result.err
    assert "Traceback" not in result.err


@pytest.mark.needs("uv")
def test_editable(builder, project, tmp_path):
    """An editable build is left alone: the state is read where it is."""
    shutil.rmtree(state_dir(project))
    run([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], cwd=tmp_path).ok()
    install = [UV, "pip", "install", "--no-deps", "--python", tmp_path / "venv/bin/python", "--editable", project]
    run(install, cwd=tmp_path, env=builder.env()).ok()
    assert not state_dir(project).exists()


def test_inside_the_backend(project, tmp_path):
    """The hook and the backend do not stand in each other's way."""
    path = project / "pyproject.toml"
    text = path.read_text().replace('"hatchling.build"', '"statebake.backend"')
    path.write_text(f'{text}\n[tool.statebake]\nbuild-backend = "hatchling.build"\n')
    build_wheel(project, tmp_path / "both").ok()
    check_record(only_wheel(tmp_path / "both"))
    assert expected_state(project).items() <= contents(only_wheel(tmp_path / "both")).items()
