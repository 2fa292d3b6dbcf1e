"""The native framework's side of a sealed load."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from statebake.errors import StatebakeError
from statebake.runtime.component import StateBackedComponent
from statebake.runtime.declarations import DeclarationFailure, Declared, discover
from statebake.runtime.definitions import flatten
from statebake.runtime.loading import find_defs, load_defs

from .errors import HostError
from .sealed_load import NO_PINS, Recorder, find_defs_module


class Sealed:
    """See ``Sealed`` in ``sealed_load.py``."""

    def __init__(self, request: dict[str, Any], recorder: Recorder) -> None:
        self.request, self.recorder = request, recorder

    def load(self) -> None:
        """Load what the package's components build; state is read as in a deployed program."""
        package = find_defs_module(self.request)
        try:
            location = find_defs(package)
            self.recorder.watch_files(location.defs_dir / ".local_defs_state")
            declared = {
                one.context.declared_at: one
                for one in discover(location.defs_dir, location.package_name)
                if not isinstance(one, DeclarationFailure)
            }
            for cls in {type(one.component) for one in declared.values()}:
                self._record(cls, declared)
            load_defs(package)
        except StatebakeError as error:
            raise HostError(error.code.name, error.message, where=error.where, next_step=error.next_step) from error

    def pins(self) -> dict[str, Any]:
        """Return that nothing is pinned: the native framework has no store."""
        return NO_PINS

    def _record(self, cls: type[StateBackedComponent], declared: Mapping[str, Declared]) -> None:
        build: Callable[..., Any] = cls.build_defs_from_state

        @functools.wraps(build)
        def recorded(component: StateBackedComponent, context: Any, state_path: Path) -> Any:
            one = declared[context.declared_at]
            return self.recorder.build(
                lambda: flatten(build(component, context, state_path)),  # it may be an iterator
                len,
                key=one.key,
                type=one.type_name,
                declared_at=self._place(one),
                management_type=one.config.management_type.value,
            )

        cls.build_defs_from_state = recorded  # type: ignore[assignment, method-assign]

    def _place(self, one: Declared) -> str:
        project = os.path.realpath(self.request["project"]) + os.sep
        return f"{os.path.realpath(one.file).removeprefix(project)}:{one.line}"
