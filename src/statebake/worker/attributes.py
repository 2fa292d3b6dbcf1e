"""How the components of one key differ: Dagster, and a refresh, take the first one found for all of them.

Only names of attributes leave the process, never values or digests of values: they may be secrets, and a short secret
can be guessed from its digest. Which attributes a fetch reads is found in the source of ``write_state_to_path`` and of
what that calls on the component: ``self.NAME``. Where ``self`` goes elsewhere, nobody can tell.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import inspect
import os
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

FETCH = "write_state_to_path"


def add_differences(components: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    """Add ``differs`` and ``may_differ`` to what is said of every component that shares its key with an earlier one."""
    first: dict[str, Any] = {}
    for component, found in components:
        one = first.setdefault(found["key"], component)
        if one is not component:
            found["differs"], found["may_differ"] = differences(one, component)


def differences(one: Any, other: Any) -> tuple[list[str], list[str]]:
    """Return the attributes in which ``other`` differs from ``one``: those that the fetch reads, and those it may read.

    Where the two have different fetches, ``type`` is one of the latter.
    """
    left, right = attributes_of(one), attributes_of(other)
    differing = [name for name in sorted({*left, *right}) if name not in left or name not in right]
    differing += [name for name in sorted(left.keys() & right.keys()) if not _same_or_odd(left[name], right[name])]
    foreign = getattr(type(one), FETCH, None) is not getattr(type(other), FETCH, None)
    if not differing:
        return [], ["type"] if foreign else []
    reads = [reads_of(type(component)) for component in ((one, other) if foreign else (one,))]
    known = set().union(*(names for names, _ in reads))
    surely = sorted(known.intersection(differing))
    perhaps = sorted(set(differing) - known) if any(unsure for _, unsure in reads) else []
    return surely, ["type", *perhaps] if foreign else perhaps


def attributes_of(component: Any) -> dict[str, Any]:
    """Return what a component was given, by name; what it has worked out and keeps is not part of that."""
    if dataclasses.is_dataclass(component):
        declared = {field.name for field in dataclasses.fields(component)}
    else:
        declared = set(getattr(type(component), "model_fields", ())) or set(getattr(component, "__dict__", ()))
    kept = {name for name in declared if isinstance(_static(type(component), name), functools.cached_property)}
    return {name: _value(component, name) for name in declared - kept - {"defs_state"}}


def _value(component: Any, name: str) -> Any:
    with contextlib.suppress(Exception):
        return getattr(component, name)
    return None


def reads_of(cls: type) -> tuple[set[str], bool]:
    """Return the names that the fetch of ``cls`` reads of its component, and whether it may read others as well."""
    names: set[str] = set()
    unsure = False
    waiting = [FETCH]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        for function in _functions(cls, name):
            found = _reads(function)
            unsure = unsure or found is None
            waiting += found or ()
    return names, unsure


def _functions(cls: type, name: str) -> Iterator[Any]:
    """Yield the code behind an attribute, in ``cls`` and above: ``super()`` may lead there."""
    for base in cls.__mro__:
        value = vars(base).get(name)
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, functools.cached_property):
            value = value.func
        elif isinstance(value, (staticmethod, classmethod)):
            continue  # knows the class only
        if callable(value) and not isinstance(value, type):
            yield inspect.unwrap(value)


def _reads(function: Any) -> set[str] | None:
    """Return the names that a method reads of its first argument; ``None`` where nobody can tell."""
    try:
        lines, _ = inspect.getsourcelines(function)
        if lines[0][:1].isspace():
            lines.insert(0, "if True:\n")
        tree = ast.parse("".join(lines))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    found = next((node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))), None)
    arguments = [*found.args.posonlyargs, *found.args.args] if found else []
    if found is None or not arguments:
        return None
    itself = arguments[0].arg
    attributes = [
        node
        for node in ast.walk(found)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == itself
    ]
    uses = sum(isinstance(node, ast.Name) and node.id == itself for node in ast.walk(found))
    names = {node.attr for node in attributes}
    if uses > len(attributes) or names & {"__dict__", "__getattribute__"}:
        return None
    return names


def _same_or_odd(one: Any, other: Any) -> bool:
    """Return whether two values are the same; values that cannot be compared are not."""
    with contextlib.suppress(Exception):
        return same(one, other)
    return False


def same(one: Any, other: Any, seen: set[tuple[int, int]] | None = None) -> bool:
    """Return whether two values mean the same: by their content, also where they were made twice.

    Paths that lead to one place are the same. Raises what a comparison raises. ``seen``: the pairs that are being
    compared already, or were, and are the same as far as is known.
    """
    seen = set() if seen is None else seen
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(one) is not type(other):
        return False
    seen.add((id(one), id(other)))
    if isinstance(one, (str, PurePath)):
        return _place(os.fspath(one)) == _place(os.fspath(other))
    if isinstance(one, Mapping):
        return _same_members(one, other, seen)
    if isinstance(one, (list, tuple)):
        return _same_items(one, other, seen)
    if isinstance(one, types.FunctionType):
        return one.__code__ is other.__code__ and _same_items(_closure(one), _closure(other), seen)
    if dataclasses.is_dataclass(one) or hasattr(type(one), "model_fields"):
        return _same_members(attributes_of(one), attributes_of(other), seen)
    if _static(type(one), "__eq__") is not vars(object)["__eq__"]:
        return bool(one == other)
    if getattr(one, "__dict__", None):
        return _same_members(vars(one), vars(other), seen)
    return repr(one) == repr(other)


def _same_members(one: Mapping[Any, Any], other: Mapping[Any, Any], seen: set[tuple[int, int]]) -> bool:
    return one.keys() == other.keys() and all(same(value, other[name], seen) for name, value in one.items())


def _same_items(one: Sequence[Any], other: Sequence[Any], seen: set[tuple[int, int]]) -> bool:
    return len(one) == len(other) and all(same(*pair, seen) for pair in zip(one, other, strict=True))


def _closure(function: types.FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]


def _static(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)


def _place(text: str | bytes) -> str | bytes:
    """Return where an absolute path leads; another text is itself."""
    return os.path.realpath(text) if isinstance(text, str) and text.startswith("/") else text
