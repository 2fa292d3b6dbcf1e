"""What a project is made of: its state-backed components, as its own interpreter found them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from statebake.errors import Code, StatebakeError
from statebake.model.record import ComponentRef
from statebake.model.state_config import DefsStateManagementType


@dataclass(frozen=True)
class Component:
    """One state-backed component.

    Attributes:
        id: the worker's number for it, which a fetch names.
        type: the class, ``package.module.ClassName``.
        declared_at: ``file:line``, the file relative to the project where it is inside.
        key: its defs state key.
        management_type: its strategy.
        refresh_if_dev: whether development refreshes it at each load.
    """

    id: int
    type: str
    declared_at: str
    key: str
    management_type: DefsStateManagementType
    refresh_if_dev: bool


@dataclass(frozen=True)
class LoadFailure:
    """A component that cannot be instantiated: its key is not known."""

    declared_at: str
    type: str | None
    error: StatebakeError


@dataclass(frozen=True)
class Interpreter:
    """The project's interpreter, as it describes itself: what resolved dependencies depend on."""

    path: str
    version: str
    tag: str


@dataclass(frozen=True)
class Discovery:
    """A project's components.

    Attributes:
        host: name and version of the framework, ``dagster 1.13.27``.
        python: the interpreter that found them.
        defs_module: the importable name of the module that holds the definitions.
        defs_dir: its directory.
        components: in the order of their declarations.
        failures: components that could not be instantiated.
    """

    host: str
    python: Interpreter
    defs_module: str
    defs_dir: Path
    components: tuple[Component, ...]
    failures: tuple[LoadFailure, ...]

    @property
    def keys(self) -> list[str]:
        """Every key, sorted, each once."""
        return sorted({component.key for component in self.components})

    def components_of(self, key: str) -> tuple[Component, ...]:
        """Return the components that use ``key``, in the order of their declarations."""
        return tuple(component for component in self.components if component.key == key)


def refs(components: Iterable[Component]) -> tuple[ComponentRef, ...]:
    """Return what a record says of ``components``."""
    return tuple(ComponentRef(type=item.type, declared_at=item.declared_at) for item in components)


def unknown_key(key: str, known: Iterable[str]) -> StatebakeError:
    """Return the error for a key that no component has, with the nearest known ones."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=3, cutoff=0.4)
    listed = ", ".join(near or names[:5]) or "none"
    return StatebakeError(
        Code.UNKNOWN_KEY,
        f"No component has the key {key!r}. {'Did you mean' if near else 'Known keys'}: {listed}",
        next_step="statebake status",
    )
