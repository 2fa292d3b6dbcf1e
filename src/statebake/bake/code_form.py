"""Whether the code of a project goes into a PEX as its files are, or as the wheel that its build backend makes.

Files are quicker, and enough where a build would only copy them. What a build makes besides (entry points, generated
files, compiled extensions, files in other places, the metadata of the project) is in its wheel only. Source of the
tables: the PyPA specification "pyproject.toml", and the documentation of the backends.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from statebake.config import CodeSetting, table_at
from statebake.config.backends import HATCH_HOOK, distribution_of, hooks_of_wheels, in_hatch
from statebake.config.layout import moves_packages

# Backends that are there for compiling, and what of a project they read.
_COMPILING = ("mesonpy", "scikit_build_core", "maturin", "py_build_cmake", "enscons", "sipbuild")
COMPILED_SUFFIXES = (".pyx", ".c", ".cc", ".cpp", ".cxx", ".rs", ".f", ".f90", ".proto")
_OF_DG = "dagster_dg_cli."  # read by `dg` in development, by nothing at run time
# Tables that have a file written by the build or put somewhere else, or code run in it.
_GENERATING: tuple[tuple[str, ...], ...] = (
    ("tool", "setuptools", "ext-modules"),
    ("tool", "setuptools", "cmdclass"),
    ("tool", "setuptools", "script-files"),
    ("tool", "setuptools", "data-files"),
    ("tool", "setuptools-rust"),
    ("tool", "setuptools_scm", "version_file"),
    ("tool", "setuptools_scm", "write_to"),
    ("tool", "pdm", "version", "write_to"),
    ("tool", "pdm", "build", "run-setuptools"),
    ("tool", "pdm", "build", "custom-hook"),
    ("tool", "pdm", "build", "wheel-data"),
    ("tool", "flit", "external-data"),
    ("tool", "uv", "build-backend", "data"),
    ("tool", "poetry", "build"),
    ("tool", "poetry-dynamic-versioning", "substitution"),
    ("tool", "versioningit", "write"),
)
_GENERATING_IN_HATCH: tuple[tuple[str, ...], ...] = (
    ("build", "force-include"),
    ("build", "targets", "wheel", "force-include"),
    ("build", "targets", "wheel", "shared-data"),
    ("build", "targets", "wheel", "shared-scripts"),
)
_CONFIG = {"pyproject.toml": "pyproject.toml"}  # which every artifact has, and Dagster's scaffold forces into wheels
_ENTRY_POINTS: tuple[tuple[str, ...], ...] = (
    ("project", "scripts"),
    ("project", "gui-scripts"),
    ("project", "entry-points"),
    ("tool", "poetry", "scripts"),
    ("tool", "poetry", "plugins"),
)
_OF_SETUP = {
    "entry_points": "declares entry points",
    "scripts": "has scripts",
    "data_files": "has files for other places",
    "ext_modules": "has extensions to compile",
    "cffi_modules": "has extensions to compile",
    "rust_extensions": "has extensions to compile",
    "cmdclass": "has build commands of its own",
    "**": "gives what only running it tells",
}


@dataclass(frozen=True)
class CodeForm:
    """How the project's code goes in, and why: words that go on after "because", such as ``[project.scripts] …``."""

    as_wheel: bool
    why: str


def code_form(
    setting: CodeSetting,
    pyproject: Mapping[str, Any],
    *,
    backend: str | None,
    is_package: bool,
    hatch: Mapping[str, Any],
    setup_py: str | None,
    setup_cfg: str | None,
    sources: Iterable[str],
    asking: Iterable[str] = (),
) -> CodeForm:
    """Return how the code goes in.

    Args:
        setting: what was asked for.
        pyproject: the project's ``pyproject.toml``.
        backend: the build backend, where there is one.
        is_package: whether the definitions are in a package; a wheel has no place for the state of a single module.
        hatch: what is in ``hatch.toml``.
        setup_py: the text of that file, where there is one.
        setup_cfg: likewise.
        sources: the paths of the project's own files, as they are imported.
        asking: those of them that ask for the metadata of the project; gone through only where nothing else decides.
    """
    if setting != "auto":
        return CodeForm(setting == "wheel", "asked for by pex.code")
    if backend is None and setup_py is None:
        return CodeForm(as_wheel=False, why="it has no [build-system]")
    if not is_package:
        return CodeForm(as_wheel=False, why="its definitions are a single module")
    in_setup_files = _in_setup_files(setup_py, setup_cfg)
    asked = (f"{path} asks for the metadata of the project" for path in asking)
    reason = next(chain(_reasons(pyproject, backend, hatch, in_setup_files, sources), asked), None)
    return CodeForm(True, reason) if reason else CodeForm(False, "a build would only copy its files")


def _reasons(
    pyproject: Mapping[str, Any],
    backend: str | None,
    hatch: Mapping[str, Any],
    in_setup_files: Iterable[str],
    sources: Iterable[str],
) -> Iterator[str]:
    if backend is not None and backend.partition(".")[0] in _COMPILING:
        yield f"its build backend is {backend}, which compiles"
    if backend is not None and distribution_of(backend) is None:
        yield f"its build backend is {backend}, and nobody can tell what that makes"
    for place in _GENERATING:
        if table_at(pyproject, *place):
            yield f"{_shown(place)} says what its build makes"
    for inside in _GENERATING_IN_HATCH:
        place, found = in_hatch(pyproject, hatch, *inside)
        if found and found != _CONFIG:
            yield f"{_shown(place)} says what its build makes"
    for hook in hooks_of_wheels(pyproject, hatch):
        if not hook.endswith(f".{HATCH_HOOK}"):
            yield f"[{hook}] runs in its build"
    for place in _ENTRY_POINTS:
        table = table_at(pyproject, *place)
        if isinstance(table, Mapping) and any(not str(name).startswith(_OF_DG) for name in table):
            yield f"{_shown(place)} declares entry points"
    if (moves := moves_packages(pyproject, hatch)) is not None:
        yield moves
    yield from in_setup_files
    for path in sources:
        if path.endswith(COMPILED_SUFFIXES):
            yield f"{path} has to be compiled"


def _in_setup_files(setup_py: str | None, setup_cfg: str | None) -> Iterator[str]:
    for name in _arguments_of_setup(setup_py or ""):
        if name in _OF_SETUP:
            yield f"setup.py {_OF_SETUP[name]}"
    if "[options.entry_points]" in (setup_cfg or ""):
        yield "setup.cfg declares entry points"


def _arguments_of_setup(text: str) -> Iterator[str]:
    """Yield the names of what ``setup.py`` gives to ``setup``, or ``**`` for ``**more``."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of(node.func) == "setup":
            yield from (keyword.arg or "**" for keyword in node.keywords)


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _shown(place: Iterable[str]) -> str:
    return f"[{'.'.join(place)}]"
