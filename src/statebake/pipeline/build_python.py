"""The project's own interpreter, seen from a build, which mostly runs in an environment of its own.

The build's environment is not the project's, also where a frontend sets ``VIRTUAL_ENV`` to it. And the project's may
not be ready: uv builds a project before it installs what that requires. So an environment counts if it has what the
project requires.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.config import Interpreter, Project, ResolvedConfig, configured_python, environments, table_at
from statebake.errors import Code, StatebakeError
from statebake.process import project_env, run_tool

_ASK = Path(__file__).resolve().parent.parent / "worker" / "installed.py"
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_OVERLAY = "pip-build-env-"
"""How pip before 26 calls the directory whose ``sitecustomize`` hides an interpreter's own packages."""


@dataclass(frozen=True)
class BuildEnvironment:
    """The environment that a build runs in: its interpreter, and its prefix."""

    python: Path
    prefix: Path


@dataclass(frozen=True)
class BuildPython:
    """The interpreter for the project's code, or ``None``; and why others were not taken, a sentence each."""

    interpreter: Interpreter | None
    notes: tuple[str, ...] = ()


def find_build_python(
    project: Project, config: ResolvedConfig, distribution: str, env: Mapping[str, str], own: BuildEnvironment
) -> BuildPython:
    """Return the interpreter that has what the project requires, and its host's ``distribution``.

    It is the one that is configured, whatever it has; or else that of the project's ``.venv``, its workspace's, of
    ``VIRTUAL_ENV``, or the build's ``own``. Raises ``StatebakeError`` (``NO_INTERPRETER``) for a configured one.
    """
    if config.settings.python is not None:
        return BuildPython(configured_python(project, config.settings.python, config.origins["python"], env))
    required = _required(project)
    wanted = sorted({distribution, *(required or ())})
    notes = []
    for environment in environments(project, env):
        name = environment.origin.removeprefix("env ")
        if name != environment.origin and os.path.realpath(environment.path) == os.path.realpath(own.prefix):
            continue  # the frontend has set it, to the build's own
        try:
            python = environment.interpreter()
            missing = _missing(python, wanted, project, env)
        except StatebakeError as error:
            notes.append(f"The {name} is not used: {error.message.rstrip('.')}.")
            continue
        if not missing:
            return BuildPython(python, tuple(notes))
        notes.append(f"The {name} is not used, for it lacks {', '.join(missing)}.")
    python = Interpreter(own.python, "the build's own")
    # Where nobody says what the project requires, it may lack something that only shows when code is imported.
    if required is not None and not _missing(python, wanted, project, env):
        return BuildPython(python, tuple(notes))
    return BuildPython(None, tuple(notes))


def without_frontend(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what a frontend puts there for the build alone."""
    left = {name: value for name, value in env.items() if name not in {"VIRTUAL_ENV", "PYTHONNOUSERSITE"}}
    paths = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    kept = [path for path in paths if not any(part.startswith(_OVERLAY) for part in Path(path).parts)]
    left["PYTHONPATH"] = os.pathsep.join(kept)
    if not kept:
        del left["PYTHONPATH"]
    return left


def _required(project: Project) -> list[str] | None:
    """Return what the project requires in any case, by name; ``None`` where ``pyproject.toml`` does not say."""
    listed = table_at(project.pyproject, "project", "dependencies")
    dynamic = table_at(project.pyproject, "project", "dynamic")
    if not isinstance(listed, list):
        declared = isinstance(table_at(project.pyproject, "project"), Mapping)
        return [] if declared and not (isinstance(dynamic, list) and "dependencies" in dynamic) else None
    always = (item for item in listed if isinstance(item, str) and ";" not in item)
    return [found[1] for item in always if (found := _NAME.match(item))]


def _missing(python: Interpreter, wanted: Sequence[str], project: Project, env: Mapping[str, str]) -> list[str]:
    """Return which of the distributions an interpreter lacks; raises ``StatebakeError`` where it does not answer."""
    path = str(python.path)
    hint = "name another one: STATEBAKE_PYTHON"
    finished = run_tool(
        [path, str(_ASK), *wanted],
        env=project_env(without_frontend(env), path),
        cwd=project.directory,
        next_step=hint,
        code=Code.NO_INTERPRETER,
    )
    if finished.returncode:
        raise StatebakeError(
            Code.NO_INTERPRETER, f"{path} does not say what is installed in it", where=path, next_step=hint
        )
    found = finished.stdout.split()
    return [name for name in wanted if name not in found]
