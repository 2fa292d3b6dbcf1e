"""Discovering what a package declares, each on its own: a broken one does not hide its siblings.

Declarations are, below the defs dir (names that begin with a dot and ``__pycache__`` are never entered):

- every ``defs.yaml``: documents separated by ``---``, each a ``type`` and ``attributes``;
- every ``@component_instance`` function of every Python module, save names that begin with an underscore, and
  save modules directly beside a ``defs.yaml``, which are that component's own code.

Their order is that of the paths, then that of the documents or lines.
"""

from __future__ import annotations

import os

from statebake.errors import Code, StatebakeError
from statebake.model.frozen import Frozen
from statebake.runtime.component import ComponentLoadContext, StateBackedComponent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from statebake.model.state_config import DefsStateConfig

YAML_NAME = "defs.yaml"
_MISNAMED = "defs.yml"


class Declared(Frozen):
    """A component that was declared and could be instantiated.

    Attributes:
        component: the instance.
        config: its state configuration, as it was at discovery.
        context: what the component is told at load; ``context.declared_at`` is relative to the defs dir.
        file: the declaring file.
        line: the line of ``type:`` in YAML, of ``def`` in Python.
    """

    component: StateBackedComponent
    config: DefsStateConfig
    context: ComponentLoadContext
    file: Path
    line: int

    @property
    def key(self) -> str:
        """The defs state key."""
        return self.config.key

    @property
    def type_name(self) -> str:
        """The class, ``package.module.ClassName``."""
        cls = type(self.component)
        return f"{cls.__module__}.{cls.__qualname__}"

    @property
    def where(self) -> str:
        """``file:line`` with the whole path, for errors."""
        return f"{self.file}:{self.line}"


class DeclarationFailure(Frozen):
    """A declaration that could not be turned into a component.

    Attributes:
        error: why, with a code.
        declared_at: ``file:line``, the file relative to the defs dir.
        file: the declaring file.
        line: the line of the declaration, or of what does not parse.
        type_name: the type as written; ``None`` where it is not known.
    """

    error: StatebakeError
    declared_at: str
    file: Path
    line: int
    type_name: str | None


class Place(Frozen):
    """Where one discovery looks: the defs dir, its package, and the environment of ``{{ env.NAME }}``."""

    defs_dir: Path
    package_name: str
    environ: Mapping[str, str]

    def package_of(self, directory: Path) -> str:
        """Return the name that ``directory`` has as a package."""
        return ".".join([self.package_name, *directory.relative_to(self.defs_dir).parts])

    def module_of(self, file: Path) -> str | None:
        """Return the name to import ``file`` by, or ``None`` when a dot in its path forbids that."""
        parts = (*file.parent.relative_to(self.defs_dir).parts, file.stem)
        if not self.package_name or any("." in part for part in parts):
            return None
        return f"{self.package_of(file.parent)}.{file.stem}"


def discover(
    defs_dir: Path, package_name: str, environ: Mapping[str, str] | None = None
) -> tuple[Declared | DeclarationFailure, ...]:
    """Return every declaration below ``defs_dir``, which is importable as ``package_name``, in order.

    ``environ`` is what ``{{ env.NAME }}`` refers to, by default the process's environment. Imports user code;
    an error in it becomes a ``DeclarationFailure`` with a code, never an exception.
    """
    place = Place(defs_dir=defs_dir, package_name=package_name, environ=os.environ if environ is None else environ)
    found: list[Declared | DeclarationFailure] = []
    for file in declaring_files(defs_dir):
        found.extend(_from_python(place, file) if file.suffix == ".py" else _from_yaml(place, file))
    return tuple(found)


def declaring_files(defs_dir: Path) -> list[Path]:
    """Return the files below ``defs_dir`` that may declare components, sorted by the parts of their paths."""
    from pathlib import Path

    found = []
    for directory, subdirectories, names in os.walk(defs_dir, followlinks=True):
        real = os.path.realpath(directory)
        subdirectories[:] = [
            name
            for name in subdirectories
            if not name.startswith(".") and name != "__pycache__" and not _is_parent(directory, name, real)
        ]
        here = Path(directory)
        found += [here / name for name in names if name in {YAML_NAME, _MISNAMED}]
        private = any(part.startswith("_") for part in here.relative_to(defs_dir).parts)
        if YAML_NAME not in names and not private:
            found += [here / name for name in names if name.endswith(".py") and name[0] not in "._"]
    return sorted(found, key=lambda path: path.parts)


