"""statebake built and installed in every way that its users have, each into an environment of its own."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from support.cli import Result, run
from support.dagster import REPO

UV = Path(sys.executable).parent / "uv"
FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "Dockerfile.template")
TREES = ("src", "templates", "examples", "tests")


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has something installed."""

    directory: Path

    @classmethod
    def make(cls, directory: Path, *requirements: str | Path) -> Environment:
        """Make an environment with ``requirements`` and all that they need."""
        run([UV, "venv", "--quiet", "--python", sys.executable, directory], cwd=directory.parent).ok()
        made = cls(directory)
        install = [UV, "pip", "install", "--quiet", "--python", made.python]
        run([*install, *requirements], cwd=directory.parent).ok()
        return made

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    def run(self, *argv: str | Path, **options: object) -> Result:
        """Run one of its programs in its own directory, isolated from this repository."""
        return run([self.directory / "bin" / argv[0], *argv[1:]], cwd=self.directory, **options)  # type: ignore[arg-type]

    def ask(self, code: str) -> object:
        """Return the value that Python code there has left in ``answer``, by way of JSON."""
        script = f"import json\n{code}\nprint(json.dumps(answer))"
        return json.loads(self.run("python", "-I", "-c", script).ok().out)


def copy_repository(target: Path) -> Path:
    """Copy what a clone has, links as links, so that a build cannot touch the work tree or find its caches."""
    target.mkdir(parents=True)
    for name in FILES:
        if (REPO / name).exists():
            shutil.copy2(REPO / name, target / name)
    left_out = shutil.ignore_patterns("__pycache__", ".local_defs_state", ".venv", "dist", "*.egg-info")
    for name in TREES:
        shutil.copytree(REPO / name, target / name, symlinks=True, ignore=left_out)
    return target


def build(what: str, source: Path, out: Path) -> Path:
    """Run ``python -m build --wheel`` or ``--sdist`` on ``source`` and return the one file that it made."""
    argv = [sys.executable, "-m", "build", "--no-isolation", f"--{what}", "--outdir", out, source]
    run(argv, cwd=out.parent).ok()
    [made] = out.iterdir()
    return made


def unpack(sdist: Path, target: Path) -> Path:
    """Unpack a source distribution and return its top directory."""
    with tarfile.open(sdist) as archive:
        archive.extractall(target, filter="data") if sys.version_info >= (3, 12) else archive.extractall(target)
    [top] = target.iterdir()
    return top
