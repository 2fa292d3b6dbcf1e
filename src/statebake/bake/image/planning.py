"""Deciding what an image is made of; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from statebake.bake.image.dependencies import ImageDependencies
from statebake.bake.image.plan import APP_DIR, ImagePlan, Source
from statebake.bake.image.quoting import check_user, check_variable
from statebake.config import BuilderCompat, DockerSettings, Project, table_at
from statebake.errors import Code, StatebakeError
from statebake.hosts import ImageRun
from statebake.model.image_reference import check_reference
from statebake.model.keys import STATE_DIR_NAME

DEFAULT_BUILDER: BuilderCompat = "buildkit"
_SCRIPTS = (("project", "scripts"), ("project", "gui-scripts"), ("tool", "poetry", "scripts"))


def plan_image(
    project: Project,
    docker: DockerSettings,
    *,
    run: ImageRun,
    python: str,
    import_root: str,
    defs_path: str,
    sources: Sequence[Source],
    dependencies: ImageDependencies,
    config: bool,
    refresh: bool = False,
    builder: BuilderCompat | None = None,
) -> ImagePlan:
    """Return the plan of an image.

    ``python`` is the version as ``3.12``; ``import_root`` and ``defs_path`` are relative to the project; ``builder`` is
    what the engine said of itself, the setting counts more. ``refresh``: the build fetches the state.

    Raises ``StatebakeError``: ``BAD_SETTING``, ``BAD_REFERENCE``.
    """
    level = docker.builder_compat or builder or DEFAULT_BUILDER
    if refresh and level == "classic":
        raise StatebakeError(
            Code.BAD_SETTING,
            "A refresh inside the build needs secrets, and the classic builder has none.",
            where="docker.builder_compat",
            next_step="build with BuildKit or buildah, or refresh before the build: statebake bake docker",
        )
    inside = PurePosixPath(project.directory.relative_to(dependencies.context).as_posix())
    return ImagePlan(
        context=dependencies.context,
        prefix="" if str(inside) == "." else f"{inside}/",
        project=project.name,
        version=_declared(project, "version"),
        description=_declared(project, "description"),
        builder=level,
        base_image=check_reference(docker.base_image or f"python:{python}-slim", where="docker.base_image"),
        sources=tuple(sources),
        import_root=import_root,
        state=str(PurePosixPath(defs_path, STATE_DIR_NAME)),
        config=config,
        local_dependencies=dependencies.directories,
        command=run.command,
        health=run.health,
        port=run.port,
        user=check_user(docker.user, where="docker.user"),
        environment={
            **run.environment,
            "PYTHONPATH": _import_path(import_root, sources),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        refresh=_variables(docker) if refresh else None,
    )


def must_start(project: Project, docker: DockerSettings, plan: ImagePlan) -> None:
    """Raise ``BAD_SETTING`` where the command is a script of the project's, which is not installed in the image.

    A template of the user's own may install it.
    """
    first = plan.command[0] if plan.command else ""
    for place in _SCRIPTS:
        scripts = table_at(project.pyproject, *place)
        found = scripts.get(first) if isinstance(scripts, Mapping) else None
        if isinstance(found, str) and docker.template is None:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The image would run {first!r}, which [{'.'.join(place)}] declares: no such program is there, for the "
                "image has the project's files as they are.",
                where="docker.command",
                next_step=f"run with `python -m` or `python -c` what the program runs: {found}",
            )


def image_sources(project: Path, import_root: Path, own: Sequence[Path], packages: Sequence[str]) -> tuple[Source, ...]:
    """Return the project's own code: ``src`` where it has one, else ``own``; and ``packages``, relative to it.

    Raises ``StatebakeError`` (``BAD_SETTING``) for a package that is not there, or not in the project.
    """
    found = [import_root] if import_root != project else list(own)
    for package in packages:
        path = project / package
        inside = path.resolve().is_relative_to(project) and path.resolve() != project
        if not inside or ".." in PurePosixPath(package).parts or not path.exists():
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The setting `packages` names {package!r}, which is no package or directory inside the project.",
                where=str(path),
                next_step="correct the setting",
            )
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return tuple(Source(path.relative_to(project).as_posix(), path.is_dir()) for path in found)


def _import_path(import_root: str, sources: Sequence[Source]) -> str:
    """Return ``PYTHONPATH``; as in every artifact, what the setting ``packages`` names can be imported by its name."""
    parents = [str(PurePosixPath(APP_DIR, source.path).parent) for source in sources if source.path != import_root]
    return ":".join(dict.fromkeys([str(PurePosixPath(APP_DIR, import_root)), *parents]))


def _variables(docker: DockerSettings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_variable(name, where="docker.refresh_secrets") for name in docker.refresh_secrets))


def _declared(project: Project, name: str) -> str | None:
    table: Any = project.pyproject.get("project")
    found = table.get(name) if isinstance(table, Mapping) else None
    return found if isinstance(found, str) and found else None
