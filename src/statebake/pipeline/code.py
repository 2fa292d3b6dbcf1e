"""The project's own code in a PEX: in which form it goes in, and its wheel where that is the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from statebake.bake import BakePlan, SourceFile
from statebake.bake.code_form import CodeForm, code_form
from statebake.bake.pex import without_requirements
from statebake.bake.wheel.project_wheel import build_project_wheel
from statebake.config import backend_of
from statebake.pipeline import OpenProject
from statebake.pipeline.build_artifact import finish_wheel
from statebake.progress import Observer


def form_of_code(opened: OpenProject, sources: Sequence[SourceFile]) -> CodeForm:
    """Return in which form the project's code, which is in ``sources``, goes into a PEX."""
    project = opened.target.project

    def text(name: str) -> str | None:
        path = project.directory / name
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    return code_form(
        opened.target.settings.pex.code,
        project.pyproject,
        backend=_backend(opened),
        setup_py=text("setup.py"),
        setup_cfg=text("setup.cfg"),
        sources=(file.path for file in sources),
    )


def wheel_with_state(
    opened: OpenProject, plan: BakePlan, scratch: Path, *, env: Mapping[str, str], observer: Observer
) -> Path | None:
    """Return the project's wheel, in ``scratch``, with the state in it; ``None`` where its files go in as they are.

    Raises ``StatebakeError`` as ``build_project_wheel`` and ``finish_wheel`` do.
    """
    if plan.wheel is None:
        return None
    project = opened.target.project
    backend = _backend(opened) or "setuptools"
    observer.stage(f"Building the wheel of {project.name} with {backend}")
    made, complete = scratch / "made", scratch / "complete"
    for directory in (made, complete):
        directory.mkdir()
    built = build_project_wheel(
        project.directory,
        made,
        python=plan.python,
        backend=backend,
        pex_args=without_requirements(plan.pex_args),
        env=env,
    )
    finish_wheel(built, plan.wheel, backend, complete)
    return complete / built.name


def _backend(opened: OpenProject) -> str | None:
    """Return the backend that builds the project, or the one that statebake wraps."""
    return opened.target.settings.build_backend or backend_of(opened.target.project.pyproject)
