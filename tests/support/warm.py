"""A project whose state changes from one installation to the next, and caches of its own that stay warm."""

from __future__ import annotations

import json
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.builds import EPOCH
from support.cli import Result, run, statebake
from support.installers import uv_program
from support.native import component, documents, native_project

PACKAGED_STATE = "shop/defs/.local_defs_state"
PYPROJECT = """
    [build-system]
    requires = ["statebake", "flit-core"]
    build-backend = "statebake.backend"

    [project]
    name = "shop"
    version = "1"
    description = "A shop."
    requires-python = ">=3.10"

    [tool.statebake]
    build-backend = "flit_core.buildapi"
"""


@dataclass(frozen=True)
class Installed:
    """An environment, and where its packages are."""

    directory: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def site(self) -> Path:
        """Its ``site-packages``."""
        [found] = self.directory.glob("lib/python*/site-packages")
        return found

    @property
    def state(self) -> dict[str, str]:
        """What is installed of the state, by the name of the component."""
        files = self.site.glob(f"{PACKAGED_STATE}/*/state")
        return {path.parent.name.removeprefix("Text__").removesuffix("__"): path.read_text() for path in files}


@dataclass(frozen=True)
class Warm:
    """A project that is wrapped by the backend, with two keys: ``still``, and ``moving``, whose text a test sets.

    It requires nothing, so that what is installed is the project alone.
    """

    root: Path

    @classmethod
    def make(cls, root: Path, settings: str = "") -> Warm:
        """Write it below ``root``; it is not refreshed yet."""
        moving = component("moving", source=str(root / "moving.txt"))
        files = {"src/shop/defs/still/defs.yaml": component("still"), "pyproject.toml": PYPROJECT}
        made = cls(root)
        path = native_project(made.project, documents(moving), files) / "pyproject.toml"
        path.write_text(f"{path.read_text()}{settings}")
        return made

    @property
    def project(self) -> Path:
        """Where it is."""
        return self.root / "shop"

    def env(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
        """Return what the environment of a tool has besides: caches of the test's own."""
        caches = {name: str(self.root / "caches" / name) for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "PEX_ROOT")}
        return {**EPOCH, **caches, "PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "UV_LINK_MODE": "copy", **(extra or {})}

    def run(self, *argv: str | Path, cwd: Path | None = None, env: Mapping[str, str | None] | None = None) -> Result:
        """Run a tool with the warm caches."""
        return run(argv, cwd=cwd or self.root, env=self.env(env))

    def becomes(self, text: str, *args: str) -> None:
        """Refresh, so that this is the state of ``moving``."""
        (self.root / "moving.txt").write_text(text)
        statebake("refresh", *args, cwd=self.project).ok()

    def environment(self, name: str) -> Installed:
        """Make an environment that can import what this one can, so that a build needs no isolation.

        No installer finds in it what is not its own.
        """
        run([uv_program(), "venv", "--quiet", "--python", sys.executable, self.root / name], cwd=self.root).ok()
        made = Installed(self.root / name)
        visible = json.dumps(sysconfig.get_path("purelib"))
        (made.site / "visible.pth").write_text(f"import site; site.addsitedir({visible})\n")
        return made


def state_of(wheel: Path) -> dict[str, str]:
    """Return the state in a wheel, or in another zip file, by the name of the component."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if f"{PACKAGED_STATE}/" in name and name.endswith("/state")]
        return {name.split("Text__")[1].partition("__/")[0]: archive.read(name).decode() for name in names}


def uv(what: str, *args: str | Path) -> list[str | Path]:
    """Return a command of uv that builds without isolation."""
    return [uv_program(), *what.split(), "--no-build-isolation", *args]
