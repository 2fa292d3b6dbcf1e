"""Dagster projects: the wheel has the configuration that Dagster looks for, and its code location loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.builds import BACKENDS, check_record, contents
from support.cli import run, statebake
from support.dagster import dagster_project, dagster_python
from support.hooks import build_sdist, build_wheel, only_wheel
from support.installed import UV, unpack
from support.trees import write_tree

DEFS = {"orders": "type: depot.components.text.Text\nattributes:\n  name: orders\n"}
LOAD = """
import dagster, importlib, sys
defs = importlib.import_module(f"{sys.argv[1]}.definitions").defs
print(*(key.to_user_string() for key in defs().resolve_all_asset_keys()))
"""


def wrapped(root: Path, backend: str, package: str = "depot") -> Path:
    """Write a refreshed Dagster project whose backend is wrapped; its ``.venv`` has Dagster.

    Another ``package`` than usual has an asset of its name.
    """
    requirement, module = BACKENDS[backend]
    project = dagster_project(root, DEFS)
    text = (project / "pyproject.toml").read_text()
    text = text.replace('requires = ["hatchling"]', f'requires = ["statebake", "{requirement}"]')
    text = text.replace('"hatchling.build"', '"statebake.backend"').replace(
        'version = "1"', 'version = "1"\ndescription = "It."'
    )
    (project / "pyproject.toml").write_text(f'{text}\n[tool.statebake]\nbuild-backend = "{module}"\n')
    if package != "depot":
        name = package.rpartition(".")[2]
        for path in [path for path in project.rglob("*") if path.is_file()]:
            text = path.read_text().replace('name = "depot"', f'name = "{name}"')
            text = text.replace("name: orders", f"name: {name}")
            path.write_text(text.replace("depot", package))
        place = project / "src" / package.replace(".", "/")
        place.parent.mkdir(exist_ok=True)
        (project / "src/depot").rename(place)
    (project / ".venv").symlink_to(dagster_python("1.13").parent.parent)
    statebake("refresh", cwd=project).ok()
    return project


def load(wheel: Path, target: Path) -> str:
    """Install a wheel alone, and load its definitions with a read-only state, as in an image."""
    install(target, wheel)
    return load_installed(target)


def install(target: Path, *wheels: Path) -> None:
    run([UV, "pip", "install", "--quiet", "--no-deps", "--target", target, *wheels], cwd=target.parent).ok()


def load_installed(target: Path, package: str = "depot") -> str:
    env = {"DAGSTER_DISABLE_TELEMETRY": "yes"}
    return run([dagster_python("1.13"), "-c", LOAD, package], cwd=target, env=env).ok().out


@pytest.mark.needs("dagster-1.13", "uv")
def test_isolated(builder, tmp_path):
    """Built in isolation, checked in the project's own interpreter, the wheel loads its assets by itself."""
    project = wrapped(tmp_path / "depot", "setuptools")
    result = builder.run("uv", project, tmp_path / "out").ok()
    assert "depot: 1 key has its state, checked with .venv/bin/python (project .venv)" in result.err
    [wheel] = (tmp_path / "out").glob("*.whl")
    check_record(wheel)
    files = contents(wheel)
    assert 'code_location_name" = "depot"' in files["depot/pyproject.toml"].decode()
    assert "depot/defs/.local_defs_state/.gitignore" in files
    assert load(wheel, tmp_path / "installed") == "orders\n"
    statebake("verify", wheel, cwd=project).ok()


@pytest.mark.needs("dagster-1.13", "uv")
def test_a_configuration_that_is_there(tmp_path):
    """A configuration that the backend puts in stays as it is."""
    project = wrapped(tmp_path / "depot", "hatchling")
    path = project / "pyproject.toml"
    include = '"pyproject.toml" = "pyproject.toml"'
    path.write_text(f"{path.read_text()}\n[tool.hatch.build.targets.wheel.force-include]\n{include}\n")
    build_wheel(project, tmp_path / "out").ok()
    assert contents(only_wheel(tmp_path / "out"))["pyproject.toml"] == path.read_bytes()
    path.write_text(path.read_text().replace(include, '"README.toml" = "depot/pyproject.toml"'))
    (project / "README.toml").write_text("[other]\n")
    build_wheel(project, tmp_path / "other").ok()
    files = contents(only_wheel(tmp_path / "other"))
    assert files["depot/pyproject.toml"] == b"[other]\n"
    assert b"[tool.dg.project]" in files["pyproject.toml"]
    check_record(only_wheel(tmp_path / "other"))
    assert load(only_wheel(tmp_path / "other"), tmp_path / "installed") == "orders\n"


