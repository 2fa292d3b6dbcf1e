"""``load_defs``: everything that a package's components build, from state."""

from __future__ import annotations

from statebake.errors import Code, StatebakeError
from statebake.model.frozen import Frozen
from statebake.model.keys import collisions, key_problem, show_key, why_collide
from statebake.runtime.declarations import DeclarationFailure, Declared, discover
from statebake.runtime.definitions import BuiltComponent, Definitions, flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

DEFS_NAME = "defs"


class DefsLocation(Frozen):
    """Where a package's definitions are: their directory, and the name under which that is imported."""

    defs_dir: Path
    package_name: str


def load_defs(package: str | ModuleType) -> Definitions:
    """Return what the components of ``package`` build from their state.

    The definitions are in ``<package>/defs`` where that is a directory, else in the package itself. State is
    read from ``.local_defs_state`` there. It is fetched only in development (``STATEBAKE_DEV=1``, unless the
    component turns ``refresh_if_dev`` off) or for ``LEGACY_CODE_SERVER_SNAPSHOTS``, at most once per key; in
    a baked artifact never.

    Raises ``StatebakeError``: that of the first declaration that cannot be loaded, ``BAD_KEY``,
    ``KEY_COLLISION``, ``MISSING_STATE``, ``EMPTY_STATE``, ``STORE_NOT_BUILT_IN``, that of a failed fetch, or
    ``BUILD_DEFS``.
    """
    from contextlib import ExitStack

    from statebake.runtime.sources import state_paths

    location = find_defs(package)
    declared = _all_or_raise(discover(location.defs_dir, location.package_name))
    _check_keys(declared)
    with ExitStack() as cleanup:
        paths = state_paths(location.defs_dir, declared, cleanup)
        return Definitions(components=tuple(_build(one, path) for one, path in zip(declared, paths, strict=True)))


def find_defs(package: str | ModuleType) -> DefsLocation:
    """Return where the definitions of ``package`` are, or raise ``StatebakeError(PROJECT_IMPORT)``."""
    from importlib import import_module
    from pathlib import Path

    from statebake.runtime.class_lookup import origin
    from statebake.runtime.suggest import import_again

    if isinstance(package, str):
        try:
            module = import_module(package)
        except (Exception, SystemExit) as error:
            raise StatebakeError(
                Code.PROJECT_IMPORT,
                f"The package {package!r} cannot be imported: {type(error).__name__}: {error}",
                where=origin(error),
                next_step=import_again(package),
            ) from error
    else:
        module = package
    directories = [Path(path).absolute() for path in getattr(module, "__path__", ())]
    directory = next((path for path in directories if path.is_dir()), None)
    if directory is None:
        raise StatebakeError(
            Code.PROJECT_IMPORT,
            f"{module.__name__!r} is not a package in a directory, so it has no definitions.",
            where=getattr(module, "__file__", None),
            next_step=f"load_defs({module.__name__.partition('.')[0]!r})",
        )
    if (directory / DEFS_NAME).is_dir():
        return DefsLocation(defs_dir=directory / DEFS_NAME, package_name=f"{module.__name__}.{DEFS_NAME}")
    return DefsLocation(defs_dir=directory, package_name=module.__name__)


def _all_or_raise(found: Sequence[Declared | DeclarationFailure]) -> list[Declared]:
    failures = [one for one in found if isinstance(one, DeclarationFailure)]
    if failures:
        error, others = failures[0].error, failures[1:]
        if others:
            count = f"{len(others)} more declaration{'s' if len(others) > 1 else ''} failed:"
            listed = [f"[{other.error.code.value}] {other.declared_at}" for other in others]
            error.detail = "\n".join(filter(None, [error.detail, count, *listed]))
        raise error
    return [one for one in found if isinstance(one, Declared)]


def _check_keys(declared: Sequence[Declared]) -> None:
    for one in declared:
        problem = key_problem(one.key)
        if problem:
            raise StatebakeError(
                Code.BAD_KEY,
                f"The key {one.key!r} cannot name a directory: {problem}.",
                where=one.where,
                next_step="set another defs_state key",
            )
    for group in collisions(one.key for one in declared):
        second = next(one for one in declared if one.key == group[1])
        raise StatebakeError(
            Code.KEY_COLLISION,
            f"The keys {' and '.join(show_key(key, group) for key in group)} {why_collide(group)}.",
            where=second.where,
            next_step="set a defs_state key that differs in more than punctuation or case",
        )


def _build(declared: Declared, state_path: Path) -> BuiltComponent:
    try:
        defs = flatten(declared.component.build_defs_from_state(declared.context, state_path))
    except StatebakeError:
        raise
    except Exception as error:
        raise StatebakeError(
            Code.BUILD_DEFS,
            f"{declared.type_name} could not build its definitions from the state of {declared.key!r}: "
            f"{type(error).__name__}: {error}",
            where=declared.where,
            next_step="correct build_defs_from_state, or refresh the state if it is of an older form",
        ) from error
    return BuiltComponent(
        component=declared.component,
        key=declared.key,
        declared_at=declared.context.declared_at,
        defs=defs,
    )