def _is_parent(directory: str, name: str, real: str) -> bool:
    """Whether the subdirectory is a link to a directory that the walk is inside of."""
    target = os.path.realpath(os.path.join(directory, name))  # noqa: PTH118
    return (real + os.sep).startswith(target.rstrip(os.sep) + os.sep)


def _from_yaml(place: Place, file: Path) -> Iterator[Declared | DeclarationFailure]:
    from functools import partial

    from statebake.runtime.class_lookup import find_class, instantiate
    from statebake.runtime.defs_yaml import BadDocument, Document, read_documents
    from statebake.runtime.templating import resolve

    if file.name == _MISNAMED:
        error = StatebakeError(
            Code.BAD_YAML,
            f"{file.name} is not read: components are declared in {YAML_NAME}.",
            where=f"{file}:1",
            next_step=f"mv {file} {file.with_name(YAML_NAME)}",
        )
        yield _failure(place, file, 1, error, None)
        return

    package = place.package_of(file.parent)

    def build(document: Document, _: ComponentLoadContext) -> object:
        where = f"{file}:{document.line}"
        cls = find_class(document.type_name, package, where)
        attributes = {
            name: resolve(value, attribute=name, where=where, environ=place.environ)
            for name, value in document.attributes.items()
        }
        return instantiate(cls, attributes, where)

    for document in read_documents(file):
        if isinstance(document, BadDocument):
            yield _failure(place, file, document.line, document.error, None)
        else:
            yield _declare(place, file, document.line, document.type_name, partial(build, document))


def _from_python(place: Place, file: Path) -> Iterator[Declared | DeclarationFailure]:
    from statebake.runtime.python_modules import instances_in

    try:
        instances = instances_in(file, place.module_of(file))
    except StatebakeError as error:
        line = (error.where or "").rpartition(":")[2]
        yield _failure(place, file, int(line) if line.isdigit() else 1, error, None)
        return
    for instance in instances:
        yield _declare(place, file, instance.line, None, instance)


def _declare(
    place: Place,
    file: Path,
    line: int,
    type_name: str | None,
    build: Callable[[ComponentLoadContext], object],
) -> Declared | DeclarationFailure:
    context = ComponentLoadContext(
        defs_dir=place.defs_dir, path=file.parent, declared_at=_declared_at(place, file, line)
    )
    where = f"{file}:{line}"
    subject = type_name or "component instance"
    try:
        component = build(context)
        if not isinstance(component, StateBackedComponent):
            raise _bad_class(f"The {subject} is a {type(component).__name__}, not a StateBackedComponent.", where)
        subject = f"{type(component).__name__}.defs_state_config"
        config = _config_of(component, where)
    except StatebakeError as refused:
        return _failure(place, file, line, refused, type_name)
    except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever user code raises
        error = StatebakeError(
            Code.COMPONENT_LOAD,
            f"{subject} raised {type(raised).__name__}: {raised}",
            where=where,
            next_step="correct the component or its attributes",
        )
        error.__cause__ = raised
        return _failure(place, file, line, error, type_name)
    return Declared(component=component, config=config, context=context, file=file, line=line)


def _config_of(component: StateBackedComponent, where: str) -> DefsStateConfig:
    from statebake.model.state_config import DefsStateConfig, DefsStateManagementType
    from statebake.runtime.templating import UnsetEnv

    config: object = component.defs_state_config
    if not isinstance(config, DefsStateConfig):
        problem = f"a {type(config).__name__}, not a DefsStateConfig"
        raise _bad_class(f"The defs_state_config of {type(component).__name__} is {problem}.", where)
    key: object = config.key
    if isinstance(key, UnsetEnv):
        key.use()
    if not isinstance(key, str):
        raise _bad_class(f"The key of {type(component).__name__} is a {type(key).__name__}, not text.", where)
    strategy = DefsStateManagementType(config.management_type)  # a component may give its name; ValueError for none
    return DefsStateConfig(key=key, management_type=strategy, refresh_if_dev=config.refresh_if_dev)


def _bad_class(message: str, where: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_COMPONENT_CLASS, message, where=where, next_step="correct the component's class or function"
    )


def _declared_at(place: Place, file: Path, line: int) -> str:
    below = file.as_posix().removeprefix(f"{place.defs_dir.as_posix()}/")  # a file may declare thousands
    return f"{below}:{line}"


def _failure(place: Place, file: Path, line: int, error: StatebakeError, type_name: str | None) -> DeclarationFailure:
    error.where = error.where or f"{file}:{line}"
    return DeclarationFailure(
        error=error,
        declared_at=_declared_at(place, file, line),
        file=file,
        line=line,
        type_name=type_name,
    )
