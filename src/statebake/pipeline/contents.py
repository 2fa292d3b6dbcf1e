"""What a project has to be given so that its wheel and its source distribution carry the state."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

from statebake.bake.image.plan import INPUTS_DIR
from statebake.bake.state_files import StateFile, state_files
from statebake.bake.templates import render
from statebake.bake.wheel.contents import Contents
from statebake.check import Snapshot
from statebake.config import BuildProject, Project, import_root
from statebake.config.backends import hatch_of
from statebake.config.layout import moves_packages
from statebake.errors import Code, StatebakeError
from statebake.hosts import Host, find_host
from statebake.model.discovery import Discovery
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.tree import list_files
from statebake.verify.surroundings import DECLARATION_NAMES

_OF_THE_PROJECT = ("dg.toml", "statebake.toml")
_CONFIG_IN_SDIST = f"{INPUTS_DIR}/artifact-pyproject.toml"


def wheel_contents(build: BuildProject, discovery: Discovery, snapshot: Snapshot, manifest: Manifest) -> Contents:
    """Return what a distribution of the project must have inside, whoever builds it: state that was checked, and more.

    Raises ``StatebakeError`` (``BAD_SETTING``) where its definitions are a single module.
    """
    project, defs_dir = build.project, discovery.defs_dir
    root = import_root(project.directory, defs_dir)
    package = defs_dir.resolve().relative_to(root.resolve()).as_posix()
    if package == ".":
        raise StatebakeError(
            Code.BAD_SETTING,
            "The definitions are a single module: its state would lie beside all packages that are installed.",
            where=str(defs_dir),
            next_step="make the module a package: a directory with an __init__.py",
        )
    names = [sanitize_key(key) for key in discovery.local_keys]
    state = {name: list_files(snapshot.key_dirs[name].path) for name in names}
    host = find_host(build.settings.host or build.project.host)
    config = _config(build, host)
    import_path = root.relative_to(project.directory).as_posix()
    return Contents(
        package=package,
        import_root="" if import_path == "." else import_path,
        has_code=any(_files(defs_dir, lambda name: name.endswith(".py"))),
        manifest=manifest,
        state=state_files(f"{package}/{STATE_DIR_NAME}", state, manifest),
        declarations=tuple(
            StateFile(f"{package}/{path.relative_to(defs_dir).as_posix()}", source=path)
            for path in _files(defs_dir, DECLARATION_NAMES.__contains__)
        ),
        declaration_names=host.declaration_names,
        declared=frozenset(
            f"{package}/{path.relative_to(defs_dir).as_posix()}" for path in declaration_files(defs_dir, host)
        ),
        config=config,
        config_dir=_own_directory(build.project, package),
        project_files=(
            *(
                StateFile(name, source=project.directory / name)
                for name in _OF_THE_PROJECT
                if (project.directory / name).is_file()
            ),
            *([] if config is None else [StateFile(_CONFIG_IN_SDIST, text=config)]),
        ),
        moved=moves_packages(project.pyproject, hatch_of(project)),
    )


def _own_directory(project: Project, package: str) -> str:
    """Return the deepest directory above the definitions in ``package``, the root module and the code location's one:
    from each of them Dagster looks upwards. It is empty where these have nothing in common.
    """
    if project.dg is None:
        return package
    modules = (project.dg.root_module, project.dg.code_location_target_module)
    return posixpath.commonpath([package, *(module.replace(".", "/") for module in modules)])


def declaration_files(defs_dir: Path, host: Host) -> Iterator[Path]:
    """Yield the files below a package's directory in which ``host`` finds declarations, sorted."""
    return _files(defs_dir, host.declaration_names.__contains__, links=True)


def _config(build: BuildProject, host: Host) -> str | None:
    """Return the text of the configuration that the framework must find.

    In a source distribution it has been kept, for it may name the directory of the project, which is another one there.
    """
    kept = build.project.directory / _CONFIG_IN_SDIST
    if build.in_sdist and kept.is_file():
        return kept.read_text(encoding="utf-8", errors="replace")
    config = host.artifact_config(build.project)
    return None if config is None else render("artifact-pyproject.toml", project=config)


def _files(directory: Path, wanted: Callable[[str], bool], *, links: bool = False) -> Iterator[Path]:
    """Yield the files below a package's directory with a ``wanted`` name, sorted; the state is no part of it.

    ``links``: those in directories that are symbolic links as well.
    """
    for place, directories, names in os.walk(directory, followlinks=links):
        directories[:] = sorted(
            name
            for name in directories
            if not name.startswith(".") and name != "__pycache__" and not _leads_up(Path(place, name))
        )
        yield from (Path(place, name) for name in sorted(names) if wanted(name))


def _leads_up(path: Path) -> bool:
    """Return whether ``path`` is a link to a directory that it is in."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())
