"""Dagster's side of the worker: finds every state-backed component of a project through Dagster's own component tree.

Written against Dagster 1.12 and 1.13. It never builds definitions, so nothing is fetched while it looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .attributes import add_differences
from .errors import HostError, describe, short_traceback, user_line

try:
    import dagster
    from dagster.components.component.state_backed_component import StateBackedComponent
    from dagster.components.core.component_tree import ComponentTree
    from dagster.components.core.decl import ComponentLoaderDecl, YamlDecl
    from dagster.components.core.defs_module import find_defs_or_component_yaml
except ImportError as import_error:
    have = getattr(sys.modules.get("dagster"), "__version__", None)
    raise HostError(
        "HOST_NOT_INSTALLED",
        f"This interpreter has Dagster {have}, which has no state-backed components; 1.12 or later is needed."
        if have
        else f"This interpreter has no Dagster ({describe(import_error)}).",
        where=sys.executable,
        next_step=f"{sys.executable} -m pip install 'dagster>=1.12'"
        if have
        else "install the project into it, or name the right one with --python",
    ) from import_error


class Host:
    """See ``Host`` in ``loading.py``."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.project = Path(request["project"])
        self.components: list[tuple[Any, dict[str, Any]]] = []

    def discover(self) -> dict[str, Any]:
        """Return every state-backed component of the project's component tree."""
        warnings.simplefilter("ignore")
        tree, declarations = self.tree()
        failures = []
        for location, declaration in declarations.items():
            if not may_be_state_backed(declaration):
                continue
            place = self.place(declaration)
            try:
                component = tree.load_component(location)
                if not isinstance(component, StateBackedComponent):
                    continue
                config = component.defs_state_config
                self.components.append(
                    (
                        component,
                        {
                            "type": type_name(type(component)),
                            "declared_at": place,
                            "key": str(config.key),
                            "management_type": config.management_type.value,
                            "source": source_of(component),
                        },
                    )
                )
            except (Exception, SystemExit) as error:
                failure = self.load_failure(declaration, root_cause(error))
                failures.append({"declared_at": place, "type": declared_type(declaration), **failure})
        add_differences(self.components)
        return {
            "host": f"dagster {dagster.__version__}",
            "defs_dir": str(tree.defs_module_path),
            "components": [found for _, found in self.components],
            "failures": failures,
        }

    def fetch(self, number: int, state_path: Path) -> None:
        """Have a component write its state: its own method, for Dagster's would write in place."""
        component = self.components[number][0]
        result = component.write_state_to_path(state_path)
        if inspect.isawaitable(result):

            async def finish() -> None:
                await result

            asyncio.run(finish())

    def tree(self) -> tuple[Any, dict[Any, Any]]:
        """Return the component tree and every declaration in it by location."""
        try:
            tree = ComponentTree.for_project(self.project)
            root = tree.find_root_decl()
            pairs = getattr(root, "iterate_loc_component_decl_pairs", None) or root.iterate_path_component_decl_pairs
            return tree, dict(pairs())
        except (Exception, SystemExit) as error:
            raise self.declaration_error(error) from error

    def load_failure(self, declaration: Any, cause: BaseException) -> dict[str, str | None]:
        """Return what the ``discovered`` message says of a component that cannot be instantiated."""
        lacking = getattr(getattr(declaration, "component_type", None), "__abstractmethods__", None)
        if lacking and isinstance(cause, TypeError):
            return {
                "code": "BAD_COMPONENT_CLASS",
                "message": f"The class {declared_type(declaration)} lacks {', '.join(sorted(lacking))}.",
                "next_step": f"correct {declaration.component_type.__name__}",
            }
        if problems := validation_problems(cause):
            return {
                "code": "BAD_ATTRIBUTES",
                "message": f"The attributes do not fit {declared_type(declaration)}: {problems}.",
                "next_step": "correct the attributes",
            }
        return {
            "code": "COMPONENT_LOAD",
            "message": f"This component cannot be loaded: {describe(cause)}",
            "detail": short_traceback(cause, str(self.project)),
        }

    def declaration_error(self, error: BaseException) -> HostError:
        """Return the error for a project whose declarations cannot be read, with the file and line at fault."""
        cause = root_cause(error)
        file = declared_file(error)
        mark = getattr(cause, "problem_mark", None)
        if mark is not None:
            path = file or Path(mark.name)
            return HostError(
                "BAD_YAML",
                f"This file is not YAML: {getattr(cause, 'problem', None) or describe(cause)}.",
                where=f"{self.relative(path)}:{marked_line(cause, path)}",
                next_step="mend the file",
            )
        own_line = user_line(cause, str(self.project))
        detail = short_traceback(cause, str(self.project)) if own_line else None
        if file is None or file.suffix == ".py":
            problem = f"{file.name} cannot be imported" if file else "Dagster cannot load this project"
            return HostError(
                "PROJECT_IMPORT",
                f"{problem}: {describe(cause)}",
                where=own_line or (f"{self.relative(file)}:1" if file else None),
                detail=detail or short_traceback(cause, str(self.project)),
            )
        where = f"{self.relative(file)}:{declared_line(error) or 1}"
        if went_through(error, "load_module_object"):
            return HostError(
                "BAD_TYPE",
                f"The component's type cannot be imported: {describe(cause)}",
                where=where,
                next_step="mend the `type`, or install the package that has it",
                detail=detail,
            )
        if went_through(error, "_get_component_class"):
            return HostError("BAD_COMPONENT_CLASS", describe(cause), where=where, next_step="mend the `type`")
        return HostError(
            "BAD_ATTRIBUTES",
            f"This declaration is not valid: {validation_problems(cause) or describe(cause)}.",
            where=where,
            next_step="mend the file",
        )

    def place(self, declaration: Any) -> str:
        """Return ``file:line`` of a declaration, the file relative to the project."""
        path = Path(getattr(declaration.loc if hasattr(declaration, "loc") else declaration.path, "file_path", "?"))
        if isinstance(declaration, YamlDecl):
            with contextlib.suppress(Exception):
                path = find_defs_or_component_yaml(path) or path
            return f"{self.relative(path)}:{document_line(declaration.source_tree)}"
        function = inspect.unwrap(declaration.component_node_fn)
        return f"{self.relative(path)}:{function.__code__.co_firstlineno}"

    def relative(self, path: str | os.PathLike[str]) -> str:
        """Return a path relative to the project where it is inside."""
        with contextlib.suppress(ValueError):
            return str(Path(os.path.realpath(path)).relative_to(os.path.realpath(self.project)))
        return str(path)


