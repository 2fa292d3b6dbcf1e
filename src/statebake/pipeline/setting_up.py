"""What ``statebake init`` does with a project: looks at its files, plans the changes, and writes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from statebake.bake.image.context import find_ignore_file
from statebake.bake.image.generated_files import look_at_ignore_file
from statebake.bake.image.ignore_rules import parse_rules
from statebake.config import (
    Project,
    ResolvedConfig,
    choose_python,
    configure,
    find_defs_dir,
    find_projects,
    load_if_there,
)
from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_DIR_NAME
from statebake.pipeline import Target
from statebake.pipeline.imaging import plan_image_of
from statebake.pipeline.made_by import dockerfile_of
from statebake.setup.docker import DockerReading, docker_facts
from statebake.setup.facts import docker_files, look_at, look_at_ci, read_exact
from statebake.setup.plan import SetupPlan, plan_setup
from statebake.setup.write import write_changes


@dataclass(frozen=True)
class Setup:
    """A project with its interpreter in a word, and what is to be done in it."""

    target: Target
    interpreter: str
    plan: SetupPlan

    def must_be_done(self) -> None:
        """Raise ``StatebakeError`` (``OUT_OF_DATE``) where something is left to do: to be written, or by hand."""
        changes, to_do = self.plan.changes, self.plan.to_do
        if not changes and not to_do:
            return
        names = ", ".join(self.name_of(change.path) for change in changes)
        left = [f"{names} would be written"] if changes else []
        if to_do:
            left.append(f"{'one thing is' if len(to_do) == 1 else f'{len(to_do)} things are'} to be done by hand")
        raise StatebakeError(
            Code.OUT_OF_DATE,
            f"statebake is not set up here, or not wholly: {', and '.join(left)}.",
            where=str(changes[0].path if changes else self.target.project.directory),
            next_step="statebake init" if changes else to_do[0].text,  # the others are notes
        )

    def name_of(self, path: Path) -> str:
        """Return what to call a file: its path in the project, or in the repository around that."""
        directory = self.target.project.directory
        places = (directory, *directory.parents)
        return next(path.relative_to(place).as_posix() for place in places if path.is_relative_to(place))


def find_setup_targets(dirs: Sequence[Path], env: Mapping[str, str], cwd: Path) -> list[tuple[Target, str]]:
    """Return the projects, each with its interpreter in a word; one that has none gets statebake's own.

    As ``find_targets``, but that what has a ``pyproject.toml`` and is no project yet can become one, and that without
    ``dirs`` it is never another project than the one ``cwd`` is in: raises ``StatebakeError`` (``NO_PROJECT``) where
    that is in none of a workspace's.
    """
    projects = find_projects(dirs, cwd) if dirs else _projects_around(cwd.resolve())
    return [_target(project, configure(project, {}, env, cwd=cwd), env) for project in projects]


def plan_setup_of(target: Target, interpreter: str, env: Mapping[str, str], before: Sequence[Setup] = ()) -> Setup:
    """Return what is to be done in a project, after ``before``; nothing is fetched, and no code of it is imported.

    Raises ``StatebakeError``: ``BAD_TOML``, ``BAD_SETTING``, ``NO_BACKEND``, ``OUTPUT_FAILED``.
    """
    pending = {change.path: change.new for setup in before for change in setup.plan.changes}
    facts = look_at(
        target.project,
        target.settings,
        interpreter=interpreter,
        ci=look_at_ci(target.project, pending),
        docker=docker_facts(_read_docker(target, env)),
    )
    return Setup(target, interpreter, plan_setup(facts))


def plan_again(setup: Setup, env: Mapping[str, str]) -> Setup:
    """Return what is to be done now that one of those before was not written; raises as ``plan_setup_of``."""
    return plan_setup_of(setup.target, setup.interpreter, env)


def write_setup(setup: Setup) -> tuple[Path, ...]:
    """Write what is to be done, and return the files; raises ``StatebakeError`` (``NO_PROJECT``, ``OUTPUT_FAILED``)."""
    directory = setup.target.project.directory
    if not directory.is_dir():
        raise StatebakeError(
            Code.NO_PROJECT,
            "The project is not there any more. Nothing was written.",
            where=str(directory),
            next_step="give another one with --project DIR",
        )
    return write_changes(setup.plan.changes)


def _projects_around(cwd: Path) -> list[Project]:
    """Return the project that ``cwd`` is in, or all projects of the workspace that it is."""
    if (cwd / "pyproject.toml").is_file():
        return find_projects([cwd], cwd)
    projects = find_projects([], cwd)
    around = next((project for project in projects if cwd.is_relative_to(project.directory)), None)
    top = around.directory if around else projects[0].workspace
    for place in (cwd, *cwd.parents):
        if place == top:
            break
        pyproject = load_if_there(place / "pyproject.toml")
        if pyproject is not None and "project" in pyproject.data:  # a plain one, below one that is configured
            return find_projects([place], cwd)
    if around is None and cwd != top:
        raise StatebakeError(
            Code.NO_PROJECT,
            "This directory is in no project of the workspace, and from here all of them would be set up.",
            where=str(cwd),
            next_step="give one with --project DIR, or go to the workspace itself to set all of them up",
        )
    return projects


def _target(project: Project, config: ResolvedConfig, env: Mapping[str, str]) -> tuple[Target, str]:
    try:
        python = choose_python(project, config.settings, config.origins["python"], env)
    except StatebakeError as error:
        return Target(project, config, sys.executable, "statebake's own"), f"none: {error.message}"
    path = python.path
    name = path.relative_to(project.directory) if path.is_relative_to(project.directory) else path
    shown = python.origin if python.origin == "statebake's own" else f"{name} ({python.origin})"
    return Target(project, config, str(path), python.origin), shown


def _read_docker(target: Target, env: Mapping[str, str]) -> DockerReading:
    """Return what the Docker files say, and the ignore file of the context that the project's image has."""
    directory = target.project.directory
    files = {name: read_exact(directory / name) or "" for name in docker_files(directory, target.settings)}
    dockerfile = dockerfile_of(target)
    if not files or not _may_be_ignored(directory, dockerfile):
        return DockerReading(files)
    try:
        state = find_defs_dir(target.project, target.settings).relative_to(directory) / STATE_DIR_NAME
    except StatebakeError:  # what is unknown then is told of the project as a whole
        return DockerReading(files)
    context, reading = directory, DockerReading(files, state.as_posix())
    try:
        plan = plan_image_of(target, env).plan
        context = plan.context
        reading = replace(
            reading,
            state=plan.state_in_context,
            ignore=look_at_ignore_file(plan, directory, dockerfile),
            ignore_in_build=look_at_ignore_file(replace(plan, refresh=()), directory, dockerfile),
        )
    except StatebakeError as error:
        reading = replace(reading, problem=error)
    ignore_file = find_ignore_file(context, dockerfile)
    if ignore_file is None:
        return DockerReading(files)
    reading = replace(reading, name=Path(os.path.relpath(ignore_file, directory)).as_posix())
    try:
        text = read_exact(ignore_file) or ""
        return replace(reading, text=text, rules=parse_rules(text, ignore_file.name))
    except StatebakeError as error:
        return replace(reading, text=None, problem=error)


def _may_be_ignored(directory: Path, dockerfile: Path) -> bool:
    """Return whether there is an ignore file in any directory that may be the context of the project's image."""
    return any(find_ignore_file(place, dockerfile) for place in (directory, *directory.parents))
