"""A build hook of hatchling, for projects that stay with it: ``[tool.hatch.build.hooks.statebake]``.

It does what the backend does. Before the build it gives hatchling the state, which that puts in whatever its patterns
say; afterwards it takes out what is no state, puts in what is left out besides, and proves all of it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin import hookimpl

from statebake.backend.console import ending_cleanly
from statebake.bake.wheel.contents import Contents
from statebake.config import Kind, OnBuild, Project, find_build_project, table_at
from statebake.config.backends import HATCH_HOOK, OURS
from statebake.config.environment import source_date_epoch
from statebake.errors import Code, StatebakeError

_TARGETS = ("wheel", "sdist")
_OF_HATCH = frozenset({"dependencies", "require-runtime-dependencies", "require-runtime-features", "enable-by-default"})
_ON_BUILD = "on_build"
_WHERE = "[tool.hatch.build.hooks.statebake]"


class StatebakeBuildHook(BuildHookInterface[BuilderConfig]):
    """The hook; its one option is ``on_build``."""

    PLUGIN_NAME = HATCH_HOOK
    _contents: Contents | None = None
    _written: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refresh and check the state, and have hatchling take it. An editable build reads it where it is."""
        self._contents = None
        if version == "editable" or self.target_name not in _TARGETS:
            return
        with ending_cleanly():
            build = find_build_project(Path(self.root), _flags(self.config, os.environ), os.environ)
            if build.settings.on_build == "off":
                return
            if build.settings.version_from_state:
                _must_be_wrapped(build.project)
            from statebake.backend.preparing import prepare

            self._contents = prepare(build, os.environ)
        prefix = f"{self._contents.import_root}/" if self.target_name == "sdist" and self._contents.import_root else ""
        build_data["force_include"].update(self._force_include(self._contents, prefix))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Put in what is left, and prove it."""
        if self._written is not None:
            self._written.cleanup()
        if self._contents is None:
            return
        from statebake.pipeline import build_artifact

        path = Path(artifact_path)
        with ending_cleanly():
            try:
                if self.target_name == "wheel":
                    build_artifact.finish_wheel(path, self._contents, "hatchling", path.parent)
                else:
                    latest = source_date_epoch(os.environ)
                    build_artifact.finish_sdist(path, self._contents, "hatchling", path.parent, latest=latest)
            except BaseException:
                path.unlink(missing_ok=True)  # it is not what was asked for
                raise

    def _force_include(self, contents: Contents, prefix: str) -> dict[str, str]:
        """Return where each file of the state is, and its path in what is built."""
        self._written = tempfile.TemporaryDirectory(prefix="statebake-")
        found = {}
        for number, file in enumerate(contents.state):
            source = file.source
            if source is None:
                source = Path(self._written.name, str(number))
                source.write_text(file.text or "", encoding="utf-8")
            found[str(source)] = f"{prefix}{file.path}"
        return found


@hookimpl
def hatch_register_build_hook() -> type[StatebakeBuildHook]:
    """Tell hatchling of the hook."""
    return StatebakeBuildHook


def _must_be_wrapped(project: Project) -> None:
    """Raise ``StatebakeError`` where nothing gets a version of its own: a hook cannot give hatchling another one."""
    if table_at(project.pyproject, "build-system", "build-backend") != OURS:
        raise StatebakeError(
            Code.BAD_SETTING,
            "version_from_state is set, but a build hook of hatchling cannot change the version of what is built.",
            where=_WHERE,
            next_step=f'let statebake wrap it: [build-system] build-backend = "{OURS}", [tool.statebake] '
            'build-backend = "hatchling.build"',
        )


def _flags(options: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, object]:
    """Return the hook's options as flags; a variable in ``env`` is stronger. Raises ``StatebakeError``."""
    given = {name.replace("-", "_"): value for name, value in options.items() if name not in _OF_HATCH}
    value = given.pop(_ON_BUILD, None)
    if given:
        raise StatebakeError(
            Code.UNKNOWN_SETTING,
            f"{', '.join(sorted(given))} is no option of the hook; it has on_build, and all settings are in "
            "[tool.statebake].",
            where=_WHERE,
            next_step="move it to [tool.statebake], or correct its name",
        )
    if value is not None and value not in get_args(OnBuild):
        raise StatebakeError(
            Code.BAD_SETTING,
            f"on_build is {value!r}; expected: {Kind.ON_BUILD.value}",
            where=_WHERE,
            next_step=f"correct it in {_WHERE}",
        )
    return {} if value is None or env.get("STATEBAKE_ON_BUILD", "").strip() else {_ON_BUILD: value}
