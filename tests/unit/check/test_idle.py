"""Settings that do nothing: which are told of, where, and which are none."""

from __future__ import annotations

import pytest

from statebake.check import unmatched_patterns, unused_max_stale
from statebake.config import resolve
from statebake.errors import Code
from statebake.model.finding import Severity


def found(root, text, discovery, *, alone=True):
    (root / "statebake.toml").write_text(text)
    config = resolve(root, {}, {})
    return [*unmatched_patterns(config, discovery, alone=alone), *unused_max_stale(config, discovery)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[keys."Text[[]a]"]\nmax_shrink = "20%"', 'keys."Text[[]a]" matches no key'),
        ('[limits]\n"Txet" = 2', 'limits."Txet" matches no key and no class of a component; did you mean Text?'),
        ('max_stale = "1h"', "max_stale is set"),
        (
            '[keys."Text[a]"]\nmax_stale = "1h"\n[keys."Text[b]"]\non_failure = "stale"',
            'keys."Text[a]".max_stale is set',
        ),
    ],
)
def test_what_is_told(text, says, build, tmp_path):
    """A warning names the setting and its line."""
    [finding] = found(tmp_path, text, build.discovery("Text[a]", "Text[b]"))
    assert (finding.code, finding.severity, finding.key) == (Code.IDLE_SETTING, Severity.WARNING, None)
    assert says in finding.message
    assert finding.where.startswith("statebake.toml:")


@pytest.mark.parametrize(
    "text",
    [
        '[keys."Text[a]"]\nretries = 1\n[keys."shop.*"]\nretries = 2\n[limits]\n"Text" = 2',
        'max_stale = "1h"\n[keys."Text[b]"]\non_failure = "stale"',
        '[keys."Text[a]"]\nmax_stale = "1h"\n[keys."*"]\non_failure = "stale"',
    ],
)
def test_what_is_not(text, build, tmp_path):
    """What applies to at least one key is fine."""
    assert found(tmp_path, text, build.discovery("Text[a]", "Text[b]")) == []


def test_what_nobody_can_know(build, tmp_path):
    """A limit may be for other projects, and a pattern for a component that cannot be loaded."""
    assert found(tmp_path, '[limits]\n"Other" = 2', build.discovery("Text[a]"), alone=False) == []
    broken = build.discovery("Text[a]", failures=(build.failure(),))
    assert found(tmp_path, '[keys."Other"]\nretries = 1', broken) == []
