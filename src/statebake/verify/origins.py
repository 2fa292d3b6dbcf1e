"""Which packages of an artifact come from a directory or a repository, as far as it says so itself; no I/O.

An installed package says so in its ``direct_url.json`` (PEP 610); a PEX of what was asked for by name and place.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from statebake.config import table_at
from statebake.model.origin import names_from_source
from statebake.verify.surroundings import INSTALLED_FROM, Surroundings

_OF_DISTRIBUTION = re.compile(rf"(?:^|/)([^/]+)-[^-/]*\.dist-info/{re.escape(INSTALLED_FROM)}$")
_CONDA = re.compile(r"_\d{10,}/work(?:/|$)")  # where conda builds what it publishes: NAME_TIME/work


def unpublished(around: Surroundings) -> frozenset[str]:
    """Return the normalized names of the distributions that came from a directory or a repository."""
    installed = (
        name
        for name, origin in _direct_urls(around)
        if ("vcs_info" in origin or "dir_info" in origin) and not _CONDA.search(str(origin.get("url")))
    )
    return frozenset(map(canonicalize_name, (*installed, *names_from_source(around.requirements))))


def editable(around: Surroundings) -> frozenset[str]:
    """Return the normalized names of the distributions that are installed as links to their projects."""
    links = (name for name, origin in _direct_urls(around) if table_at(origin, "dir_info", "editable") is True)
    return frozenset(map(canonicalize_name, links))


def _direct_urls(around: Surroundings) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the names of distributions with what their ``direct_url.json`` says, if it is an object."""
    for path, text in around.origins.items():
        with contextlib.suppress(ValueError, RecursionError):
            origin = json.loads(text)
            if isinstance(origin, Mapping) and (found := _OF_DISTRIBUTION.search(path)):
                yield found[1], origin
