"""The same small project on every host: native, and both Dagster versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import native
from support.dagster import dagster_project, dagster_python


@dataclass(frozen=True)
class HostKit:
    """Makes projects for one host; ``dagster`` is Dagster's version, or ``None`` for the native host.

    A project declares all its components as documents of one ``defs.yaml``, so that their lines are worth a look.
    """

    dagster: str | None = None

    @property
    def package(self) -> str:
        """The project's root package."""
        return "depot" if self.dagster else "shop"

    @property
    def module(self) -> str:
        """The module of the components ``Text`` and ``Code``."""
        return "depot.components.text" if self.dagster else "shop.components"

    @property
    def yaml(self) -> str:
        """The file that declares the components, relative to the project."""
        return f"src/{self.package}/defs/things/defs.yaml"

    @property
    def env(self) -> dict[str, str | None]:
        """What a run needs: the interpreter for the project's code."""
        return {"STATEBAKE_PYTHON": str(dagster_python(self.dagster))} if self.dagster else {}

    def text(self, name: str, **attributes: object) -> str:
        """Return the document of a component that writes ``text`` (or its name); its key is ``Text[name]``."""
        return native.component(name, **attributes).replace("shop.components", self.module)

    def code(self, name: str, text: str, **attributes: object) -> str:
        """Return the document of a component whose fetch runs Python code; its key is ``Text[name]``."""
        return native.code_component(name, text, **attributes).replace("shop.components", self.module)

    def project(self, root: Path, documents: Sequence[str], files: Mapping[str, str] | None = None) -> Path:
        """Write a project that declares ``documents`` and return it."""
        text = native.documents(*documents)
        if self.dagster:
            return dagster_project(root, {"things": text}, files)
        return native.native_project(root, text, files)

    def declare(self, project: Path, documents: Sequence[str]) -> None:
        """Let a project declare ``documents`` and nothing else in its ``defs.yaml``."""
        (project / self.yaml).write_text(native.documents(*documents), encoding="utf-8")

    def where(self, documents: Sequence[str], number: int) -> str:
        """Return ``file:line`` of a document's ``type``."""
        before = native.documents(*documents[:number], "").count("\n")
        return f"{self.yaml}:{before + 1}"

    def state_dir(self, project: Path) -> Path:
        """Return the project's state directory."""
        return project / f"src/{self.package}/defs/.local_defs_state"


NATIVE = HostKit()
DAGSTER = [
    pytest.param(HostKit(version), id=f"dagster-{version}", marks=pytest.mark.needs(f"dagster-{version}"))
    for version in ("1.12", "1.13")
]
HOSTS = [pytest.param(NATIVE, id="native"), *DAGSTER]
# For what does not depend on Dagster's version.
ONE_DAGSTER = [HOSTS[0], HOSTS[-1]]
