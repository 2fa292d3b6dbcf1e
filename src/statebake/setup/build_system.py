"""What a project's ``[build-system]`` is, and the edits by which statebake wraps it (PEP 517, PEP 518); no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from statebake.config import TomlFile, table_at
from statebake.config.backends import OURS, hook_options
from statebake.errors import Code, StatebakeError
from statebake.inner_backend import is_ours, not_another
from statebake.setup.notes import Note
from statebake.setup.toml_edit import AddEntry, Edit, Remove, SetValue

LEGACY = "setuptools.build_meta:__legacy__"
"""What builds a project that names no backend (PEP 517, "Source trees")."""
_TABLE = "build-system"
_SINGLE_MODULE = (
    "The definitions are a single module, whose state would lie beside all packages that are installed: no build can "
    "carry it. Make the module a package: a directory with an __init__.py."
)
_NOT_FOUND = (
    "The builds stay as they are as long as the definitions are not found: every one would fail with statebake in it. "
    "Run `statebake init` again once they are."
)
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


@dataclass(frozen=True)
class BuildFacts:
    """What a project's files say of its builds.

    Attributes:
        pyproject: its ``pyproject.toml``.
        own: its ``statebake.toml``, where it has one.
        hatch: what its ``hatch.toml`` says.
        setup_py: whether it has a ``setup.py`` or ``setup.cfg``.
        uv: whether uv is used; uv does not build what has no ``[build-system]``.
        single_module: whether its definitions are a module beside the packages, whose state no build can carry.
        defs_found: whether it is known where they are, without which no build by statebake succeeds.
    """

    pyproject: TomlFile
    own: TomlFile | None = None
    hatch: Mapping[str, Any] | None = None
    setup_py: bool = False
    uv: bool = False
    single_module: bool = False
    defs_found: bool = True


@dataclass(frozen=True)
class BuildPlan:
    """How the project comes to be built.

    Attributes:
        built: whether anything builds the project as a package, afterwards.
        with_state: whether what is built then carries the state.
        backend: what it is that builds it, in a word.
        where: the line that says so, or none.
        edits: what is to change in ``pyproject.toml``.
        own_edits: and in ``statebake.toml``.
        notes: what the user should know of it.
    """

    built: bool
    backend: str
    where: str | None = None
    edits: tuple[Edit, ...] = ()
    own_edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    with_state: bool = True


def plan_build(facts: BuildFacts) -> BuildPlan:
    """Return how statebake comes into the project's builds, as far as these can carry the state.

    Raises ``StatebakeError``: ``BAD_SETTING`` for a ``[build-system]`` that no frontend could read, ``NO_BACKEND``
    where statebake would wrap itself.
    """
    plan = _plan(facts)
    if not plan.built or (facts.defs_found and not facts.single_module):
        return plan
    if not facts.defs_found:
        kept = (Note(_NOT_FOUND),) if plan.edits or plan.own_edits else ()
        return replace(plan, edits=(), own_edits=(), notes=(*plan.notes, *kept), with_state=False)
    return replace(plan, edits=(), own_edits=(), notes=(Note(_SINGLE_MODULE),), with_state=False)


def _plan(facts: BuildFacts) -> BuildPlan:
    """Return the plan for definitions in a package."""
    file = facts.pyproject
    system = file.data.get(_TABLE)
    if system is None:
        return _plan_without_table(facts)
    requires, backend = _checked(file, system)
    where = file.where(_TABLE, "build-backend" if backend else "requires")
    add = [] if _names_statebake(requires) else [AddEntry((_TABLE, "requires"), "statebake")]
    if backend == OURS:
        inner, inner_at = _own_value(facts, "backend")
        if isinstance(inner, str) and is_ours(inner):
            raise not_another(where=inner_at)
        lacking = 'statebake.backend is not told what it wraps: [tool.statebake] build-backend = "…"'
        return BuildPlan(
            True,
            f"{inner or 'nothing'}, wrapped by statebake",
            where,
            tuple(add),
            notes=() if inner else (Note(lacking, to_do=True),),
            with_state=_on_build(facts) != "off",
        )
    if backend and is_ours(backend):
        message = f"`build-backend` names {backend}, and the backend of statebake is {OURS}"
        raise _bad(file, message, f'correct it: build-backend = "{OURS}"', _TABLE, "build-backend")
    if with_hook := _plan_with_hook(facts, backend, where, add):
        return with_hook
    settings: dict[str, Any] = {"backend": backend or LEGACY}
    edits: list[Edit] = [*add, SetValue((_TABLE, "build-backend"), OURS)]
    if "backend-path" in system:
        edits.append(Remove((_TABLE, "backend-path")))
        settings["path"] = list(system["backend-path"])
    in_pyproject, in_own = _set(facts, settings)
    return BuildPlan(
        True,
        backend or f"{LEGACY}, by default",
        where,
        (*edits, *in_pyproject),
        in_own,
        with_state=_on_build(facts) != "off",
    )


def _plan_without_table(facts: BuildFacts) -> BuildPlan:
    uv = table_at(facts.pyproject.data, "tool", "uv", "package")
    if uv is False:
        where = facts.pyproject.where("tool", "uv", "package")
        return BuildPlan(False, "none: uv does not build the project (package = false)", where)
    if facts.uv and uv is not True:
        note = "uv does not build a project without a [build-system]; with `package = true` in [tool.uv] it does."
        return BuildPlan(False, "none: there is no [build-system]", notes=(Note(note),))
    if "project" not in facts.pyproject.data and not facts.setup_py:
        return BuildPlan(False, "none: there is no [build-system], and no [project] to build")
    backend = LEGACY if facts.setup_py else LEGACY.partition(":")[0]
    since = "setuptools>=61" if "project" in facts.pyproject.data else "setuptools"  # which knows [project]
    in_pyproject, in_own = _set(facts, {"backend": backend})
    edits = (SetValue((_TABLE, "requires"), [since, "statebake"]), SetValue((_TABLE, "build-backend"), OURS))
    return BuildPlan(True, "setuptools, for no [build-system] names another one", None, (*edits, *in_pyproject), in_own)


def _checked(file: TomlFile, system: object) -> tuple[list[str], str | None]:
    """Return ``requires`` and ``build-backend``."""
    if not isinstance(system, Mapping):
        raise _bad(file, "build-system is not a table", "write it as [build-system]", _TABLE)
    requires = system.get("requires")
    if not _are_texts(requires):
        message = "[build-system] has no `requires`" if requires is None else "`requires` is not a list of strings"
        raise _bad(file, message, 'write it as a list: requires = ["…"]', _TABLE, "requires")
    backend = system.get("build-backend")
    if backend is not None and not (isinstance(backend, str) and backend):
        raise _bad(file, "`build-backend` is not the name of a backend", "correct it", _TABLE, "build-backend")
    if not _are_texts(system.get("backend-path", [])):
        raise _bad(file, "`backend-path` is not a list of strings", "correct it", _TABLE, "backend-path")
    return requires, backend  # type: ignore[return-value]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _names_statebake(requires: Sequence[str]) -> bool:
    names = (found[1] for item in requires if (found := _NAME.match(item)))
    return any(re.sub(r"[-_.]+", "-", name).lower() == "statebake" for name in names)


def _plan_with_hook(facts: BuildFacts, backend: str | None, where: str, add: Sequence[Edit]) -> BuildPlan | None:
    """Return the plan for a project that has hatchling's build hook of statebake, or ``None``."""
    hatch = facts.hatch or {}
    wheel, sdist = (hook_options(facts.pyproject.data, hatch, target) for target in ("wheel", "sdist"))
    if wheel is None and sdist is None:
        return None
    place, table = ("hatch.toml", "build") if "build" in hatch else ("pyproject.toml", "tool.hatch.build")
    if wheel is not None and sdist is not None:
        note = None
    elif sdist is None:
        note = f"The build hook of statebake in {place} is one for wheels: source distributions carry no state."
    else:
        note = f"The build hook of statebake in {place} is one for source distributions: a wheel carries no state."
    both = f" [{table}.hooks.statebake] is the table of one for both."
    return BuildPlan(
        True,
        f"{backend}, with the build hook of statebake in {place}",
        where,
        tuple(add),
        notes=(Note(f"{note}{both}", to_do=True),) if note else (),
        with_state=wheel is not None and wheel.get("on_build", _on_build(facts)) != "off",
    )


