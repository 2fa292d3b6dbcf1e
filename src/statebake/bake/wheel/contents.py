"""What a distribution of a project must have inside, and what that changes in one that a backend has made; no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from statebake.bake.state_files import StateFile, state_path
from statebake.config.dg import configured_module, loads_package
from statebake.config.layout import BY_ITS_NAME
from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest

CONFIG_NAMES = ("dg.toml", "pyproject.toml")
"""What Dagster is configured by: the first that is in a directory counts there."""


@dataclass(frozen=True)
class Contents:
    """What must be inside. Paths are those of the code as it is imported: ``shop/defs/…``.

    Attributes:
        package: the directory of the definitions, ``shop/defs``.
        import_root: the directory of the project on the import path, ``src``; empty for the project itself.
        has_code: the package has Python files.
        manifest: what ``state`` is.
        state: the state directory, file by file.
        declarations: the files that declare components.
        declaration_names: what such files are called, of those that the framework reads.
        declared: the paths of those that were there when the state was checked.
        others: further files of the project that a wheel must have.
        config: the text of the ``pyproject.toml`` that the framework must find inside of a wheel, if any.
        config_dir: the directory that is its place: one that is the project's own, for the top of a wheel becomes that
            of all wheels that are installed together, and a namespace's belongs to several.
        project_files: what a build from the source distribution reads; paths relative to the project.
        moved: what says that packages have other names than in the project (``moves_packages``), if anything does.
    """

    package: str
    import_root: str
    has_code: bool
    manifest: Manifest
    state: tuple[StateFile, ...]
    declarations: tuple[StateFile, ...] = ()
    declaration_names: tuple[str, ...] = ()
    declared: frozenset[str] = frozenset()
    others: tuple[StateFile, ...] = ()
    config: str | None = None
    config_dir: str = ""
    project_files: tuple[StateFile, ...] = ()
    moved: str | None = None

    @property
    def state_dir(self) -> str:
        """The path of the state directory."""
        return state_path(self.package)


@dataclass(frozen=True)
class Changes:
    """What is done to an archive.

    Attributes:
        state_dir: the path inside of it that everything is removed from.
        added: what is put in, sorted by path.
    """

    state_dir: str
    added: tuple[StateFile, ...]

    def removes(self, path: str) -> bool:
        """Return whether what is at ``path`` is not kept."""
        return path.rstrip("/") == self.state_dir or path.startswith(f"{self.state_dir}/")


def roots_of_wheel(names: Collection[str]) -> tuple[str, ...]:
    """Return the directories of a wheel that are installed where packages are imported from (PyPA
    specifications, "Binary distribution format"): empty for the top, or with a slash at the end.
    """
    data = sorted({name.partition("/")[0] for name in names if name.partition("/")[0].endswith(".data")})
    return ("", *(f"{place}/{scheme}/" for place in data for scheme in ("purelib", "platlib")))


def wheel_changes(contents: Contents, names: Collection[str], configs: Mapping[str, str], backend: str) -> Changes:
    """Return what is done to a wheel that ``backend`` made and that has the files ``names``.

    ``configs``: the text of its configuration files, by path. Raises ``StatebakeError``: ``LEFT_OUT_BY_BACKEND`` where
    it lacks the code itself, ``ARTIFACT_MISMATCH`` where it declares what nobody has checked.
    """
    root = _root_with_code(contents, names, backend)
    for top in roots_of_wheel(names):
        _must_be_checked(contents, names, top, f"wheel that {backend} made")
    others = {file.path: file for file in (*contents.others, *contents.declarations)}
    added = [*_at(root, contents.state), *_missing(_at(root, others.values()), names)]
    if contents.config is not None and not _configured(contents.package, root, configs):
        own = f"{contents.config_dir}/" if contents.config_dir else ""
        places = [f"{root}{own}pyproject.toml", f"{root}pyproject.toml"]
        place = next((place for place in places if place not in names), None)
        if place is None:
            raise StatebakeError(
                Code.LEFT_OUT_BY_BACKEND,
                "There is no room in the wheel for the configuration that Dagster looks for: it has files called "
                "pyproject.toml without the project's [tool.dg.project].",
                where=places[0],
                next_step="put the project's own pyproject.toml there, or leave these files out",
            )
        added.append(StateFile(place, text=contents.config))
    return _changes(f"{root}{contents.state_dir}", added)


def left_out_of_wheel(contents: Contents, names: Collection[str]) -> list[str]:
    """Return which of the project's own files a wheel with the files ``names`` does not have."""
    roots = roots_of_wheel(names)
    return [file.path for file in contents.others if not any(f"{root}{file.path}" in names for root in roots)]


