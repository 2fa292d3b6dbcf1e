"""``version_from_state``: a wheel whose version tells which state it has, as a whole."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from statebake.pipeline.inspecting import read_artifact
from support.builds import PRINTED, check_record, contents, load, wrapped_project
from support.cli import run
from support.hooks import build_sdist, build_wheel, call_hook, only_wheel
from support.installed import UV, unpack
from support.trees import write_tree

MANIFEST = "shop/defs/.local_defs_state/statebake-manifest.json"
SETTING = "version_from_state = true\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A refreshed project with the setting; whoever changes it takes a copy."""
    return wrapped_project(tmp_path_factory.mktemp("version") / "shop", settings=SETTING)


def version_of(wheel: Path, plain: str = "1") -> str:
    """Assert that all of a wheel agrees on its version, which is that of its state, and return it."""
    check_record(wheel)
    files = contents(wheel)
    manifest = next(data for name, data in files.items() if name.endswith(MANIFEST))
    lines = sorted(f"{record['digest']}  {record['key']}\n" for record in json.loads(manifest)["keys"])
    digits = hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
    label = str(int(digits)) if digits.isdecimal() else digits
    version = f"{plain}{'.' if '+' in plain else '+'}state.{label}"
    assert wheel.name.split("-")[:2] == ["shop", version]
    tops = {name.partition("/")[0] for name in files}
    assert {top for top in tops if top.endswith((".dist-info", ".data"))} <= {
        f"shop-{version}.dist-info",
        f"shop-{version}.data",
    }
    headers = files[f"shop-{version}.dist-info/METADATA"].decode().partition("\n\n")[0].splitlines()
    assert [line for line in headers if line.startswith("Version:")] == [f"Version: {version}"]
    [artifact] = read_artifact(str(wheel), {})
    assert [artifact.error(found) for found in artifact.states] == [None]
    return version


def test_the_whole_wheel(project, tmp_path):
    """All names, METADATA and RECORD agree, and the wheel loads; by way of an sdist it is the same, to the byte."""
    build_wheel(project, tmp_path / "wheel").ok()
    wheel = only_wheel(tmp_path / "wheel")
    version = version_of(wheel)
    assert load(wheel, tmp_path / "installed") == PRINTED
    assert (tmp_path / f"installed/shop-{version}.dist-info").is_dir()
    build_sdist(project, tmp_path / "sdist").ok()
    sdist = only_wheel(tmp_path / "sdist")
    assert sdist.name == f"shop-{version}.tar.gz"
    unpacked = unpack(sdist, tmp_path / "unpacked")
    assert unpacked.name == f"shop-{version}"
    assert f"\nVersion: {version}\n" in (unpacked / "PKG-INFO").read_text()
    build_wheel(unpacked, tmp_path / "again").ok()
    again = only_wheel(tmp_path / "again")
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())
    build_sdist(unpacked, tmp_path / "sdist-again").ok()
    assert only_wheel(tmp_path / "sdist-again").name == sdist.name


def test_everything_else_is_untouched(project, tmp_path):
    """But for the version, it is the wheel that is built without the setting."""
    build_wheel(project, tmp_path / "with").ok()
    build_wheel(project, tmp_path / "plain", {"statebake.version_from_state": "false"}).ok()
    with_version, plain = contents(only_wheel(tmp_path / "with")), contents(only_wheel(tmp_path / "plain"))
    label = version_of(only_wheel(tmp_path / "with"))[1:]
    assert only_wheel(tmp_path / "plain").name.startswith("shop-1-")
    renamed = {name.replace("shop-1.dist-info", f"shop-1{label}.dist-info"): data for name, data in plain.items()}
    assert list(renamed) == list(with_version)
    different = {name.rpartition("/")[2] for name, data in renamed.items() if data != with_version[name]}
    assert different == {"METADATA", "RECORD"}


