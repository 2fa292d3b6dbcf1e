"""A build backend that wraps any other one, and has its wheels and source distributions carry the state.

Source: PEP 517 and PEP 660. In ``pyproject.toml``::

    [build-system]
    requires = ["statebake", "hatchling"]
    build-backend = "statebake.backend"

    [tool.statebake]
    build-backend = "hatchling.build"

Every frontend imports this in an environment of its own, often several times for one build, and looks which hooks it
has: those that a backend may leave out are here if the wrapped one has them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statebake.backend.console import ending_cleanly

if TYPE_CHECKING:
    from statebake.bake.wheel.contents import Contents
    from statebake.config import BuildProject
    from statebake.inner_backend import Inner

__all__ = ["build_sdist", "build_wheel"]

ConfigSettings = Mapping[str, Any] | None

_PREPARE = "prepare_metadata_for_build_wheel"
# Which of a hook's arguments are the frontend's config settings.
_OPTIONAL_HOOKS = {
    "get_requires_for_build_wheel": 0,
    "get_requires_for_build_sdist": 0,
    "get_requires_for_build_editable": 0,
    _PREPARE: 1,
    "prepare_metadata_for_build_editable": 1,
    "build_editable": 1,
}
_CONFIG_SETTINGS = "config_settings"
_EXCEPTION = "UnsupportedOperation"  # what ``build_sdist`` may raise; frontends ask the backend for it


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel with the wrapped backend and the state in it, and return its name."""
    with ending_cleanly():
        build, inner, others = _load(config_settings)
        if contents := _contents(build):
            from statebake.pipeline import build_artifact

            own = _has_own_version(build)
            place = Path(wheel_directory)
            return build_artifact.build_wheel(inner, contents, place, others, metadata_directory, own_version=own)
    made: str = inner.hooks.build_wheel(wheel_directory, others, metadata_directory)
    return made


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """Build a source distribution with the wrapped backend and the state in it, and return its name."""
    with ending_cleanly():
        build, inner, others = _load(config_settings)
        if contents := _contents(build):
            from statebake.config.environment import source_date_epoch
            from statebake.pipeline import build_artifact

            own, latest = _has_own_version(build), source_date_epoch(os.environ)
            place = Path(sdist_directory)
            return build_artifact.build_sdist(inner, contents, place, others, own_version=own, latest=latest)
    made: str = inner.hooks.build_sdist(sdist_directory, others)
    return made


def __getattr__(name: str) -> Any:
    if name not in _OPTIONAL_HOOKS and name != _EXCEPTION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with ending_cleanly():
        build, inner, _ = _load(None)
    if not inner.has(name):
        raise AttributeError(f"{inner.name} has no {name}")
    if name == _PREPARE and _has_own_version(build):
        # The metadata come from the state, which a build may fetch: a frontend that misses this hook builds the wheel
        # once, and takes them from there.
        raise AttributeError(f"the metadata of a wheel are not known before it is built: {name} is left out")
    return getattr(inner.hooks, name) if name == _EXCEPTION else _delegate(name)


def _delegate(name: str) -> Callable[..., Any]:
    place = _OPTIONAL_HOOKS[name]

    def hook(*arguments: Any, **named: Any) -> Any:
        by_place = len(arguments) > place
        with ending_cleanly():
            build, inner, others = _load(arguments[place] if by_place else named.get(_CONFIG_SETTINGS))
            if name == _PREPARE and _has_own_version(build) and (contents := _contents(build)):
                from statebake.pipeline import build_artifact  # asked for by config settings: it is offered already

                directory = Path(arguments[0] if arguments else named["metadata_directory"])
                return build_artifact.prepare_metadata(inner, contents, directory, others)
        call = getattr(inner.hooks, name)
        if by_place:
            return call(*arguments[:place], others, *arguments[place + 1 :], **named)
        return call(*arguments, **{**named, _CONFIG_SETTINGS: others})

    hook.__name__ = name
    return hook


def _load(config_settings: ConfigSettings) -> tuple[BuildProject, Inner, dict[str, Any] | None]:
    """Return the project, the wrapped backend, and the config settings that are for that one."""
    from statebake.config import find_build_project, split_config_settings
    from statebake.inner_backend import load_inner

    own, others = split_config_settings(config_settings)
    build = find_build_project(Path.cwd(), own, os.environ)
    settings, project = build.settings, build.project
    inner = load_inner(settings.build_backend, settings.backend_path, project.directory, project.pyproject)
    return build, inner, others


def _has_own_version(build: BuildProject) -> bool:
    """Return whether the version tells the state: as the settings say, or that of the source distribution that this is,
    for what is made of one has its version.
    """
    if build.settings.on_build == "off":
        return False
    if build.settings.version_from_state or not build.in_sdist:
        return build.settings.version_from_state
    from statebake.bake.wheel.version import tells_state

    return tells_state((build.project.directory / "PKG-INFO").read_bytes())


def _contents(build: BuildProject) -> Contents | None:
    """Return what must be in what is built, or ``None`` where the settings say ``off``."""
    if build.settings.on_build == "off":
        return None
    from statebake.backend.preparing import prepare

    return prepare(build, os.environ)