@pytest.mark.needs("dagster-1.13", "uv")
def test_two_in_one_environment(tmp_path):
    """Projects that are installed together, also into one namespace, each load what is theirs; and where one has put
    its configuration at the top, the verification says which project it takes over.
    """
    packages = {"depot": "hatchling", "annex": "flit-core", "acme.shop": "setuptools"}
    wheels = []
    for package, backend in packages.items():
        project = wrapped(tmp_path / package, backend, package)
        build_wheel(project, project / "out").ok()
        wheels.append(only_wheel(project / "out"))
    assert b"[tool.dg.project]" in contents(wheels[2])["acme/shop/pyproject.toml"]
    target = tmp_path / "installed"
    install(target, *wheels)
    assert [load_installed(target, package) for package in packages] == ["orders\n", "annex\n", "shop\n"]
    shown = statebake("verify", target, cwd=tmp_path).ok().out
    assert "1 key compared with the manifest of depot/defs in the environment" in shown
    assert "1 key compared with the manifest of acme/shop/defs in the environment" in shown
    (target / "depot/pyproject.toml").rename(target / "pyproject.toml")
    (target / "annex/pyproject.toml").unlink()
    assert load_installed(target, "annex") == "orders\n"  # what the finding is about
    result = statebake("verify", target, cwd=tmp_path)
    assert (result.code, result.out.count("error[SB324]")) == (3, 1)
    message = "above annex/defs in the environment is that of another project: with pyproject.toml it loads depot"
    assert message in " ".join(result.out.split())


@pytest.mark.needs("dagster-1.13", "uv")
def test_dg_toml(tmp_path):
    """``dg.toml`` goes into the sdist; the wheel from there is the same, though its directory has another name."""
    project = wrapped(tmp_path / "depot", "setuptools")
    path = project / "pyproject.toml"
    head, _, rest = path.read_text().partition("[tool.dg]")
    path.write_text(head + "[tool.statebake]" + rest.partition("[tool.statebake]")[2])
    write_tree(project, {"dg.toml": 'directory_type = "project"\n[project]\nroot_module = "depot"\n'})
    build_sdist(project, tmp_path / "sdist").ok()
    source = unpack(only_wheel(tmp_path / "sdist"), tmp_path / "unpacked")
    assert (source / "dg.toml").read_text() == (project / "dg.toml").read_text()
    build_wheel(source, tmp_path / "wheel").ok()
    build_wheel(project, tmp_path / "direct").ok()
    [wheel, direct] = [contents(only_wheel(tmp_path / name)) for name in ("wheel", "direct")]
    assert wheel == direct
    assert 'code_location_name" = "depot"' in direct["depot/pyproject.toml"].decode()


@pytest.mark.needs("dagster-1.13", "uv")
def test_without_an_interpreter(tmp_path):
    """Checked by its files alone, declarations that no record names are a warning: many of Dagster's have no state."""
    project = wrapped(tmp_path / "depot", "setuptools")
    (project / ".venv").unlink()
    assert "SB312" not in build_wheel(project, tmp_path / "out").ok().err
    write_tree(project, {f"src/depot/defs/{name}/defs.yaml": "type: depot.Plain\n" for name in "dcba"})
    result = build_wheel(project, tmp_path / "more").ok()
    names = ", ".join(f"src/depot/defs/{name}/defs.yaml" for name in "abc")
    assert f"warning[SB312]: No record knows what {names} and 1 more declare" in result.err
    assert "1 key has its state, checked by its files alone" in result.err
