"""The project's own code in a PEX: in which form it goes in, and its wheel where that is the form."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from statebake.bake import BakePlan, SourceFile, StateFile
from statebake.bake.code_form import COMPILED_SUFFIXES, CodeForm, code_form
from statebake.bake.own_metadata import asks_for_itself
from statebake.bake.sources import collect_sources
from statebake.bake.wheel.contents import left_out_of_wheel
from statebake.bake.wheel.project_wheel import build_project_wheel
from statebake.config import CodeSetting, Project, backend_of, import_root, table_at
from statebake.config.backends import hatch_of
from statebake.errors import Code, StatebakeError
from statebake.hosts import Host
from statebake.pipeline import OpenProject
from statebake.pipeline.build_artifact import finish_wheel
from statebake.progress import Observer


def form_of_code(opened: OpenProject, sources: Sequence[SourceFile]) -> CodeForm:
    """Return in which form the project's code, which is in ``sources``, goes into a PEX.

    Raises ``StatebakeError`` (``BAD_SETTING``).
    """
    form = _form(opened, sources, opened.target.settings.pex.code)
    if form.as_wheel and not _is_package(opened):
        raise StatebakeError(
            Code.BAD_SETTING,
            "The definitions are a single module: a wheel has no place for its state.",
            where=f"pex.code: {opened.target.settings.pex.code}",
            next_step="make the module a package, or bake it with --code files",
        )
    return form


def missing_in_image(opened: OpenProject, host: Host) -> str | None:
    """Return why a build of the project makes more than its files, which is all that an image has; or ``None``.

    Raises ``StatebakeError`` (``BAD_SETTING``).
    """
    project, settings = opened.target.project, opened.target.settings
    own = host.own_modules(project, settings)
    sources = collect_sources(project.directory, opened.discovery.defs_dir, own, settings.packages)
    form = _form(opened, sources, "auto")
    return form.why if form.as_wheel else None


def _form(opened: OpenProject, sources: Sequence[SourceFile], setting: CodeSetting) -> CodeForm:
    project = opened.target.project

    def text(name: str) -> str | None:
        path = project.directory / name
        try:
            return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
        except OSError as error:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"{name} cannot be read: {error.strerror}.",
                where=str(path),
                next_step="make it readable",
            ) from error

    return code_form(
        setting,
        project.pyproject,
        backend=_backend(opened),
        is_package=_is_package(opened),
        hatch=hatch_of(project),
        setup_py=text("setup.py"),
        setup_cfg=text("setup.cfg"),
        sources=(file.path for file in sources),
        asking=_asking(project, sources),
    )


def _is_package(opened: OpenProject) -> bool:
    defs_dir = opened.discovery.defs_dir
    return import_root(opened.target.project.directory, defs_dir).resolve() != defs_dir.resolve()


def own_files(sources: Sequence[SourceFile]) -> tuple[StateFile, ...]:
    """Return the files of the project that its wheel must have in a PEX; what is compiled is there in another form."""
    kept = (file for file in sources if not file.path.endswith(COMPILED_SUFFIXES))
    return tuple(StateFile(file.path, source=file.source) for file in kept)


def wheel_with_state(
    opened: OpenProject, plan: BakePlan, scratch: Path, *, env: Mapping[str, str], observer: Observer
) -> Path | None:
    """Return the project's wheel, in ``scratch``, with the state in it; ``None`` where its files go in as they are.

    What of the project's own files its backend leaves out is put in as well: all that is at hand where the project runs
    from its sources is at hand in the PEX.

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
        pex_args=plan.pex_args,
        env=env,
    )
    with zipfile.ZipFile(built) as archive:
        left_out = left_out_of_wheel(plan.wheel, frozenset(archive.namelist()))
    if left_out:
        files = "1 file" if len(left_out) == 1 else f"{len(left_out)} files"
        observer.stage(f"Putting in {files} that {backend} leaves out: {', '.join(left_out[:3])}")
    finish_wheel(built, plan.wheel, backend, complete)
    return complete / built.name


def _asking(project: Project, sources: Sequence[SourceFile]) -> Iterator[str]:
    """Yield the paths of the modules that ask for the metadata of the project; what cannot be read asks for nothing."""
    poetry = table_at(project.pyproject, "tool", "poetry", "name")
    names = {project.name, *([poetry] if isinstance(poetry, str) else [])}
    for file in sources:
        if file.path.endswith(".py"):
            with contextlib.suppress(OSError):
                if asks_for_itself(file.source.read_text(encoding="utf-8-sig", errors="replace"), names):
                    yield file.path


def _backend(opened: OpenProject) -> str | None:
    """Return the backend that builds the project, or the one that statebake wraps."""
    return opened.target.settings.build_backend or backend_of(opened.target.project.pyproject)