def _on_build(facts: BuildFacts) -> object:
    return _own_value(facts, "on_build")[0]


_SPELLINGS = {
    "backend": ("build-backend", "build_backend"),
    "path": ("backend-path", "backend_path"),
    "on_build": ("on_build",),
}


def _own_value(facts: BuildFacts, name: str) -> tuple[object, str | None]:
    """Return a setting of statebake's own, and the line that makes it; ``None`` twice where none does."""
    for file, above in ((facts.pyproject, ("tool", "statebake")), (facts.own, ())):
        table = table_at(file.data, *above) if file else None
        for spelling in _SPELLINGS[name]:
            if file and isinstance(table, Mapping) and spelling in table:
                return table[spelling], file.where(*above, spelling)
    return None, None


def _set(facts: BuildFacts, settings: Mapping[str, Any]) -> tuple[tuple[Edit, ...], tuple[Edit, ...]]:
    """Return the edits of ``pyproject.toml`` and of ``statebake.toml`` that make settings, where the others are."""
    in_pyproject = table_at(facts.pyproject.data, "tool", "statebake")
    in_own = facts.own is not None and in_pyproject is None
    table = facts.own.data if in_own and facts.own else in_pyproject
    prefix = () if in_own else ("tool", "statebake")
    edits = []
    for name, value in settings.items():
        first, second = _SPELLINGS[name]
        key = second if isinstance(table, Mapping) and second in table else first
        edits.append(SetValue((*prefix, key), value))
    return ((), tuple(edits)) if in_own else (tuple(edits), ())


def _bad(file: TomlFile, message: str, next_step: str, *keys: str) -> StatebakeError:
    return StatebakeError(Code.BAD_SETTING, f"{message}.", where=file.where(*keys), next_step=next_step)