def sdist_changes(contents: Contents, names: Collection[str], top: str, backend: str) -> Changes:
    """Return what is done to a source distribution that ``backend`` made, with the directory ``top`` and the files
    ``names``. Raises ``StatebakeError`` as ``wheel_changes`` does; the code may be anywhere in it.
    """
    root = f"{top}/{contents.import_root}/" if contents.import_root else f"{top}/"
    place = f"/{_wanted(contents)}/"
    # A backend may move the sources, so any place will do: tests/fixtures/shop/defs/x.py counts as the package, too.
    starts = {name.partition(place)[0] for name in names if place in name}
    if not any(_has_code(contents, names, f"{start}/") for start in starts):
        raise _without_code(contents, "source distribution", backend)
    _must_be_checked(contents, names, root, f"source distribution that {backend} made")
    others = [*_at(root, contents.declarations), *_at(f"{top}/", contents.project_files)]
    return _changes(f"{root}{contents.state_dir}", [*_at(root, contents.state), *_missing(others, names)])


def _root_with_code(contents: Contents, names: Collection[str], backend: str) -> str:
    """Return the root that has the code."""
    for root in roots_of_wheel(names):
        if _has_code(contents, names, root):
            return root
    raise _without_code(contents, "wheel", backend)


def _has_code(contents: Contents, names: Collection[str], root: str) -> bool:
    """Return whether the package is below ``root``: more of it than what is put in."""
    place = f"{root}{_wanted(contents)}/"
    declared = {file.path for file in contents.declarations}
    return any(
        name.startswith(place)
        and not name.endswith("/")
        and not name.startswith(f"{root}{contents.state_dir}/")
        and name[len(root) :] not in declared
        for name in names
    )


def _must_be_checked(contents: Contents, names: Collection[str], root: str, made: str) -> None:
    """Raise ``ARTIFACT_MISMATCH`` where there are declarations below ``root`` that were not there before the build."""
    place = f"{root}{contents.package}/"
    found = (name for name in names if name.startswith(place) and name[len(root) :] not in contents.declared)
    unchecked = sorted(name for name in found if _is_declaration(contents, name[len(place) :]))
    if unchecked:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"{unchecked[0]} is in the {made}, but was not in the project when its state was checked: what it declares "
            "may have none.",
            where=unchecked[0],
            next_step="have the file made before the build and refresh, or, where an earlier build has left it, remove "
            "it; then build once more",
        )


def _is_declaration(contents: Contents, path: str) -> bool:
    """Return whether the framework reads the file ``path`` in the package: none that is hidden, such as the state."""
    *directories, name = path.split("/")
    hidden = any(directory.startswith(".") or directory == "__pycache__" for directory in directories)
    return name in contents.declaration_names and not hidden


def _wanted(contents: Contents) -> str:
    """Return the package, or, where that has no code, its topmost package."""
    return contents.package if contents.has_code else contents.package.partition("/")[0]


def _without_code(contents: Contents, what: str, backend: str) -> StatebakeError:
    wanted = _wanted(contents)
    why = f": {contents.moved}" if contents.moved else ""
    return StatebakeError(
        Code.LEFT_OUT_BY_BACKEND,
        f"The package {wanted.replace('/', '.')} itself is not in the {what} that {backend} made{why}.",
        where=wanted,
        next_step=BY_ITS_NAME if contents.moved else "see which packages the build backend finds, and name this one",
    )


def _configured(package: str, root: str, configs: Mapping[str, str]) -> bool:
    """Return whether the first configuration that a module in ``package`` finds, from there up to ``root``, is its."""
    place = f"{package}/"
    while True:
        for name in CONFIG_NAMES:
            path = f"{root}{place}{name}"
            if path in configs and (module := configured_module(name, configs[path])):
                return loads_package(module, package)
        if not place:
            return False
        above = place.rstrip("/").rpartition("/")[0]
        place = f"{above}/" if above else ""


def _at(root: str, files: Collection[StateFile]) -> list[StateFile]:
    return [replace(file, path=f"{root}{file.path}") for file in files]


def _missing(files: Collection[StateFile], names: Collection[str]) -> list[StateFile]:
    return [file for file in files if file.path not in names]


def _changes(state_dir: str, added: Collection[StateFile]) -> Changes:
    return Changes(state_dir, tuple(sorted(added, key=lambda file: file.path)))
