"""What a project's files say that matters for setting statebake up; they are read, and nothing of them is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from statebake.bake import DependencySource, find_dependencies
from statebake.bake.image.generated_files import GeneratedFile
from statebake.config import Project, Settings, TomlFile, find_defs_dir, load_if_there, source_roots, table_at
from statebake.config.python_version import allowed_python, minor, pinned_python
from statebake.config.toml_file import is_file
from statebake.config.uv_use import sign_of_uv, source_of, uv_workspace_of
from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_DIR_NAME
from statebake.setup.gitlab import included_files, matches
from statebake.setup.notes import Note
from statebake.verify.surroundings import DECLARATION_NAMES

_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_VARIABLE = re.compile(r"""\benv(?:\.|\(\s*["'])([A-Za-z_]\w*)""")
_DOCKERFILES = ("Dockerfile", "Containerfile", "*.Dockerfile", "Dockerfile.*", "*.dockerfile")
_UNREAD_LOCKS = ("poetry.lock", "pdm.lock", "Pipfile.lock")
_MOST_INCLUDES = 150  # which is what GitLab allows
_COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


@dataclass(frozen=True)
class CiFacts:
    """The repository's CI.

    Attributes:
        root: the directory of the repository: the nearest one with a ``.git``, else the project's own.
        github: whether there are workflows of GitHub.
        gitlab: the text of ``.gitlab-ci.yml``, or ``None``.
        files: the texts of the files that statebake writes for them, as far as they exist; by path below ``root``.
        included: the texts of the files of the repository that ``.gitlab-ci.yml`` includes, and of what these do.
    """

    root: Path
    github: bool = False
    gitlab: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    included: tuple[str, ...] = ()


@dataclass(frozen=True)
class DockerFacts:
    """The project's Docker files.

    Attributes:
        files: their names.
        ignore: ``.dockerignore`` as it is and with statebake's block, where there is a reason to write that.
        losing: the rule that keeps the state out of the build context, as ``.dockerignore:3 (`**/.*`)``.
        note: what the user should know of it.
    """

    files: tuple[str, ...] = ()
    ignore: GeneratedFile | None = None
    losing: str | None = None
    note: Note | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of a project.

    Attributes:
        project: it.
        host: its framework.
        pyproject, own, hatch: its ``pyproject.toml``, ``statebake.toml`` and ``hatch.toml``, each with its exact text.
        setup_py: whether it has a ``setup.py`` or ``setup.cfg``.
        defs: the directory of its definitions, relative to it; or why that is not known.
        lock: where its dependencies are written down, or ``None``.
        unread_lock: the name of a lock of another tool, which statebake does not read, or ``None``.
        uv: how one can see that uv is used, or ``None``.
        python: the version of Python for CI, as ``3.12`` or ``3.11.4``.
        variables: the environment variables that its components read.
        interpreter: what imports its code, in a word.
        ci, docker: see there.
        single_module: whether its definitions are a module beside its packages, and not in a package.
        member: whether it is a member of a workspace of uv.
        only_a_source: whether uv is used only by projects that have this one for a source.
    """

    project: Project
    host: str
    pyproject: ExactFile | None
    own: ExactFile | None
    hatch: ExactFile | None
    setup_py: bool
    defs: PurePosixPath | StatebakeError
    lock: DependencySource | None
    unread_lock: str | None
    uv: str | None
    python: str
    variables: tuple[str, ...]
    interpreter: str
    ci: CiFacts
    docker: DockerFacts
    single_module: bool = False
    member: bool = False
    only_a_source: bool = False

    @property
    def state_dir(self) -> PurePosixPath | None:
        """The state directory, relative to the project, where it is known."""
        return None if isinstance(self.defs, StatebakeError) else self.defs / STATE_DIR_NAME


@dataclass(frozen=True)
class ExactFile:
    """A parsed file, and its text with the ends of its lines as they are."""

    toml: TomlFile
    text: str


def read_exact(path: Path) -> str | None:
    """Return a text file's content, byte for byte when ``encode`` turns it back; ``None``: there is none.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``) for one that cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StatebakeError(
            Code.OUTPUT_FAILED,
            f"{path.name} cannot be read: {error.strerror or error}.",
            where=str(path),
            next_step="make it a file that can be read and written",
        ) from error


def look_at(
    project: Project,
    settings: Settings,
    *,
    interpreter: str,
    ci: CiFacts | None = None,
    docker: DockerFacts | None = None,
) -> Facts:
    """Return what the files of ``project`` say; raises ``StatebakeError`` (``BAD_TOML``, ``OUTPUT_FAILED``)."""
    directory = project.directory
    pyproject, own, hatch = (_exact(directory / name) for name in ("pyproject.toml", "statebake.toml", "hatch.toml"))
    data = pyproject.toml.data if pyproject else {}
    defs = _defs(project, settings)
    own_uv = sign_of_uv(project)
    uv = own_uv or source_of(project)
    return Facts(
        project=project,
        host=settings.host or project.host,
        pyproject=pyproject,
        own=own,
        hatch=hatch,
        setup_py=any((directory / name).is_file() for name in ("setup.py", "setup.cfg")),
        defs=defs,
        lock=_lock(project, settings),
        unread_lock=next((name for name in _UNREAD_LOCKS if (directory / name).is_file()), None),
        uv=uv,
        python=_python(directory, data),
        variables=() if isinstance(defs, StatebakeError) else _variables(directory / defs),
        interpreter=interpreter,
        ci=ci or look_at_ci(project),
        docker=docker or DockerFacts(docker_files(directory, settings)),
        single_module=not isinstance(defs, StatebakeError) and directory / defs in source_roots(directory),
        member=uv_workspace_of(project) is not None,
        only_a_source=uv is not None and own_uv is None,
    )


def docker_files(directory: Path, settings: Settings) -> tuple[str, ...]:
    """Return the names of the project's Dockerfiles and compose files."""
    found = {path.name for pattern in (*_DOCKERFILES, *_COMPOSE_FILES) for path in directory.glob(pattern)}
    ours = {name for name in found if name.endswith(".dockerignore")}
    file = settings.docker.file
    named = [file.name] if file is not None and file.is_file() else []
    return tuple(sorted({*(found - ours), *named}))


def look_at_ci(project: Project, pending: Mapping[Path, str] | None = None) -> CiFacts:
    """Return the CI of the repository that ``project`` is in; ``pending``: what files will have by then."""
    places = (project.directory, *project.directory.parents)
    root = next((place for place in places if (place / ".git").exists()), project.directory)
    new = pending or {}
    gitlab = new.get(root / ".gitlab-ci.yml", read_exact(root / ".gitlab-ci.yml"))
    files = {}
    for directory in (".github/workflows", ".gitlab"):
        planned = [path for path in new if path.parent == root / directory]
        for path in sorted({*(root / directory).glob("statebake*.yml"), *planned}):
            text = new.get(path) if path in new else read_exact(path)
            if text is not None:
                files[f"{directory}/{path.name}"] = text
    included = tuple(_included(root, gitlab)) if gitlab else ()
    return CiFacts(root, (root / ".github" / "workflows").is_dir(), gitlab, files, included)


def _included(root: Path, text: str) -> Iterator[str]:
    """Yield the texts of the files below ``root`` that a text for GitLab includes, and of those that they include."""
    seen: set[Path] = set()
    texts = [text]
    while texts:
        named = [path for name in included_files(texts.pop()) for path in _files_named(root, name)]
        for path in (path for path in named if path not in seen and len(seen) < _MOST_INCLUDES):
            seen.add(path)
            texts.append(read_exact(path) or "")
            yield texts[-1]


def _files_named(root: Path, name: str) -> list[Path]:
    """Return the files that an ``include`` names; wildcards count below a directory that is named without them."""
    top = name.partition("*")[0].rpartition("/")[0]
    if not name or ".." in name.split("/") or ("*" in name and not top):
        return []
    paths = sorted((root / top).rglob("*.y*ml")) if "*" in name else [root / name]
    return [path for path in paths if is_file(path) and matches(name, path.relative_to(root).as_posix())]


def _exact(path: Path) -> ExactFile | None:
    parsed = load_if_there(path)
    if parsed is None:
        return None
    return ExactFile(parsed, read_exact(path) or "")


def _defs(project: Project, settings: Settings) -> PurePosixPath | StatebakeError:
    try:
        return PurePosixPath(find_defs_dir(project, settings).relative_to(project.directory).as_posix())
    except StatebakeError as error:
        if project.dg is None or (settings.host or project.host) != "dagster":
            return error
        return StatebakeError(  # whose modules only dg's own configuration names
            error.code,
            error.message,
            where=str(project.config_file),
            next_step="correct root_module or defs_module of its dg configuration",
        )


def _lock(project: Project, settings: Settings) -> DependencySource | None:
    try:
        return find_dependencies(project, settings.lock)
    except StatebakeError:  # nothing names them, which is for those commands to say that need them
        return None


def _python(directory: Path, pyproject: Mapping[str, Any]) -> str:
    """Return the version of Python that CI should take."""
    if pinned := pinned_python(read_exact(directory / ".python-version") or ""):
        return minor(pinned)
    wanted = table_at(pyproject, "project", "requires-python")
    return allowed_python(wanted if isinstance(wanted, str) else "")


def _variables(defs: Path) -> tuple[str, ...]:
    """Return the variables that declarations below ``defs`` name."""
    texts = (read_exact(path) or "" for path in _declarations(defs))
    templates = (template for text in texts for template in _TEMPLATE.findall(text))
    return tuple(sorted({name for template in templates for name in _VARIABLE.findall(template)}))


def _declarations(defs: Path) -> Iterator[Path]:
    for name in DECLARATION_NAMES:
        yield from (path for path in defs.glob(f"**/{name}") if STATE_DIR_NAME not in path.parts and path.is_file())