def may_be_state_backed(declaration: Any) -> bool:
    """Return whether a declaration can yield a state-backed component.

    A function says so by its return annotation; where that is missing or a string, only loading it tells. Dagster's own
    refresh passes over those, although its load does not.
    """
    if isinstance(declaration, YamlDecl):
        return issubclass(declaration.component_type, StateBackedComponent)
    if not isinstance(declaration, ComponentLoaderDecl):
        return False
    annotation = inspect.signature(declaration.component_node_fn).return_annotation
    if not isinstance(annotation, type) or annotation is inspect.Signature.empty:
        return True
    return issubclass(annotation, StateBackedComponent) or issubclass(StateBackedComponent, annotation)


def source_of(component: Any) -> str | None:
    """Return what a dbt component is made from: Dagster names its key after the last part of the directory only."""
    with contextlib.suppress(Exception):
        manager = component._project_manager
        if hasattr(manager, "repo_url"):
            return f"{manager.repo_url}#{manager.repo_relative_path}".rpartition("@")[2]
        return str(os.path.realpath(manager.args.project_dir))
    return None


def declared_type(declaration: Any) -> str | None:
    """Return the class that a declaration names, where that is known."""
    with contextlib.suppress(Exception):
        return type_name(declaration.component_type)
    return None


def type_name(cls: type) -> str:
    """Return ``package.module.ClassName``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def document_line(source_tree: Any) -> int:
    """Return the line of a YAML document's ``type``."""
    with contextlib.suppress(Exception):
        position_tree = source_tree.source_position_tree
        return int(position_tree.children.get("type", position_tree).position.start.line)
    return 1


def root_cause(error: BaseException) -> BaseException:
    """Return the exception under Dagster's wrappers, which only say where in the tree it happened."""
    while error.__cause__ is not None and error.__class__.__module__.startswith("dagster"):
        error = error.__cause__
    return error


def validation_problems(error: BaseException) -> str | None:
    """Return what pydantic found wrong, without the values, which may be secrets; ``None`` for another exception."""
    if error.__class__.__name__ != "ValidationError" or not hasattr(error, "errors"):
        return None
    found = []
    for problem in error.errors():
        path = ".".join(map(str, problem["loc"])).partition(" at ")[0]  # Dagster adds the line
        found.append(f"{path}: {problem['msg']}" if path else str(problem["msg"]))
    return "; ".join(found)


def marked_line(error: Any, file: Path) -> int:
    """Return the line that a YAML error is about; what is not closed is found behind the last line."""
    line, begun = error.problem_mark.line + 1, getattr(error, "context_mark", None)
    with contextlib.suppress(OSError, ValueError):
        last = len(file.read_text(encoding="utf-8").splitlines())
        if line > last:
            return int(begun.line + 1 if begun else last)
    return int(line)


def went_through(error: BaseException | None, function: str) -> bool:
    """Return whether an exception, or one that caused it, passed through a function of that name."""
    while error is not None:
        if any(frame.f_code.co_name == function for frame, _ in traceback.walk_tb(error.__traceback__)):
            return True
        error = error.__cause__ or error.__context__
    return False


def frames_with(error: BaseException | None, name: str) -> Iterator[Any]:
    """Yield the values of a local variable in the frames that an exception and its causes went through."""
    while error is not None:
        frame = error.__traceback__
        while frame is not None:
            if name in frame.tb_frame.f_locals:
                yield frame.tb_frame.f_locals[name]
            frame = frame.tb_next
        error = error.__cause__ or error.__context__


def declared_file(error: BaseException) -> Path | None:
    """Return the YAML or Python file that Dagster was reading when it failed: its exceptions do not always say."""
    found = [value for value in frames_with(error, "component_def_path") if value is not None]
    return found[-1] if found else None


def declared_line(error: BaseException) -> int | None:
    """Return the line of the YAML document that Dagster was reading when it failed."""
    found = list(frames_with(error, "source_tree"))
    return document_line(found[-1]) if found else None
