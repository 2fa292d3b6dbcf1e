"""Projects that are built by frontends, each in an environment of its own that has this very statebake."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.cli import Result, run, statebake
from support.installed import UV, build, copy_repository
from support.native import component, documents, native_project, state_dir

EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}
BACKENDS = {
    "hatchling": ("hatchling", "hatchling.build"),
    "setuptools": ("setuptools", "setuptools.build_meta"),
    "uv_build": ("uv_build", "uv_build"),
    "poetry-core": ("poetry-core", "poetry.core.masonry.api"),
    "pdm-backend": ("pdm-backend", "pdm.backend"),
    "flit-core": ("flit-core", "flit_core.buildapi"),
}
FRONTENDS = ("build", "uv", "pip")
TREE = """(state_path / ".config").mkdir(parents=True); (state_path / ".config" / "x").write_text("hidden");\
 (state_path / "target").mkdir(); (state_path / "target" / "a.py").write_text("1"); (state_path / "empty").touch()"""


def statebake_wheel(root: Path) -> Path:
    """Build statebake's wheel below ``root`` and return its directory, in which pip and uv look for it."""
    build("wheel", copy_repository(root / "clone"), root / "wheels")
    return root / "wheels"


@dataclass(frozen=True)
class Builder:
    """The frontends, who find statebake's wheel in ``wheels``."""

    wheels: Path

    def env(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
        """Return what the environment of a build has besides."""
        links = filter(None, [os.environ.get("PIP_FIND_LINKS"), str(self.wheels)])
        found = {"PIP_FIND_LINKS": " ".join(links), "UV_FIND_LINKS": str(self.wheels), **EPOCH}
        found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**found, **(extra or {})}

    def run(
        self, frontend: str, project: Path, out: Path, *options: str, env: Mapping[str, str | None] | None = None
    ) -> Result:
        """Have a frontend build a wheel into ``out``: ``build`` by way of a source distribution, the others directly."""
        argv: dict[str, list[str | Path]] = {
            "build": [sys.executable, "-m", "build", "--installer", "uv", "--outdir", out, *options, project],
            "uv": [UV, "build", "--wheel", "--python", sys.executable, "--out-dir", out, *options, project],
            "pip": [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, *options, project],
        }
        return run(argv[frontend], cwd=project.parent, env=self.env(env))

    def wheel(self, frontend: str, project: Path, out: Path, *options: str, env: Mapping[str, str | None] | None = None):
        """Return the wheel that a frontend builds."""
        self.run(frontend, project, out, *options, env=env).ok()
        [found] = out.glob("*.whl")
        return found


def wrapped_project(
    root: Path, backend: str = "hatchling", *, settings: str = "", files: Mapping[str, str] | None = None
) -> Path:
    """Write a refreshed native project whose backend is wrapped."""
    requirement, module = BACKENDS[backend]
    pyproject = f"""
        [build-system]
        requires = ["statebake", "{requirement}"]
        build-backend = "statebake.backend"

        [project]
        name = "shop"
        version = "1"
        description = "A shop."
        dependencies = ["statebake"]

        [tool.statebake]
        build-backend = "{module}"
    """
    project = native_project(
        root,
        documents(component("one"), component("tree", text=TREE).replace("components.Text", "components.Code")),
        {"pyproject.toml": pyproject, "src/shop/defs/more/component.yaml": component("three"), **(files or {})},
    )
    path = project / "pyproject.toml"
    path.write_text(path.read_text() + settings)
    statebake("refresh", cwd=project).ok()
    return project


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(set(names)) == len(names)
        return {name: archive.read(name) for name in names if not name.endswith("/")}


def check_record(wheel: Path) -> None:
    """Assert that ``RECORD`` lists every file once, with its digest and size."""
    files = contents(wheel)
    [record] = [name for name in files if name.endswith(".dist-info/RECORD")]
    rows = [row for row in csv.reader(io.StringIO(files[record].decode())) if row]
    assert sorted(row[0] for row in rows) == sorted(files)
    for path, digest, size in rows:
        if path == record:
            assert (digest, size) == ("", "")
            continue
        hashed = base64.urlsafe_b64encode(hashlib.sha256(files[path]).digest()).rstrip(b"=").decode()
        assert (path, digest, size) == (path, f"sha256={hashed}", str(len(files[path])))


def load(wheel: Path, target: Path, package: str = "shop") -> str:
    """Install a wheel alone, and return what its program prints with no source tree at hand."""
    run([UV, "pip", "install", "--quiet", "--no-deps", "--target", target, wheel], cwd=target.parent).ok()
    return run([sys.executable, "-m", package], cwd=target).ok().out


def expected_state(project: Path) -> dict[str, bytes]:
    """Return what a wheel has of the state, but for the records and the manifest."""
    directory = state_dir(project)
    return {
        f"shop/defs/.local_defs_state/{path.relative_to(directory).as_posix()}": path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and ".staging" not in path.parts and path.name != ".statebake.json"
    }


def copy_project(project: Path, target: Path) -> Path:
    """Copy a project with its state, without what builds left in it."""
    left_out = shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__")
    return Path(shutil.copytree(project, target, symlinks=True, ignore=left_out))
