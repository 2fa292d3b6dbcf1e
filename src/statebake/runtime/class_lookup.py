"""From a declaration to a component: the class that its ``type`` names, called with its attributes."""

from __future__ import annotations

import sys
from functools import lru_cache

from statebake.errors import Code, StatebakeError
from statebake.runtime.component import StateBackedComponent
from statebake.runtime.suggest import did_you_mean, import_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Parameter
    from types import ModuleType


def find_class(type_name: str, package: str, where: str) -> type[StateBackedComponent]:
    """Return the component class that ``type_name`` names.

    ``package`` is the module name of the declaring file's directory, to which a leading dot refers; each
    further dot is one level up. Raises ``StatebakeError``: ``BAD_TYPE`` when there is no such class,
    ``BAD_COMPONENT_CLASS`` when it is no ``StateBackedComponent`` or lacks a method.
    """
    module_name, _, class_name = _absolute(type_name, package, where).rpartition(".")
    module = _import(module_name, type_name, where)
    try:
        found = getattr(module, class_name)
    except AttributeError:
        classes = [name for name, value in vars(module).items() if isinstance(value, type)]
        hint = did_you_mean(class_name, classes)
        raise _bad_type(f"The module {module_name} has no {class_name!r}{hint}.", where) from None
    if not isinstance(found, type):
        raise _bad_type(f"{module_name}.{class_name} is not a class.", where)
    if not issubclass(found, StateBackedComponent):
        problem = "is not a subclass of statebake.StateBackedComponent"
    elif found.__abstractmethods__:
        problem = f"lacks {', '.join(sorted(found.__abstractmethods__))}"
    else:
        return found
    raise StatebakeError(
        Code.BAD_COMPONENT_CLASS,
        f"The class {module_name}.{class_name} {problem}.",
        where=where,
        next_step=f"correct {class_name} in {getattr(module, '__file__', module_name)}",
    )


def instantiate(cls: type[StateBackedComponent], attributes: Mapping[str, object], where: str) -> StateBackedComponent:
    """Return ``cls(**attributes)``.

    Raises ``StatebakeError(BAD_ATTRIBUTES)`` naming every argument that is unknown or missing; what the
    constructor itself raises passes through.
    """
    problems = _argument_problems(cls, attributes)
    if problems:
        raise StatebakeError(
            Code.BAD_ATTRIBUTES,
            f"The attributes do not fit {cls.__name__}: {'; '.join(problems)}.",
            where=where,
            next_step="correct the attributes",
        )
    return cls(**attributes)


def origin(error: BaseException, file: str | None = None) -> str | None:
    """Return ``file:line`` of the innermost frame of ``error``, of those in ``file`` when it is given."""
    if isinstance(error, SyntaxError) and error.filename and file in {None, error.filename}:
        return f"{error.filename}:{error.lineno}"
    found = None
    frame = error.__traceback__
    while frame:
        name = frame.tb_frame.f_code.co_filename
        if name == file or (file is None and not name.startswith("<frozen ")):
            found = f"{name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return found


def _absolute(type_name: str, package: str, where: str) -> str:
    relative = type_name.lstrip(".")
    dots = len(type_name) - len(relative)
    name = relative
    if dots:
        parents = package.split(".")
        if dots > len(parents):
            raise _bad_type(f"The type {type_name!r} leaves the package {parents[0]}.", where)
        name = ".".join([*parents[: len(parents) - dots + 1], relative])
    parts = name.split(".")
    if len(parts) < 2 or not all(parts):
        raise _bad_type(f"The type {type_name!r} is not of the form package.module.ClassName.", where)
    return name


def _import(module_name: str, type_name: str, where: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and (module_name + ".").startswith(missing + "."):
            hint = _near_module(missing)
            raise _bad_type(
                f"The type {type_name!r} cannot be imported: no module {missing!r}{hint}.", where
            ) from error
        raise StatebakeError(
            Code.BAD_TYPE,
            f"The type {type_name!r} cannot be imported: {type(error).__name__}: {error}",
            where=where,
            next_step=import_again(module_name),
            detail=origin(error),
        ) from error


def _near_module(missing: str) -> str:
    from pkgutil import iter_modules

    parent, _, name = missing.rpartition(".")
    path = getattr(sys.modules.get(parent), "__path__", None)
    return did_you_mean(name, (module.name for module in iter_modules(path))) if path is not None else ""


def _argument_problems(cls: type[StateBackedComponent], attributes: Mapping[str, object]) -> list[str]:
    from inspect import Parameter

    parameters = _parameters(cls)
    if parameters is None:
        return []
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in {Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY}
    }
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
    problems = [
        f"unknown {name!r}{did_you_mean(name, named)}" for name in attributes if name not in named and not takes_any
    ]
    problems += [
        f"missing {name!r}"
        for name, parameter in named.items()
        if parameter.default is Parameter.empty and name not in attributes
    ]
    return problems


@lru_cache
def _parameters(cls: type[StateBackedComponent]) -> Mapping[str, Parameter] | None:
    """Return what the class is called with; ``None`` for a constructor in C that does not tell: calling it will."""
    from inspect import signature

    try:
        return signature(cls).parameters
    except ValueError:
        return None


def _bad_type(message: str, where: str) -> StatebakeError:
    return StatebakeError(Code.BAD_TYPE, message, where=where, next_step="correct `type: package.module.ClassName`")
