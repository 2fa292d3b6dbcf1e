"""From a project to what its image is made of: the plan of a Dockerfile, and what a build reads besides."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from statebake.bake import find_dependencies
from statebake.bake.dependency_source import DependencyKind, DependencySource
from statebake.bake.image.dependencies import ImageDependencies, image_dependencies
from statebake.bake.image.inputs import CONFIG_NAME, DEPENDENCIES_DIR, MOVE_STATE, Inputs
from statebake.bake.image.plan import ImagePlan
from statebake.bake.image.planning import image_sources, plan_image
from statebake.bake.requirement_text import requirement_text
from statebake.bake.runtime_wheel import build_runtime_wheel
from statebake.bake.sources import own_tops
from statebake.bake.templates import TEMPLATES_DIR, render
from statebake.config import BuilderCompat, Project, find_defs_dir, import_root
from statebake.config.python_version import admits, minor, other_python, pinned_python
from statebake.errors import Code, StatebakeError
from statebake.hosts import Host, find_host
from statebake.model.discovery import Discovery
from statebake.pipeline import Target
from statebake.process import run_tool, tail


@dataclass(frozen=True)
class ImageParts:
    """What the image of a project is made of, and where its dependencies are written down.

    ``from_source``: the normalized names of those that come from a directory or a repository, as far as they are known.
    """

    plan: ImagePlan
    inputs: Inputs
    dependencies: DependencySource
    from_source: frozenset[str]


def plan_image_of(
    target: Target,
    env: Mapping[str, str],
    *,
    discovery: Discovery | None = None,
    refresh: bool = False,
    builder: BuilderCompat | None = None,
) -> ImageParts:
    """Return what the image of a project is made of.

    Without a ``discovery`` the project's files alone say where its definitions are, and no code of it is imported.
    ``refresh``: the build itself fetches the state. ``builder``: what the engine said of itself.

    Raises ``StatebakeError``: ``BAD_SETTING``, ``BAD_REFERENCE``, ``OTHER_COPY``, ``TOOL_MISSING``, ``LOCK_NOT_READ``,
    ``NO_INTERPRETER``.
    """
    project, settings = target.project, target.settings
    host = find_host(settings.host or project.host)
    run = host.image_run(project, settings)
    defs_dir = discovery.defs_dir if discovery else find_defs_dir(project, settings)
    root = import_root(project.directory, defs_dir).resolve()
    if not root.is_relative_to(project.directory):
        raise StatebakeError(
            Code.BAD_SETTING,
            "The project's code lies outside of the project's directory, where a build cannot be given it.",
            where=str(root),
            next_step="replace the link in the project by the directory itself",
        )
    own = own_tops(root, host.own_modules(project, settings))
    source = find_dependencies(project, settings.lock, but=[DependencyKind.PEX_LOCK])
    dependencies = _dependencies(source, project, host, discovery, env)
    config = host.artifact_config(project)
    files = {f"{DEPENDENCIES_DIR}/{name}": content for name, content in dependencies.files.items()}
    files[MOVE_STATE] = (TEMPLATES_DIR / MOVE_STATE).read_bytes()
    if config is not None:
        files[CONFIG_NAME] = render("artifact-pyproject.toml", project=config).encode()
    plan = plan_image(
        project,
        settings.docker,
        run=run,
        python=_python_of(target, discovery, env),
        import_root=root.relative_to(project.directory).as_posix(),
        defs_path=defs_dir.resolve().relative_to(project.directory).as_posix(),
        sources=image_sources(project.directory, root, own, settings.packages),
        dependencies=dependencies,
        config=config is not None,
        refresh=refresh,
        builder=builder,
    )
    return ImageParts(plan, Inputs(files), source, dependencies.from_source)


def _dependencies(
    source: DependencySource, project: Project, host: Host, discovery: Discovery | None, env: Mapping[str, str]
) -> ImageDependencies:
    open_versions = discovery is not None and not source.locked and not host.brings_runtime
    with tempfile.TemporaryDirectory(prefix="statebake-") as scratch_name:
        scratch = Path(scratch_name)
        text = requirement_text(source, project, brings_runtime=host.brings_runtime, scratch=scratch, env=env)
        return image_dependencies(
            text,
            project.directory,
            source=source.path.name,
            wheels=[build_runtime_wheel(scratch)] if host.brings_runtime else [],
            checked_with=discovery.host.replace(" ", "==") if discovery and open_versions else None,
        )


def _python_of(target: Target, discovery: Discovery | None, env: Mapping[str, str]) -> str:
    """Return the version of Python that the image has: the first of ``_versions`` that ``requires-python`` admits.

    Raises ``StatebakeError``: ``BAD_SETTING`` where it admits none, and unless the base image is named; and as
    ``_versions`` does.
    """
    project = target.project
    versions = _versions(target, discovery, env)
    table = project.pyproject.get("project")
    wanted = table.get("requires-python") if isinstance(table, Mapping) else None
    if not isinstance(wanted, str) or target.settings.docker.base_image is not None:
        return versions[0]
    try:
        specifiers = SpecifierSet(wanted)
    except InvalidSpecifier:
        return versions[0]  # what installs it is to judge that
    if suits := next((version for version in versions if admits(specifiers, version)), None):
        return suits
    raise StatebakeError(
        Code.BAD_SETTING,
        f"The image would have Python {versions[0]}, and the project requires {wanted}.",
        where=str(project.directory / "pyproject.toml"),
        next_step="name the version in a file .python-version, 3.12.4 say, or the image with --base-image",
    )


def _versions(target: Target, discovery: Discovery | None, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the versions of Python that the image can have, the best first.

    That is the one which ``.python-version`` says. Without one it is that of the project's interpreter, as ``3.12``, or
    with its patch.
    """
    file = target.project.directory / ".python-version"
    if file.is_file():
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise StatebakeError(
                Code.BAD_SETTING,
                f".python-version cannot be read: {error.strerror or error}.",
                where=str(file),
                next_step="make it a file that can be read",
            ) from error
        if (other := other_python(text)) and target.settings.docker.base_image is None:
            raise StatebakeError(
                Code.BAD_SETTING,
                f".python-version names {other}, and the base image would be one with the usual CPython.",
                where=str(file),
                next_step="name an image that has it, with --base-image",
            )
        if pinned := pinned_python(text):
            return (pinned,)
    version = discovery.python.version if discovery else _interpreter_version(target, env)
    return (minor(version), version) if re.fullmatch(r"\d+\.\d+\.\d+", version) else (minor(version),)


def _interpreter_version(target: Target, env: Mapping[str, str]) -> str:
    argv = [target.python, "-c", "import platform; print(platform.python_version())"]
    hint = "name another one with --python, or the image with --base-image"
    finished = run_tool(argv, env=env, cwd=target.project.directory, next_step=hint, code=Code.NO_INTERPRETER)
    version = finished.stdout.strip()
    if finished.returncode or not re.match(r"\d+\.\d+", version):
        raise StatebakeError(
            Code.NO_INTERPRETER,
            "The project's interpreter does not say which Python it is.",
            where=target.python,
            next_step=hint,
            detail=tail(finished.stderr) or None,
        )
    return version
