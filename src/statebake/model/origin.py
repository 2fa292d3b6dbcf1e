"""Which distributions come from a directory or a repository, by the requirements that ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# Not by `packaging`: pex writes paths with spaces in them, which PEP 508 does not know.
_NAMED = re.compile(r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*@\s*(?P<url>[^#?]*?)\s*(?:\s;|[#?]|$)")
_REPOSITORY = re.compile(r"(?:git|hg|svn|bzr)\+")
_ARCHIVE = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")


def names_from_source(requirements: Iterable[str]) -> Iterator[str]:
    """Yield the names of what requirements (PEP 508) take from a directory or a repository.

    An archive in a file may have been published.
    """
    for line in requirements:
        if found := _NAMED.match(line):
            url = found["url"]
            if _REPOSITORY.match(url) or (url.startswith("file:") and not url.endswith(_ARCHIVE)):
                yield found["name"]
