"""Build backends: the modules that ``build-backend`` names, and the distributions that bring them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from statebake.config.toml_file import table_at

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


def wheel_carries_state(pyproject: Mapping[str, Any]) -> bool:
    """Return whether statebake puts the state into a project's wheels: as the backend, or by hatchling's hook."""
    if table_at(pyproject, "build-system", "build-backend") == OURS:
        return True
    hooks = (("tool", "hatch", "build", "hooks"), ("tool", "hatch", "build", "targets", "wheel", "hooks"))
    return any(table_at(pyproject, *place, HATCH_HOOK) is not None for place in hooks)


def distribution_of(backend: str) -> str | None:
    """Return the distribution that brings a backend; ``None``: it is not one of those that are known."""
    return _DISTRIBUTIONS.get(re.split(r"[.:]", backend, maxsplit=1)[0])
