"""What caches of installers would make of new state; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from statebake.errors import Code
from statebake.model.finding import Finding, Severity


def cache_findings(pyproject: Mapping[str, Any], state_dir: PurePosixPath, where: str) -> Iterator[Finding]:
    """Yield the finding that uv would install an old wheel when there is new state in ``state_dir``.

    ``pyproject``: of a project that is installed by uv, and whose wheels carry the state. ``state_dir`` is relative to
    it; ``where`` is the line that sets what uv goes by. It is a warning: the state itself is complete.
    """
    from statebake.config.toml_text import toml_value  # these are of use with uv only
    from statebake.config.uv_cache import cache_keys_with, state_is_in_cache_keys

    if state_is_in_cache_keys(pyproject, state_dir):
        return
    keys = toml_value(cache_keys_with(pyproject, state_dir))
    yield Finding(
        Code.STALE_CACHE,
        Severity.WARNING,
        None,
        f"uv does not notice new state: `cache-keys` do not cover {state_dir}, so `uv sync --no-editable` installs the "
        "wheel that it built before, with the old state.",
        where,
        f"statebake init; or in pyproject.toml, below [tool.uv]: cache-keys = {keys}",
    )
