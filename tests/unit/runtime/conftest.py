"""Small real packages to load: each test's has a name of its own, and leaves no module behind."""

import importlib
import itertools
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from statebake import load_defs
from statebake.errors import StatebakeError
from statebake.model.keys import MANIFEST_NAME, sanitize_key
from statebake.runtime.declarations import DeclarationFailure, Declared, discover

COMPONENTS = """
from dataclasses import dataclass
from typing import Any

from statebake import DefsStateConfig, StateBackedComponent

FETCHED = []


@dataclass
class Thing(StateBackedComponent):
    name: str
    content: str = "new"
    token: Any = None
    defs_state: Any = None

    @property
    def defs_state_config(self):
        return DefsStateConfig.from_args(self.defs_state, default_key=f"Thing[{self.name}]")

    def write_state_to_path(self, state_path):
        FETCHED.append(self.name)
        state_path.write_text(self.content)

    def build_defs_from_state(self, context, state_path):
        return f"{self.name}={state_path.read_text()}"
"""

_numbers = itertools.count()


class Project:
    """A package below ``root`` with a ``defs`` directory and a ``components`` module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = f"package{next(_numbers)}"
        self.package = root / self.name
        self.defs = self.package / "defs"
        self.write("../__init__.py", "")
        self.write("../components.py", COMPONENTS)

    def write(self, path: str, text: str) -> Path:
        """Write a file below the defs directory; ``PKG`` in its text becomes the package's name."""
        file = (self.defs / path).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        self.defs.mkdir(exist_ok=True)
        file.write_text(dedent(text).lstrip("\n").replace("PKG", self.name))
        importlib.invalidate_caches()
        return file

    def declare(self, *names: str, path: str = "defs.yaml", **attributes: str) -> Path:
        """Declare a ``Thing`` per name, all with ``attributes`` (as YAML text)."""
        more = "".join(f"  {name}: {value}\n" for name, value in attributes.items())
        documents = [f"type: PKG.components.Thing\nattributes:\n  name: {name}\n{more}" for name in names]
        return self.write(path, "---\n".join(documents))

    def state_path(self, key: str) -> Path:
        return self.defs / ".local_defs_state" / sanitize_key(key) / "state"

    def put_state(self, key: str, content: str = "old") -> Path:
        path = self.state_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    def bake(self) -> None:
        manifest = self.defs / ".local_defs_state" / MANIFEST_NAME
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("{}")

    def discover(self, **environ: str) -> tuple[Declared | DeclarationFailure, ...]:
        return discover(self.defs, f"{self.name}.defs", environ)

    def failure(self, **environ: str) -> StatebakeError:
        """Return the error of the one declaration that fails."""
        (failure,) = (it for it in self.discover(**environ) if isinstance(it, DeclarationFailure))
        return failure.error

    def load(self):
        return load_defs(self.name)

    def load_error(self) -> StatebakeError:
        with pytest.raises(StatebakeError) as caught:
            self.load()
        return caught.value

    @property
    def fetched(self) -> list[str]:
        """The names of the components that fetched, in order."""
        return importlib.import_module(f"{self.name}.components").FETCHED


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("STATEBAKE_DEV", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    made = Project(tmp_path)
    yield made
    for name in set(sys.modules) - before:
        if name.split(".")[0] == made.name or name.startswith("_statebake_defs_"):
            del sys.modules[name]
