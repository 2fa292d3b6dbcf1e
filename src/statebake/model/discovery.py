"""What a project is made of: its state-backed components, as its own interpreter found them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
        source: what it fetches from, where the host can tell (the directory of a dbt project): two components with one
            key and two sources do not mean the same state.
        differs: names of the attributes that its fetch reads and that have another value than those of the first
            component with its key: what that one fetches is not what this one would fetch.
        may_differ: names of other attributes with another value, of which nobody can say whether the fetch reads them.
    """

    id: int
    type: str
    declared_at: str
    key: str
    management_type: DefsStateManagementType
    source: str | None = None
    differs: tuple[str, ...] = ()
    may_differ: tuple[str, ...] = ()


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
class SourceConflict:
    """A key that stands for several things: what it is, to follow after the key; the place to look at; the mend."""

    what: str
    where: str
    next_step: str


@dataclass(frozen=True)
class Discovery:
    """A project's components.

    Attributes:
        host: name and version of the framework, ``dagster 1.13.27``.
        python: the interpreter that found them.
        defs_dir: the directory of the module that holds the definitions.
        components: in the order of their declarations.
        failures: components that could not be instantiated.
    """

    host: str
    python: Interpreter
    defs_dir: Path
    components: tuple[Component, ...]
    failures: tuple[LoadFailure, ...]

    @property
    def keys(self) -> list[str]:
        """Every key, sorted, each once."""
        return sorted({component.key for component in self.components})

    @property
    def local_keys(self) -> list[str]:
        """The keys whose state is in the project, and so goes into artifacts: what their first component says."""
        local = DefsStateManagementType.LOCAL_FILESYSTEM
        return [key for key in self.keys if self.components_of(key)[0].management_type is local]

    def sources_of(self, key: str) -> list[str]:
        """Return the different sources of the components that use ``key``: more than one is a mistake."""
        return sorted({component.source for component in self.components_of(key) if component.source})

    def conflict_of(self, key: str) -> SourceConflict | None:
        """Return what is wrong with ``key`` where its components fetch from different sources."""
        if len(sources := self.sources_of(key)) < 2:
            return None
        components = self.components_of(key)
        places = ", ".join(f"{item.declared_at} ({item.source})" for item in components if item.source)
        other = next(item for item in components if item.source != components[0].source)
        remote = any("#" in source for source in sources)
        named_by = "the URL of a repository" if remote else f"a directory's last part, {Path(sources[0]).name!r},"
        return SourceConflict(
            f"is that of {len(sources)} different projects: {places}. It is made of {named_by} only, so each would "
            "read the state of the first.",
            other.declared_at,
            "spell the URL of one of them with or without `.git` at its end, so that their keys differ"
            if remote
            else f"rename the directory {other.source}, and `project` in {other.declared_at} with it",
        )

    def components_of(self, key: str) -> tuple[Component, ...]:
        """Return the components that use ``key``, in the order of their declarations."""
        return self._by_key.get(key, ())

    @cached_property
    def _by_key(self) -> Mapping[str, tuple[Component, ...]]:
        found: dict[str, tuple[Component, ...]] = {}
        for component in self.components:
            found[component.key] = (*found.get(component.key, ()), component)
        return found


def refs(components: Iterable[Component]) -> tuple[ComponentRef, ...]:
    """Return what a record says of ``components``."""
    return tuple(ComponentRef(type=item.type, declared_at=item.declared_at) for item in components)


def unknown_keys(keys: Sequence[str], known: Iterable[str], failures: Iterable[LoadFailure] = ()) -> StatebakeError:
    """Return the error for keys that no component has, with the nearest known ones.

    ``failures``: the components that cannot be loaded, one of which may be the one that is meant.
    """
    import difflib

    names = sorted(known)
    near = list(dict.fromkeys(name for key in keys for name in difflib.get_close_matches(key, names, 3, 0.4)))
    listed = ", ".join(near or names[:5]) or "none"
    missing = " or ".join(repr(key) for key in keys)
    return StatebakeError(
        Code.UNKNOWN_KEY,
        f"No component has the key {missing}. {'Did you mean' if near else 'Known keys'}: {listed}",
        next_step="statebake status",
        detail="\n".join(
            f"{failure.declared_at} cannot be loaded, so its key is not known: {failure.error.message}"
            for failure in failures
        )
        or None,
    )
