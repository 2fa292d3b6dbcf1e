"""What caches of installers make of new state: when there is a finding, and the line in it."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from statebake.check.caches import cache_findings
from statebake.config.toml_file import tomllib
from statebake.config.uv_cache import state_is_in_cache_keys
from statebake.errors import Code
from statebake.model.finding import Severity

STATE_DIR = PurePosixPath("src/shop/defs/.local_defs_state")
WHERE = "pyproject.toml:3"


def found(pyproject):
    return list(cache_findings(pyproject, STATE_DIR, WHERE))


def with_keys(*keys):
    return {"tool": {"uv": {"cache-keys": list(keys)}}}


def test_a_directory_with_an_emoji():
    """The line is TOML whatever characters a path has."""
    state_dir = PurePosixPath("src/😀\x7f/defs/.local_defs_state")
    [finding] = cache_findings({}, state_dir, WHERE)
    mended = {"tool": {"uv": tomllib.loads(finding.next_step.partition("[tool.uv]: ")[2])}}
    assert state_is_in_cache_keys(mended, state_dir)


@pytest.mark.parametrize(
    "pyproject",
    [
        {},
        {"tool": {"uv": {}}},
        with_keys({"file": "pyproject.toml"}),
        with_keys({"file": 'a "quoted" name', "x": True}, {"git": {"commit": True, "tags": False}}, {"env": "Ü"}),
    ],
)
def test_the_line_closes_it(pyproject):
    """The finding is a warning with the place, and the line that it gives keeps what is there and covers the state."""
    [finding] = found(pyproject)
    assert (finding.code, finding.severity, finding.key) == (Code.STALE_CACHE, Severity.WARNING, None)
    assert finding.where == WHERE
    assert str(STATE_DIR) in finding.message
    assert finding.next_step.startswith("statebake init; or in pyproject.toml, below [tool.uv]: ")
    line = finding.next_step.partition("[tool.uv]: ")[2]
    mended = {"tool": {"uv": tomllib.loads(line)}}
    assert state_is_in_cache_keys(mended, STATE_DIR)
    given = pyproject.get("tool", {}).get("uv", {}).get("cache-keys", [])
    assert mended["tool"]["uv"]["cache-keys"][: len(given)] == given
    assert found(mended) == []
