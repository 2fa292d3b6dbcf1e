"""Dagster's side of a sealed load: what its code server does when it starts, in this process.

Written against Dagster 1.12 and 1.13.
"""

from __future__ import annotations

import functools
import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import LoadedRepositories
from dagster.components.component.state_backed_component import StateBackedComponent

from .dagster_host import Host, root_cause, type_name
from .sealed_load import Recorder, find_defs_module


class Sealed:
    """See ``Sealed`` in ``sealed_load.py``."""

    def __init__(self, request: dict[str, Any], recorder: Recorder) -> None:
        self.request, self.recorder = request, recorder

    def load(self) -> None:
        """Load the code location as a code server does: nothing is lazy, and it counts as initialization."""
        warnings.simplefilter("ignore")
        _wrap_builders(self._recorded)
        defs_module = find_defs_module(self.request)
        target = self.request["target"] or f"{defs_module.partition('.')[0]}.definitions"
        named = {"module_name": target} if _exists(target) else {"autoload_defs_module_name": defs_module}
        if found := importlib.util.find_spec(defs_module):
            for place in found.submodule_search_locations or ():
                self.recorder.watch_files(Path(place, ".local_defs_state"))
        try:
            LoadedRepositories(LoadableTargetOrigin(**named), None, ["dagster"], None)
        except Exception as error:
            raise root_cause(error) from None

    def _recorded(self, build: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(build)
        def recorded(component: Any, context: Any, *arguments: Any, **keywords: Any) -> Any:
            config = component.defs_state_config
            host = Host({"project": str(context.project_root)})
            return self.recorder.build(
                lambda: build(component, context, *arguments, **keywords),
                count_definitions,
                key=str(config.key),
                type=type_name(type(component)),
                declared_at=host.place(context.component_decl),
                management_type=config.management_type.value,
            )

        return recorded


def _wrap_builders(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Wrap ``build_defs`` of every state-backed class; those that have one of their own are not imported yet."""

    def init_subclass(cls: Any, /, **keywords: Any) -> None:
        super(StateBackedComponent, cls).__init_subclass__(**keywords)
        if "build_defs" in vars(cls):
            cls.build_defs = wrap(vars(cls)["build_defs"])

    StateBackedComponent.build_defs = wrap(StateBackedComponent.build_defs)
    StateBackedComponent.__init_subclass__ = classmethod(init_subclass)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def count_definitions(defs: Any) -> int:
    """Return how many assets, checks, jobs, schedules and sensors there are; resources define nothing by themselves."""
    assets = sum(len(getattr(item, "keys", None) or (item,)) for item in defs.assets or ())
    others = (defs.asset_checks, defs.jobs, defs.schedules, defs.sensors)
    checks_in_assets = sum(len(getattr(item, "check_keys", ())) for item in defs.assets or ())
    return assets + checks_in_assets + sum(len(list(found or ())) for found in others)
