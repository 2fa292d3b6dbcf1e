"""Whose the files in an artifact are: the project's own, or those of a base or a package that somebody published."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.utils import canonicalize_name

from statebake.config import Settings, settings_for
from statebake.hygiene import LOCAL_PATH, STAGING_PATH, Hit, Place
from statebake.model.keys import STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.pipeline.inspecting import Artifact
from statebake.verify.origins import unpublished
from statebake.verify.surroundings import INSTALLED_FROM

# Where packages are, by the kind of artifact; a wheel has none but its own.
_IN_PEX = re.compile(r"\.deps/([^/!]+)[/!]")
_IN_SITE = re.compile(r"(?:[^!]*/)?(?:site|dist)-packages/([^/!]+)")
_AT_TOP = re.compile(r"([^/!]+)")
_METADATA = re.compile(r"(.+)-[^-]*\.(?:dist|egg)-info")
_ZIPPED_WHEEL = re.compile(r"(\.deps/[^/!]+)!")
# Not all of usr/: many images have their project in usr/src.
_SYSTEM = (
    *("usr/bin/", "usr/include/", "usr/lib", "usr/sbin/", "usr/share/"),
    *("usr/local/bin/", "usr/local/include/", "usr/local/lib", "usr/local/sbin/", "usr/local/share/"),
    *("bin/", "etc/ssl/", "lib/", "lib64/", "sbin/", "var/lib/dpkg/"),
)
_LAYER = re.compile(r"layer (\d+)!(.*)", re.DOTALL)


class _Package(NamedTuple):
    """What of somebody's a file is in: the name below the import path, and the normalized name of the distribution.

    A PEX has a directory for each distribution, and then only its name counts; what an environment has is taken to be
    of the distribution that is called like it.
    """

    top: str
    distribution: str


class Owner:
    """Whose files are where in an artifact."""

    def __init__(self, artifact: Artifact, manifest: Manifest | None, settings: Settings) -> None:
        self._artifact, self._settings = artifact, settings
        self._site = _AT_TOP if artifact.kind == "environment" and artifact.around.roots == ("",) else _IN_SITE
        records = manifest.keys if manifest else ()
        self._keys = {
            sanitize_key(record.key): (record.key, record.components[0].type if record.components else "")
            for record in records
        }
        self._state_dirs = [state.path.strip("/") for state in artifact.states]
        packages = [found for path in self._state_dirs if (found := self._package(path))]
        self._tops = {package.top for package in packages if package.top}
        project = [canonicalize_name(manifest.project)] if manifest else []
        self._distributions = {
            *(package.distribution for package in packages),
            *project,
            *unpublished(artifact.around),
            *artifact.from_source,
        }

    @property
    def places(self) -> list[str]:
        """Where files are that are nobody else's, though they look so: what ``is_public`` says depends on these."""
        return sorted({*self._tops, *self._state_dirs, *self._distributions})

    def _package(self, inside: str) -> _Package | None:
        if self._artifact.kind == "pex" and (found := _IN_PEX.match(inside)):
            return _Package("", canonicalize_name(found[1].partition("-")[0]))
        if self._artifact.kind not in {"pex", "wheel"} and (found := self._site.match(inside)):
            metadata = _METADATA.fullmatch(found[1])
            return _Package(found[1], canonicalize_name(metadata[1] if metadata else found[1].partition(".")[0]))
        return None

    def is_public(self, hit: Hit) -> bool:
        """Return whether it came with the base or a package of somebody else, as far as its path tells.

        The value of a secret at hand never does.
        """
        _, inside = _split(hit.path)
        if is_path(hit):  # which matters in state only
            return STATE_DIR_NAME not in inside
        if hit.name is not None or inside.endswith(INSTALLED_FROM) or STATE_DIR_NAME in inside:
            return False
        if (package := self._package(inside)) is not None:
            return package.top not in self._tops and package.distribution not in self._distributions
        return self._artifact.image is not None and inside.startswith(_SYSTEM)

    def place(self, path: str) -> Place:
        """Return the place of the file at a hit's path."""
        layer, inside = _split(path)
        label = f"layer {layer}, " if layer else ""
        key, in_key = None, ""
        settings = self._settings
        outermost = _ZIPPED_WHEEL.sub(r"\1/", inside, count=1).partition("!")[0]
        for state_dir in self._state_dirs:
            if not outermost.startswith(f"{state_dir}/"):
                continue
            directory, _, rest = outermost.removeprefix(f"{state_dir}/").partition("/")
            if directory in self._keys and rest:
                (key, type_), in_key = self._keys[directory], rest
                settings = settings_for(self._settings, key, type_)
        return Place(key, inside, self._artifact.name, settings.secrets, label, in_key)


def is_path(hit: Hit) -> bool:
    """Return whether it is a path of the building machine."""
    return hit.rule in {LOCAL_PATH, STAGING_PATH}


def _split(path: str) -> tuple[str, str]:
    """Return the number of the layer, where there is one, and the path in it."""
    found = _LAYER.fullmatch(path)
    layer, inside = (found[1], found[2]) if found else ("", path.removeprefix("!"))
    return layer, inside.removeprefix("./")  # as some builders call what is in a layer
