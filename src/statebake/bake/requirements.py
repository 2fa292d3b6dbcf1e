"""Reading requirement files and locks as far as a bake must.

Formats: pip's requirements file format, and ``pylock.toml`` (PEP 751).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from statebake.config import load_toml, table_at
from statebake.errors import Code, StatebakeError
from statebake.model.origin import names_from_source

_OPTION_WITH_FILE = re.compile(r"^(?:(?P<include>-r|--requirement)|-c|--constraint)[ =]?\s*(?P<file>\S+)")
_LOCAL = re.compile(
    r"^(?:-e\s*|--editable[ =]\s*)?(?:[\w.-]+(?:\[[^\]]*\])?\s*@\s*(?=file:))?(?:file:(?://(?:localhost)?)?)?"
    r"(?P<path>[./~][^;\[#\s]*|[\w.-]+(?:/[\w.-]+)+/?)(?:\[(?P<extras>[^\]]*)\])?(?:\s+--.*|\s*[;#].*)?$"
)


def names_statebake(requirement: str) -> bool:
    """Return whether a requirement is for statebake itself, with whatever extras."""
    try:
        return canonicalize_name(Requirement(requirement).name) == "statebake"
    except InvalidRequirement:
        return False


def own_lines_removed(path: Path, project: Path, own: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return a requirements file's text with what the project needs in place of the project itself.

    The project goes in as sources: as a requirement, a cache would serve an old build of it. ``own`` has its
    dependencies under ``""`` and those of its extras by name. The files that it includes are put in their place, local
    paths are made absolute, and a constraints file is followed by its digest: the text says all that the dependencies
    depend on, wherever it is written to.

    Raises ``StatebakeError`` (``BAD_SETTING``) where one of the files cannot be read.
    """
    return "".join(f"{line}\n" for line in _flat_lines(path, project, own or {}, ()))


def _flat_lines(
    path: Path, project: Path, own: Mapping[str, Sequence[str]], parents: tuple[Path, ...]
) -> Iterator[str]:
    for written in _logical_lines(_read(path, parents)):
        line = re.sub(r"\bfile:(?![/.~])", "file:./", written)
        local = _LOCAL.match(line)
        option = _OPTION_WITH_FILE.match(line)
        if option and "://" not in option["file"]:
            file = (path.parent / option["file"]).resolve()
            if file in {path.resolve(), *parents}:
                continue
            inner = list(_flat_lines(file, project, own, (*parents, path.resolve())))
            if option["include"]:
                yield from inner
            else:
                yield f"--constraint {file}"
                yield f"# sha256:{hashlib.sha256(chr(10).join(inner).encode()).hexdigest()}"
        elif local:
            # pip takes a relative path from the current directory, pex and uv from the file's.
            meant = [(base / local["path"]).resolve() for base in (path.parent, project)]
            if project.resolve() in meant:
                extras = (local["extras"] or "").replace(" ", "").split(",")
                for name in dict.fromkeys(["", *extras]):
                    yield from own.get(name, ())
            else:
                target = next((place for place in meant if place.exists()), meant[0])
                yield f"{line[: local.start('path')]}{target}{line[local.end('path') :]}"
        else:
            yield line


