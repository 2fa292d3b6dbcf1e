"""Where a project's build backend is told that its packages lie; no I/O.

Sources: the documentation of setuptools ("Package discovery"), hatchling ("Wheel builder", "Build configuration"),
poetry-core ("packages"), pdm-backend ("Build configuration"), uv_build ("File inclusion") and maturin
("Python source").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from statebake.config.backends import in_hatch
from statebake.config.toml_file import table_at

_TARGETS = (("build",), ("build", "targets", "wheel"))
_ROOTS = (
    ("tool", "pdm", "build", "package-dir"),
    ("tool", "uv", "build-backend", "module-root"),
    ("tool", "maturin", "python-source"),
)


def package_roots(pyproject: Mapping[str, Any], hatch: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the directories of a project that packages are said to lie in, each once; ``.`` is the project's own.

    ``hatch`` is what is in ``hatch.toml``.
    """
    found = (PurePosixPath(root) for root in _roots(pyproject, hatch) if isinstance(root, str))
    return tuple(dict.fromkeys(str(root) for root in found if not root.is_absolute() and ".." not in root.parts))


def moves_packages(pyproject: Mapping[str, Any], hatch: Mapping[str, Any]) -> str | None:
    """Return what says that packages lie in several directories, or are imported by other names than they have there.

    ``hatch`` is what is in ``hatch.toml``. ``None``: nothing does, and one directory on the import path has them all.
    """
    for place, names in _other_names(pyproject, hatch):
        if names:
            return f"[{'.'.join(place[:-1])}] {place[-1]} says where packages are"
    roots = package_roots(pyproject, hatch)
    return f"its packages are in several directories: {', '.join(roots)}" if len(roots) > 1 else None


BY_ITS_NAME = "give the package's directory the name that it is imported by, and take that setting away"
"""The next step where ``moves_packages`` is why a package is not found: it is looked for by its name."""


def _roots(pyproject: Mapping[str, Any], hatch: Mapping[str, Any]) -> Iterator[object]:
    setuptools = table_at(pyproject, "tool", "setuptools", "package-dir")
    if isinstance(setuptools, Mapping) and "" in setuptools:
        yield setuptools[""]
    yield from _items(table_at(pyproject, "tool", "setuptools", "packages", "find", "where"))
    for target in _TARGETS:
        for package in _items(in_hatch(pyproject, hatch, *target, "packages")[1]):
            yield str(PurePosixPath(package).parent) if isinstance(package, str) else None
        _, sources = in_hatch(pyproject, hatch, *target, "sources")
        if isinstance(sources, Mapping):
            yield from (place for place, name in sources.items() if name == "")
        else:
            yield from _items(sources)
    for package in _items(table_at(pyproject, "tool", "poetry", "packages")):
        yield package.get("from", ".") if isinstance(package, Mapping) else None
    for place in _ROOTS:
        yield table_at(pyproject, *place)


def _other_names(
    pyproject: Mapping[str, Any], hatch: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], list[object]]]:
    """Yield the settings that may give packages other names, and those that they give."""
    place: tuple[str, ...] = ("tool", "setuptools", "package-dir")
    found = table_at(pyproject, *place)
    yield place, [name for name in found if name] if isinstance(found, Mapping) else []
    for target in _TARGETS:
        place, found = in_hatch(pyproject, hatch, *target, "sources")
        yield place, [name for name in found.values() if name] if isinstance(found, Mapping) else []
    place = ("tool", "poetry", "packages")
    packages = _items(table_at(pyproject, *place))
    yield place, [package["to"] for package in packages if isinstance(package, Mapping) and package.get("to")]


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
