"""What build backends leave out of a wheel, and the lines that make them take it; no I/O.

Each of these is what the backend did when it was tried: setuptools 84, hatchling 1.33, poetry-core 2.5, pdm-backend
2.5, flit-core 4.2, uv_build 0.13.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from statebake.config import backends
from statebake.config.toml_file import table_at
from statebake.config.toml_text import toml_value
from statebake.errors import Code
from statebake.model.keys import IGNORE_NAME
from statebake.verify.cause import Cause, ProjectFacts, first_match

PYPROJECT = "pyproject.toml"
_PACKAGE_DATA = ("setuptools", "package-data")
_ONLY_INCLUDE = (("hatch", "build", "targets", "wheel", "only-include"), ("hatch", "build", "only-include"))
_SETTINGS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "hatchling": (
        ("hatch", "build", "targets", "wheel", "exclude"),
        ("hatch", "build", "targets", "sdist", "exclude"),
        ("hatch", "build", "exclude"),
    ),
    "poetry-core": (("poetry", "exclude"),),
    "pdm-backend": (("pdm", "build", "excludes"),),
    "uv_build": (
        ("uv", "build-backend", "wheel-exclude"),
        ("uv", "build-backend", "source-exclude"),
    ),
    "flit-core": (("flit", "sdist", "exclude"),),
}
"""Where patterns are that keep files out, below ``[tool]``: also those of the sdist that a wheel may be built from."""


def backend_of(pyproject: Mapping[str, Any]) -> str:
    """Return the name of the build backend, also of one that statebake wraps; setuptools where none is named (PEP 517).

    It is the name of its distribution, where that is known.
    """
    given = backends.backend_of(pyproject)
    return "setuptools" if given is None else backends.distribution_of(given) or given


def left_out(facts: ProjectFacts, files: Sequence[str]) -> Cause:
    """Return why the backend leaves ``files`` out, and what mends it; paths are relative to the project."""
    backend = backend_of(facts.pyproject)
    if backend == "setuptools":
        package = facts.package.replace("/", ".")
        if set(_package_patterns(facts)) <= set(_patterns(facts.pyproject, (*_PACKAGE_DATA, package))):
            return Cause(
                Code.PACKAGE_DATA,
                "setuptools was told to take it; what else is set, such as [tool.setuptools.exclude-package-data], "
                "keeps it out",
                PYPROJECT,
                "take out of [tool.setuptools.exclude-package-data] what matches it, or build anew without build/",
            )
        return Cause(
            Code.PACKAGE_DATA,
            "setuptools takes Python files only, unless it is told of others",
            PYPROJECT,
            package_data(facts),
        )
    if backend == "hatchling" and (only := _only_include(facts, files)) is not None:
        return only
    for keys in _SETTINGS.get(backend, ()):
        found = _patterns(facts.pyproject, keys)
        if (match := first_match(found, _names(facts, files))) is not None:
            *table, name = keys
            return Cause(
                Code.LEFT_OUT_BY_BACKEND,
                f"the pattern {found[match]!r} of `{name}` in [tool.{'.'.join(table)}] keeps it out",
                PYPROJECT,
                f"take {found[match]!r} out of `{name}` in [tool.{'.'.join(table)}], or narrow what it matches",
            )
    if backend == "hatchling" and facts.ignore is not None:
        lines = facts.ignore.text.splitlines()
        if (match := first_match(lines, files)) is not None:
            return Cause(
                Code.IGNORED_BY_RULE,
                f"hatchling leaves out what the root .gitignore matches, and `{facts.ignore.name}:{match + 1}` "
                f"(`{lines[match].strip()}`) matches it",
                f"{facts.ignore.name}:{match + 1}",
                artifacts(facts, files),
            )
    if backend == "poetry-core" and facts.in_git:
        return Cause(
            Code.LEFT_OUT_BY_BACKEND,
            "poetry-core leaves out what git ignores, and the state directory's own .gitignore has git ignore it",
            PYPROJECT,
            f"add to {PYPROJECT}: [tool.poetry] include = {_tables(facts, _poetry_includes(facts, files))}",
        )
    return Cause(
        Code.LEFT_OUT_BY_BACKEND,
        f"{backend} did not take it",
        PYPROJECT,
        "build again, with no refresh at the same time; then see what the settings of the backend leave out",
    )


def config_mend(facts: ProjectFacts) -> str:
    """Return what puts the configuration file above the packages of a wheel."""
    backend = backend_of(facts.pyproject)
    if backend == "hatchling":
        return (
            f'add to {PYPROJECT}:\n[tool.hatch.build.targets.wheel.force-include]\n"{facts.config}" = "{facts.config}"'
        )
    if backend == "poetry-core":
        return f"add to {PYPROJECT}: [tool.poetry] include = {_tables(facts, [facts.config])}"
    if backend == "pdm-backend":
        return (
            f"add to {PYPROJECT}:\n"
            f'[tool.pdm.build.wheel-data]\npurelib = [{{ path = "{facts.config}", relative-to = "." }}]'
        )
    return f"{backend} cannot put it there; build with hatchling, or bake with: statebake bake pex"


def artifacts(facts: ProjectFacts, files: Sequence[str]) -> str:
    """Return the line that makes hatchling take files although a rule matches them."""
    state = f"/{facts.state}/"
    others = sorted(f"/{file}" for file in files if not f"/{file}".startswith(state))
    wanted = [state, *others] if any(f"/{file}".startswith(state) for file in files) else others
    table = "hatch.build.targets.wheel"
    if not _patterns(facts.pyproject, (*table.split("."), "artifacts")):
        table = "hatch.build"
    already = _patterns(facts.pyproject, (*table.split("."), "artifacts"))
    return f"add to {PYPROJECT}: [tool.{table}] artifacts = {_strings([*already, *wanted])}"


def package_data(facts: ProjectFacts) -> str:
    """Return the lines that make setuptools take the state and the declarations."""
    package = facts.package.replace("/", ".")
    table = table_at(facts.pyproject, "tool", *_PACKAGE_DATA)
    already = _patterns(facts.pyproject, (*_PACKAGE_DATA, package))
    line = f'"{package}" = {_strings([*already, *_package_patterns(facts)])}'
    if isinstance(table, Mapping):
        return f"set in [tool.{'.'.join(_PACKAGE_DATA)}] of {PYPROJECT}: {line}"
    return f"add to {PYPROJECT}:\n[tool.{'.'.join(_PACKAGE_DATA)}]\n{line}"


def _package_patterns(facts: ProjectFacts) -> list[str]:
    """Return the patterns of the state and the declarations, relative to their package.

    setuptools' globs are those of Python's ``glob``: ``*`` and ``**`` match nothing that begins with a dot.
    """
    state = facts.state.rpartition("/")[2]
    inside = [file[len(facts.state) + 1 :] for file in facts.state_files()]
    patterns = [f"{state}/*", f"{state}/{IGNORE_NAME}", f"{state}/**/*"]
    hidden = {part for file in inside for part in file.split("/")[:-1] if part.startswith(".")}
    if any("/" in file and file.rpartition("/")[2].startswith(".") for file in inside):
        patterns.append(f"{state}/**/.*")
    patterns += [pattern for name in sorted(hidden) for pattern in _below(state, name)]
    names = sorted({file.rpartition("/")[2] for file in facts.declarations})
    return [*patterns, *(f"**/{name}" for name in names)]


def _below(state: str, name: str) -> tuple[str, str]:
    return f"{state}/**/{name}/**/*", f"{state}/**/{name}/**/.*"


def _poetry_includes(facts: ProjectFacts, files: Sequence[str]) -> list[str]:
    state = f"{facts.state}/"
    others = sorted(file for file in files if not file.startswith(state))
    return [f"{facts.state}/**/*", *others] if any(file.startswith(state) for file in files) else others


def _tables(facts: ProjectFacts, paths: Iterable[str]) -> str:
    """Return what poetry's ``include`` becomes with these paths: what it has already stays."""
    found = table_at(facts.pyproject, "tool", "poetry", "include")
    already = found if isinstance(found, list) else []
    return toml_value([*already, *({"path": path, "format": ["sdist", "wheel"]} for path in paths)])


