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
TREE = """
    from pathlib import Path

    from statebake import ComponentLoadContext

    from shop.components import Text


    class Tree(Text):
        '''Has a directory as its state, with what backends like to leave out.'''

        def write_state_to_path(self, state_path: Path) -> None:
            for name in (".config/x", "target/a.py", "build/b", "empty"):
                (state_path / name).parent.mkdir(parents=True, exist_ok=True)
                (state_path / name).write_text("" if name == "empty" else name)

        def build_defs_from_state(self, context: ComponentLoadContext, state_path: Path) -> str:
            files = (path for path in state_path.rglob("*") if path.is_file())
            return " ".join(sorted(path.relative_to(state_path).as_posix() for path in files))
"""
PRINTED = "three\none\n.config/x build/b empty target/a.py\n"
"""What the program of such a project prints."""


def local_wheels(root: Path) -> Path:
    """Gather the wheels of statebake, of the backends, and of all that they require, in a directory below ``root``."""
    made = build("wheel", copy_repository(root / "clone"), root / "wheels")
    names = [requirement for requirement, _ in BACKENDS.values()]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", made.parent]
    run([*download, made, *names], cwd=root).ok()
    return made.parent


@dataclass(frozen=True)
class Builder:
    """The frontends, whose environments are made of what is in ``wheels``, and of nothing else."""

    wheels: Path

    def env(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
        """Return what the environment of a build has besides."""
        found: dict[str, str | None] = {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", **EPOCH}
        found |= {"PIP_FIND_LINKS": str(self.wheels), "UV_FIND_LINKS": str(self.wheels)}
        found["UV_CACHE_DIR"] = str(self.wheels.parent / "uv-cache")  # uv takes a wheel of last week for this very one
        found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**found, **(extra or {})}

    def run(
        self, frontend: str, project: Path, out: Path, *options: str, env: Mapping[str, str | None] | None = None
    ) -> Result:
        """Have a frontend build a wheel into ``out``: ``build``, ``uv by sdist`` by way of an sdist, the rest not."""
        argv: dict[str, list[str | Path]] = {
            "build": [sys.executable, "-m", "build", "--installer", "uv", "--outdir", out, *options, project],
            "uv": [UV, "build", "--wheel", "--python", sys.executable, "--out-dir", out, *options, project],
            "uv by sdist": [UV, "build", "--python", sys.executable, "--out-dir", out, *options, project],
            "pip": [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, *options, project],
        }
        return run(argv[frontend], cwd=project.parent, env=self.env(env))

    def wheel(
        self, frontend: str, project: Path, out: Path, *options: str, env: Mapping[str, str | None] | None = None
    ):
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
        documents(component("one"), component("tree").replace("components.Text", "tree.Tree")),
        {
            "pyproject.toml": pyproject,
            "src/shop/tree.py": TREE,
            "src/shop/defs/more/defs.yaml": component("three"),
            "src/shop/defs/older/component.yaml": "# Dagster's earlier name",
            **(files or {}),
        },
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
