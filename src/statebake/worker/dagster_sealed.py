"""Dagster's side of a sealed load: what its code server does when it starts, in this process.

Written against Dagster 1.12 and 1.13.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagster import Definitions
from dagster._cli import utils as cli
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._grpc.server import LoadedRepositories
from dagster.components.component.state_backed_component import StateBackedComponent
from dagster_shared.serdes import deserialize_value
from dagster_shared.serdes.objects.models.defs_state_info import DefsStateInfo, DefsStateManagementType

from .dagster_host import Host, root_cause, type_name
from .sealed_load import NO_PINS, Recorder, find_defs_module

# The file with the versions of stored state that a code server reads.
_PINS = "DAGSTER_DEFS_STATE_INFO_OVERRIDE_PATH"


class Sealed:
    """See ``Sealed`` in ``sealed_load.py``."""

    def __init__(self, request: dict[str, Any], recorder: Recorder) -> None:
        self.request, self.recorder = request, recorder
        self._info, self._pins = read_pins(os.environ.get(_PINS))

    def pins(self) -> dict[str, Any]:
        """Return which keys a code server finds pinned when it starts."""
        return self._pins

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
            LoadedRepositories(LoadableTargetOrigin(**named), None, ["dagster"], None, self._info)
        except Exception as error:
            raise root_cause(error) from None

    def _recorded(self, build: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(build)
        def recorded(component: Any, context: Any, *arguments: Any, **keywords: Any) -> Any:
            config = component.defs_state_config
            # The store is out of reach under seals, and without one Dagster ends the load of everything.
            stored = config.management_type is DefsStateManagementType.VERSIONED_STATE_STORAGE
            host = Host({"project": str(context.project_root)})
            return self.recorder.build(
                lambda: Definitions() if stored else build(component, context, *arguments, **keywords),
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


def read_pins(file: str | None) -> tuple[DefsStateInfo | None, dict[str, Any]]:
    """Return what the file says, and that as ``Sealed.pins`` tells it: as Dagster 1.13 reads it at its start.

    Of a file that it cannot read Dagster makes no more than a line in its log, and starts without pins. Source:
    ``dagster._cli.utils.resolve_serialized_defs_state_info``.
    """
    info, problem = None, None
    if not file:
        return None, NO_PINS
    if not hasattr(cli, "resolve_serialized_defs_state_info"):
        return None, {**NO_PINS, "file": file, "problem": "this version of Dagster does not read it"}
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
        info = deserialize_value(text, DefsStateInfo) if text else None
        problem = None if text else "it is empty, which pins nothing"
    except FileNotFoundError:
        problem = "there is no such file"
    except OSError as error:
        problem = f"it cannot be read ({error.strerror})"
    except Exception as error:
        problem = f"it is not what Dagster writes ({type(error).__name__})"
    found = info.info_mapping if info else {}
    stored = DefsStateManagementType.VERSIONED_STATE_STORAGE
    keys = sorted(key for key, one in found.items() if one is not None and one.management_type is stored)
    return info, {"file": file, "keys": keys, "problem": problem}


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