def _only_include(facts: ProjectFacts, files: Sequence[str]) -> Cause | None:
    """Return that hatchling takes only some paths, where these are not among them, and how to add them."""
    for keys in _ONLY_INCLUDE:
        only = _patterns(facts.pyproject, keys)
        if not only or all(any(f"{file}/".startswith(f"{path.strip('/')}/") for path in only) for file in files):
            continue
        *table, name = keys
        paths = [facts.state, *sorted(file for file in files if not file.startswith(f"{facts.state}/"))]
        return Cause(
            Code.LEFT_OUT_BY_BACKEND,
            f"`{name}` in [tool.{'.'.join(table)}] does not name it",
            PYPROJECT,
            f"set in [tool.{'.'.join(table)}] of {PYPROJECT}: {name} = {_strings([*only, *paths])}",
        )
    return None


def _strings(values: Iterable[str]) -> str:
    """Return a list of TOML with each value once."""
    return toml_value(list(dict.fromkeys(values)))


def _names(facts: ProjectFacts, files: Sequence[str]) -> list[str]:
    """Return the names that patterns may be about: relative to the project, and to what is on the import path."""
    root = f"{facts.import_root}/" if facts.import_root else ""
    return [*files, *(file[len(root) :] for file in files if root and file.startswith(root))]


def _patterns(pyproject: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    value: Any = pyproject.get("tool")
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
