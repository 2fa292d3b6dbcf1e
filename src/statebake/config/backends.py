"""Build backends: the modules that ``build-backend`` names, and the distributions that bring them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from statebake.config.toml_file import load_if_there, table_at

if TYPE_CHECKING:
    from statebake.config.project import Project

OURS = "statebake.backend"
"""The backend that wraps another one."""

HATCH_HOOK = "statebake"
"""The name of the build hook of hatchling."""

_DISTRIBUTIONS = {
    "setuptools": "setuptools",
    "hatchling": "hatchling",
    "poetry": "poetry-core",
    "pdm": "pdm-backend",
    "flit_core": "flit-core",
    "uv_build": "uv_build",
    "mesonpy": "meson-python",
    "scikit_build_core": "scikit-build-core",
}


def backend_of(pyproject: Mapping[str, Any]) -> str | None:
    """Return ``build-backend``, of ``[tool.statebake]`` where statebake wraps another one; ``None``: none is named."""
    given = table_at(pyproject, "build-system", "build-backend")
    if given == OURS:
        own = table_at(pyproject, "tool", "statebake")
        table = own if isinstance(own, Mapping) else {}
        given = table.get("build-backend", table.get("build_backend"))
    return given if isinstance(given, str) else None


def wheel_carries_state(pyproject: Mapping[str, Any], hatch: Mapping[str, Any]) -> bool:
    """Return whether statebake puts the state into a project's wheels: as the backend, or by hatchling's hook.

    ``hatch`` is what is in ``hatch.toml``.
    """
    return is_wrapped(pyproject) or hook_options(pyproject, hatch, "wheel") is not None


def is_wrapped(pyproject: Mapping[str, Any]) -> bool:
    """Return whether statebake is a project's build backend."""
    return bool(table_at(pyproject, "build-system", "build-backend") == OURS)


def hook_options(pyproject: Mapping[str, Any], hatch: Mapping[str, Any], target: str) -> Mapping[str, Any] | None:
    """Return the options of statebake's build hook where hatchling runs it for ``target``: ``wheel`` or ``sdist``.

    A target's own table counts in place of the one for all; ``on-build`` is called ``on_build``.
    """
    for place in (("targets", target, "hooks"), ("hooks",)):
        _, options = in_hatch(pyproject, hatch, "build", *place, HATCH_HOOK)
        if isinstance(options, Mapping):
            return {name.replace("-", "_"): value for name, value in options.items()}
    return None


def hooks_of_wheels(pyproject: Mapping[str, Any], hatch: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables of the build hooks that hatchling runs for wheels (its documentation, "Build hooks")."""
    for inside in (("build", "hooks"), ("build", "targets", "wheel", "hooks")):
        place, hooks = in_hatch(pyproject, hatch, *inside)
        for name in hooks if isinstance(hooks, Mapping) else ():
            yield ".".join((*place, name))


def in_hatch(pyproject: Mapping[str, Any], hatch: Mapping[str, Any], *inside: str) -> tuple[tuple[str, ...], Any]:
    """Return the place of what hatchling is told under ``inside``, and what it is told.

    A top-level table that ``hatch.toml`` has counts in place of the one in ``pyproject.toml``.
    """
    if inside[0] in hatch:
        return inside, table_at(hatch, *inside)
    return ("tool", "hatch", *inside), table_at(pyproject, "tool", "hatch", *inside)


def hatch_of(project: Project) -> Mapping[str, Any]:
    """Return what is in the ``hatch.toml`` of a project, which may have what else is in ``[tool.hatch]``."""
    file = load_if_there(project.directory / "hatch.toml")
    return file.data if file else {}


def distribution_of(backend: str) -> str | None:
    """Return the distribution that brings a backend; ``None``: it is not one of those that are known."""
    return _DISTRIBUTIONS.get(re.split(r"[.:]", backend, maxsplit=1)[0])