def test_metadata_before_the_wheel(project, tmp_path):
    """Metadata are offered before the wheel only where a config setting asks for the version, and are the wheel's."""
    asked = call_hook(project, "prepare_metadata_for_build_wheel", str(tmp_path))
    assert "AttributeError" in asked.err
    own = Path(shutil.copytree(project, tmp_path / "shop", symlinks=True))
    path = own / "pyproject.toml"
    path.write_text(path.read_text().replace(SETTING, ""))
    settings = {"statebake.version_from_state": "true"}
    (tmp_path / "metadata").mkdir()
    call_hook(own, "prepare_metadata_for_build_wheel", str(tmp_path / "metadata"), settings).ok()
    [prepared] = (tmp_path / "metadata").iterdir()
    named = {"metadata_directory": str(prepared)}
    (tmp_path / "wheel").mkdir()
    call_hook(own, "build_wheel", str(tmp_path / "wheel"), settings, named=named).ok()
    wheel = only_wheel(tmp_path / "wheel")
    assert prepared.name == f"shop-{version_of(wheel)}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name.startswith(prepared.name)}
    assert found == {f"{prepared.name}/{path.name}": path.read_bytes() for path in prepared.iterdir()}


def test_a_local_version_and_other_schemes(tmp_path):
    """A version that is local already gets the label as well, and so does the directory of other schemes."""
    project = wrapped_project(tmp_path / "shop", "setuptools", settings=SETTING, files={"bin/tool": "#!python\n"})
    path = project / "pyproject.toml"
    text = path.read_text().replace('version = "1"', 'version = "1.0+ubuntu.1"')
    path.write_text(f'{text}\n[tool.setuptools]\nscript-files = ["bin/tool"]\n')
    build_wheel(project, tmp_path / "wheel").ok()
    version = version_of(only_wheel(tmp_path / "wheel"), "1.0+ubuntu.1")
    assert f"shop-{version}.data/scripts/tool" in contents(only_wheel(tmp_path / "wheel"))
    assert load(only_wheel(tmp_path / "wheel"), tmp_path / "installed") == PRINTED


def test_where_it_does_not_count(tmp_path):
    """Where no state is put in, the version is the plain one; a hook of hatchling, which cannot change it, says so."""
    project = wrapped_project(tmp_path / "shop", settings=SETTING)
    build_wheel(project, tmp_path / "off", {"statebake.on_build": "off"}).ok()
    assert only_wheel(tmp_path / "off").name.startswith("shop-1-")
    path = project / "pyproject.toml"
    text = path.read_text().replace("statebake.backend", "hatchling.build")
    path.write_text(f"{text}\n[tool.hatch.build.hooks.statebake]\n")
    code = "import hatchling.build as b; print(b.build_wheel('.'))"
    result = run([sys.executable, "-c", code], cwd=project)
    assert result.code == 2
    assert "error[SB103]: version_from_state is set, but a build hook of hatchling cannot change" in result.err
    assert list(project.glob("*.whl")) == []


@pytest.mark.needs("uv")
@pytest.mark.parametrize("frontend", ["build", "pip", "uv by sdist"])
def test_frontends(builder, tmp_path, frontend):
    """Frontends take such a wheel, isolated: by way of an sdist, and where only a config setting asks for it."""
    project = wrapped_project(tmp_path / "shop", "flit-core", settings="" if frontend == "pip" else SETTING)
    options = ["-C", "statebake.version_from_state=true"] if frontend == "pip" else []
    version_of(builder.wheel(frontend, project, tmp_path / "out", *options))


@pytest.mark.needs("uv")
def test_from_an_index(builder, tmp_path):
    """Installers take the sdist from an index, also where only a config setting asked for its version, and install that
    version, whether the backend takes the plain one from the project or from ``PKG-INFO``.
    """
    project = wrapped_project(tmp_path / "shop", "setuptools")
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('version = "1"', 'dynamic = ["version"]'))
    setup = """
        from pathlib import Path
        from setuptools import setup
        found = Path("PKG-INFO")
        lines = found.read_text().splitlines() if found.exists() else ["Version: 1"]
        setup(version=next(line for line in lines if line.startswith("Version: "))[9:])
    """
    write_tree(project, {"setup.py": setup})
    build_sdist(project, tmp_path / "dist", {"statebake.version_from_state": "true"}).ok()
    version = only_wheel(tmp_path / "dist").name.removeprefix("shop-").removesuffix(".tar.gz")
    assert version.startswith("1+state.")
    links = ["--find-links", builder.wheels, "--find-links", tmp_path / "dist"]
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-compile"]
    for name, installer in (("pip", pip), ("uv", [UV, "pip", "install", "--no-cache"])):
        target = tmp_path / name
        run([*installer, "--no-deps", *links, "--target", target, "shop"], cwd=tmp_path, env=builder.env()).ok()
        assert (target / f"shop-{version}.dist-info").is_dir()
        assert run([sys.executable, "-m", "shop"], cwd=target).ok().out == PRINTED