def _read(path: Path, parents: tuple[Path, ...]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise StatebakeError(
            Code.BAD_SETTING,
            f"The requirements file {path.name} cannot be read: {reason}.",
            where=str(path),
            next_step=f"correct {parents[-1]}, which names it" if parents else "mend the file",
        ) from error


@dataclass(frozen=True)
class LocalRequirement:
    """A line for code on this machine: what stands around the path (``-e`` left out), and the absolute path."""

    before: str
    path: Path
    after: str


def requirement_lines(requirements: str) -> Iterator[str | LocalRequirement]:
    """Give a requirements text line by line, continued lines as one, comments left out."""
    for line in _logical_lines(requirements):
        if local := _LOCAL.match(line):
            before = re.sub(r"^(?:-e\s*|--editable[ =]\s*)", "", line[: local.start("path")])
            yield LocalRequirement(before, Path(local["path"]), line[local.end("path") :])
        else:
            yield line


def names_local(requirements: str) -> bool:
    """Return whether a requirements text names code on this machine, which can change while the text stays."""
    return any(_LOCAL.match(line) for line in _logical_lines(requirements))


def names_of_sources(requirements: str) -> frozenset[str]:
    """Return the normalized names of what a requirements text takes from a directory or a repository.

    A directory that does not say what it is called counts by its own name.
    """
    found: set[str] = set()
    for line in requirement_lines(requirements):
        if isinstance(line, str):
            found.update(names_from_source([line]))
        elif line.path.is_dir():
            found.add(_declared_name(line.path) or line.path.name)
    return frozenset(map(canonicalize_name, found))


def _declared_name(directory: Path) -> str | None:
    try:
        data = load_toml(directory / "pyproject.toml").data
    except StatebakeError:  # it is told by what builds it
        return None
    named = (table_at(data, *place, "name") for place in (("project",), ("tool", "poetry")))
    return next((name for name in named if isinstance(name, str)), None)


def with_local_paths_from(base: Path, requirements: str) -> str:
    """Return a requirements text with the local paths that are relative to ``base`` made absolute."""
    lines = []
    for line in _logical_lines(requirements):
        if local := _LOCAL.match(line):
            line = f"{line[: local.start('path')]}{(base / local['path']).resolve()}{line[local.end('path') :]}"  # noqa: PLW2901
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def without_statebake(requirements: str, only_its: Collection[str]) -> str:
    """Return a requirements text without statebake, and without the pinned lines whose names are in ``only_its``.

    Every other line stays as it is, also those that cannot be read here: pip is to judge them, not to miss them.
    """
    kept = []
    for line in _logical_lines(requirements):
        text = re.split(r"\s+--\S|\s+#", line)[0].strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            kept.append(line)
            continue
        pinned = any(part.operator in {"==", "==="} for part in requirement.specifier)
        if not names_statebake(text) and not (pinned and canonicalize_name(requirement.name) in only_its):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def has_hashes(requirements: str) -> bool:
    """Return whether a requirements text has hashes: pip then wants one for everything."""
    return " --hash" in requirements


def lines_of_pylock(path: Path, but: Collection[str] = ()) -> str:
    """Return what ``pylock.toml`` pins, the packages called ``but`` left out, as a requirements text with its hashes.

    Raises ``StatebakeError`` as ``pylock_names_project`` does, and ``BAD_SETTING`` for a package that is no version.
    """
    lines = []
    for package in _pylock_packages(path):
        if canonicalize_name(package["name"]) in but:
            continue
        if "version" not in package or any(kind in package for kind in ("directory", "vcs", "archive")):
            raise StatebakeError(
                Code.BAD_SETTING,
                f"This lock takes {package['name']} from a directory, a repository or an archive.",
                where=str(path),
                next_step="use a uv.lock or requirements.txt instead",
            )
        marker = f" ; {package['marker']}" if "marker" in package else ""
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        hashes = "".join(f" --hash={name}:{value}" for file in files for name, value in file.get("hashes", {}).items())
        lines.append(f"{package['name']}=={package['version']}{marker}{hashes}\n")
    return "".join(lines)


def pylock_names_project(path: Path, project: str) -> bool:
    """Return whether ``pylock.toml`` has the project itself among its packages.

    Raises ``StatebakeError``: ``BAD_TOML``, or ``BAD_SETTING`` where it is TOML and no lock.
    """
    return any(canonicalize_name(package["name"]) == canonicalize_name(project) for package in _pylock_packages(path))


def sources_of_pylock(path: Path) -> frozenset[str]:
    """Return what ``names_of_sources`` does, of ``pylock.toml``; raises as ``pylock_names_project`` does."""
    packages = _pylock_packages(path)
    return frozenset(canonicalize_name(item["name"]) for item in packages if "directory" in item or "vcs" in item)


def pylock_names_local(path: Path) -> bool:
    """Return whether ``pylock.toml`` names code on this machine; raises as ``pylock_names_project`` does."""
    return any("directory" in package for package in _pylock_packages(path))


def _pylock_packages(path: Path) -> list[dict[str, Any]]:
    packages = load_toml(path).data.get("packages", [])
    if isinstance(packages, list) and all(isinstance(it, dict) and isinstance(it.get("name"), str) for it in packages):
        return packages
    raise StatebakeError(
        Code.BAD_SETTING,
        "This is not a lock file: its `packages` are not tables with a `name` each (PEP 751).",
        where=str(path),
        next_step="make it again, for example: uv export --no-emit-project -o pylock.toml",
    )


def _logical_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield stripped
