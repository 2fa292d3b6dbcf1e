"""statebake: refresh, check and bake the external state that a program is built from.

This module is what a program of the native framework imports::

    from statebake import StateBackedComponent, load_defs

A deployed program pays for this import at every start, so each name is imported when it is first used, and
nothing here reaches the build-time part.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = [
    "ComponentLoadContext",
    "Definitions",
    "DefsStateConfig",
    "DefsStateManagementType",
    "StateBackedComponent",
    "StatebakeError",
    "__version__",
    "component_instance",
    "load_defs",
]

TYPE_CHECKING = False  # type checkers know the name; importing it from `typing` would cost milliseconds
if TYPE_CHECKING:
    from statebake.errors import StatebakeError
    from statebake.model.state_config import DefsStateConfig, DefsStateManagementType
    from statebake.runtime.component import ComponentLoadContext, StateBackedComponent
    from statebake.runtime.definitions import Definitions
    from statebake.runtime.instances import component_instance
    from statebake.runtime.loading import load_defs
else:
    _HOMES = {
        "ComponentLoadContext": "statebake.runtime.component",
        "Definitions": "statebake.runtime.definitions",
        "DefsStateConfig": "statebake.model.state_config",
        "DefsStateManagementType": "statebake.model.state_config",
        "StateBackedComponent": "statebake.runtime.component",
        "StatebakeError": "statebake.errors",
        "component_instance": "statebake.runtime.instances",
        "load_defs": "statebake.runtime.loading",
    }

    def __getattr__(name: str) -> object:  # PEP 562
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
