"""Which packages of an artifact come from a directory or a repository, as far as it says so itself; no I/O.

An installed package says so in its ``direct_url.json`` (PEP 610); a PEX of what was asked for by name and place.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from statebake.model.origin import names_from_source
from statebake.verify.surroundings import INSTALLED_FROM, Surroundings

_OF_DISTRIBUTION = re.compile(rf"(?:^|/)([^/]+)-[^-/]*\.dist-info/{re.escape(INSTALLED_FROM)}$")
_CONDA = re.compile(r"_\d{10,}/work(?:/|$)")  # where conda builds what it publishes: NAME_TIME/work


def unpublished(around: Surroundings) -> frozenset[str]:
    """Return the normalized names of the distributions that came from a directory or a repository."""
    found = (*_installed(around), *names_from_source(around.requirements))
    return frozenset(map(canonicalize_name, found))


def editable(around: Surroundings) -> frozenset[str]:
    """Return the normalized names of the distributions that are installed as links to their projects."""
    found = []
    for path, text in around.origins.items():
        with contextlib.suppress(ValueError, RecursionError, AttributeError, KeyError, TypeError):
            if json.loads(text)["dir_info"].get("editable") is True and (name := _OF_DISTRIBUTION.search(path)):
                found.append(name[1])
    return frozenset(map(canonicalize_name, found))


def _installed(around: Surroundings) -> Iterator[str]:
    for path, text in around.origins.items():
        with contextlib.suppress(ValueError, RecursionError):
            data = json.loads(text)
            from_source = isinstance(data, dict) and ("vcs_info" in data or "dir_info" in data)
            if from_source and not _CONDA.search(str(data.get("url"))) and (found := _OF_DISTRIBUTION.search(path)):
                yield found[1]
