"""The native framework's side of the worker: finds and fetches components through statebake's own runtime part."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from .attributes import add_differences
from .errors import HostError, describe

try:
    import statebake
    from statebake.errors import StatebakeError
    from statebake.runtime.declarations import DeclarationFailure, Declared, discover
    from statebake.runtime.fetch import fetch
    from statebake.runtime.loading import find_defs
except ImportError as import_error:
    raise HostError(
        "HOST_NOT_INSTALLED",
        f"This interpreter has no statebake that fits ({describe(import_error)}).",
        where=sys.executable,
        next_step=f"{sys.executable} -m pip install statebake",
    ) from import_error


class Host:
    """See ``Host`` in ``loading.py``."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.project: str = request["project"]
        self.defs_module: str | None = request["defs_module"]
        self.declared: list[Declared] = []

    def discover(self) -> dict[str, Any]:
        """Return every component that the definitions declare."""
        if self.defs_module is None:
            raise HostError(
                "BAD_SETTING",
                "It is not known which package of this project holds the definitions.",
                where=str(Path(self.project, "pyproject.toml")),
                next_step='name it: [tool.statebake] module = "…"',
            )
        try:
            location = find_defs(self.defs_module)
            found = discover(location.defs_dir, location.package_name)
        except StatebakeError as error:
            where = self.relative(error.where) if error.where else None
            raise HostError(error.code.name, error.message, where=where, next_step=error.next_step) from error
        self.declared = [one for one in found if not isinstance(one, DeclarationFailure)]
        components = [
            {
                "type": one.type_name,
                "declared_at": self.place(one),
                "key": one.key,
                "management_type": one.config.management_type.value,
            }
            for one in self.declared
        ]
        add_differences((one.component, found) for one, found in zip(self.declared, components, strict=True))
        return {
            "host": f"native {statebake.__version__}",
            "defs_dir": str(location.defs_dir),
            "components": components,
            "failures": [
                {
                    "declared_at": self.place(one),
                    "type": one.type_name,
                    "code": one.error.code.name,
                    "message": one.error.message,
                    "next_step": one.error.next_step,
                    "detail": one.error.detail,
                }
                for one in found
                if isinstance(one, DeclarationFailure)
            ],
        }

    def fetch(self, number: int, state_path: Path) -> None:
        """Have a component write its state."""
        fetch(self.declared[number].component, Path(state_path))

    def place(self, one: Declared | DeclarationFailure) -> str:
        """Return ``file:line``, the file relative to the project where it is inside."""
        return f"{self.relative(str(one.file))}:{one.line}"

    def relative(self, path: str) -> str:
        """Return a path relative to the project where it is inside."""
        return _real(path).removeprefix(_real(self.project) + os.sep)


@lru_cache
def _real(path: str) -> str:
    """Return ``os.path.realpath(path)``, which asks for every directory on the way: one file may declare thousands."""
    return os.path.realpath(path)
