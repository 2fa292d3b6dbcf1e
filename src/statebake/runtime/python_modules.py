"""Finding the ``@component_instance`` functions of one Python module below the defs dir."""

from __future__ import annotations

from statebake.errors import Code, StatebakeError
from statebake.runtime.class_lookup import origin
from statebake.runtime.instances import ComponentInstance, component_instance
from statebake.runtime.suggest import import_again, run_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def instances_in(file: Path, module_name: str | None) -> list[ComponentInstance]:
    """Return the component instances that ``file`` defines (not those it imports), by line.

    The file is imported as ``module_name``, or by path when that is ``None``, and only if its text mentions
    ``component_instance``: a program's other modules, which may even call ``load_defs``, are left alone.
    Raises ``StatebakeError``: ``PROJECT_IMPORT`` when it cannot be imported, ``OTHER_COPY`` when the name
    leads to another file.
    """
    try:
        if component_instance.__name__.encode() not in file.read_bytes():
            return []
        module = _import_by_path(file) if module_name is None else _import_by_name(module_name)
    except (Exception, SystemExit) as error:
        raise StatebakeError(
            Code.PROJECT_IMPORT,
            f"{file.name} cannot be imported: {type(error).__name__}: {error}",
            where=origin(error, str(file)) or f"{file}:1",
            next_step=import_again(module_name) if module_name else run_again(str(file)),
            detail=origin(error),
        ) from error
    imported = getattr(module, "__file__", None)
    if imported is None or not file.samefile(imported):
        raise StatebakeError(
            Code.OTHER_COPY,
            f"Importing {module_name} leads to another file: {imported}.",
            where=f"{file}:1",
            next_step="put this project first on PYTHONPATH, or uninstall the other copy",
        )
    own = {
        id(value): value
        for value in vars(module).values()
        if isinstance(value, ComponentInstance)
        and getattr(value.function, "__module__", module.__name__) == module.__name__
    }
    return sorted(own.values(), key=lambda instance: instance.line)


def _import_by_name(module_name: str) -> ModuleType:
    from importlib import import_module

    return import_module(module_name)


def _import_by_path(file: Path) -> ModuleType:
    import sys
    from importlib.util import module_from_spec, spec_from_file_location

    name = f"_statebake_defs_{abs(hash(str(file))):x}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {file}")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
