"""Holding state to a policy: what breaks each rule, for which keys, and what the findings say."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from statebake.check import (
    KeyDir,
    KeyFacts,
    Snapshot,
    definition_findings,
    facts_by_project,
    facts_of_manifest,
    facts_of_project,
    facts_of_records,
    policy_findings,
)
from statebake.config import PolicySettings, Settings
from statebake.config.settings import KeySettings
from statebake.errors import Code, Exit
from statebake.model.finding import Severity
from statebake.model.manifest import Manifest
from statebake.model.settle import rfc3339
from statebake.model.state_config import DefsStateManagementType

NOW = datetime(2026, 1, 10, tzinfo=timezone.utc)
LOCAL = DefsStateManagementType.LOCAL_FILESYSTEM
VERSIONED = DefsStateManagementType.VERSIONED_STATE_STORAGE
WHERE = "defs.yaml:3"


def fact(key: str = "Text[a]", **fields: object) -> KeyFacts:
    given = {
        "key": key,
        "type": "shop.components.Text",
        "where": WHERE,
        "strategies": ((LOCAL, WHERE),),
        "size": 5,
        "at": rfc3339(NOW),
    }
    return KeyFacts(**{**given, **fields})


def ago(seconds: float) -> str:
    return rfc3339(NOW - timedelta(seconds=seconds))


def findings(facts, policy=None, keys=(), **where):
    """Return every finding, and check that each is complete."""
    settings = Settings(policy=policy or PolicySettings(), keys=keys)
    every = policy_findings(facts, settings, NOW, **where)
    for finding in every:
        assert finding.severity is Severity.ERROR
        assert finding.code.exit is Exit.STATE
        assert finding.message.endswith(".")
        assert finding.next_step
    return every


def test_no_policy():
    """Without a policy anything goes."""
    assert findings([fact(at=None), fact("b", size=None), fact("c", strategies=((VERSIONED, WHERE),))]) == []


@pytest.mark.parametrize(
    ("age", "broken"), [(0, False), (3600, False), (3601, True), (-299, False), (-301, True), (None, True)]
)
def test_max_age(age, broken):
    """State is too old after the limit, and where its age is not known or cannot be."""
    at = None if age is None else ago(age)
    found = findings([fact("it's", at=at)], PolicySettings(max_age=3600.0))
    assert [(item.code, item.key, item.where) for item in found] == ([(Code.TOO_OLD, "it's", WHERE)] if broken else [])
    for finding in found:
        assert "policy.max_age is 1h" in finding.message
        assert shlex.split(finding.next_step) == ["statebake", "refresh", "--key", "it's"]


def test_what_max_age_says():
    """The finding says how old, and of what: a confirmation, or the first fetch where an artifact knows no more."""
    policy = PolicySettings(max_age=86400.0)
    old = fact(at=ago(5 * 86400))
    assert "last confirmed 5 d ago" in findings([old], policy)[0].message
    [finding] = findings([fact(at=ago(5 * 86400), first_fetch=True)], policy, again="statebake bake pex")
    assert "first fetched 5 d ago, and nothing says that it was confirmed" in finding.message
    assert finding.next_step.endswith("then: statebake bake pex")
    assert "is not known" in findings([fact(at=None)], policy)[0].message
    assert "in the future" in findings([fact(at=ago(-86400))], policy)[0].message


def test_max_size():
    """State may have as many bytes as the limit, and no more."""
    assert findings([fact(size=1000)], PolicySettings(max_size=1000)) == []
    [finding] = findings([fact(size=1234)], PolicySettings(max_size=1000))
    assert (finding.code, finding.key, finding.where) == (Code.TOO_LARGE, "Text[a]", WHERE)
    assert "1.2 kB (1234 bytes); policy.max_size is 1.0 kB" in finding.message


def test_state_that_is_not_there_is_not_judged():
    """A key without state has no age and no size: that it is missing is another finding."""
    assert findings([fact(size=None, at=None)], PolicySettings(max_age=1.0, max_size=1)) == []


def test_limits_of_some_keys():
    """A key goes by the last table whose pattern matches it or its class, and by the rest of the policy."""
    facts = [fact("Text[a]", at=ago(100), size=100), fact("Text[b]", at=ago(100), size=100)]
    policy = PolicySettings(max_age=50.0, max_size=50)
    keys = (
        KeySettings("Text", {"policy.max_size": 200, "policy.max_age": 60.0}),
        KeySettings("Text[b]", {"policy.max_age": 200.0}),
    )
    assert [(item.code, item.key) for item in findings(facts, policy, keys)] == [(Code.TOO_OLD, "Text[a]")]


def test_required_keys():
    """Every pattern must match a key or its class; the finding points at the line that asks for it."""
    policy = PolicySettings(require_keys=("Text[a]", "Te*", "shop.components.*", "Dbt*", "text[a]"))
    found = findings([fact()], policy, where="pyproject.toml:7")
    assert [(item.code, item.key, item.where) for item in found] == [(Code.REQUIRED_KEY, None, "pyproject.toml:7")] * 2
    assert ["'Dbt*'" in found[0].message, "'text[a]'" in found[1].message] == [True, True]
    assert len(findings([], PolicySettings(require_keys=("*",)))) == 1


def test_forbidden_strategies():
    """Every component with such a strategy is named at its own place, whether there is state or not."""
    one = fact(strategies=((LOCAL, "a:1"), (VERSIONED, "b:2")), size=None)
    [finding] = findings([one], PolicySettings(forbid_strategies=(VERSIONED,)))
    assert (finding.code, finding.key, finding.where) == (Code.FORBIDDEN_STRATEGY, "Text[a]", "b:2")
    assert "VERSIONED_STATE_STORAGE" in finding.message
    assert (
        findings([one], PolicySettings(forbid_strategies=(DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS,))) == []
    )


def test_facts_of_a_project(build):
    """Of each key: all its components' strategies, and of state that is read the size and the last confirmation."""
    first, second = build.component("a"), build.component("a", 1, management_type=VERSIONED)
    remote = build.component("r", 2, management_type=VERSIONED)
    discovery = build.discovery(first, second, remote, "old", "none", "empty", "other")
    empty = build.summary(empty="its `state` is an empty directory")
    dirs = {
        "a": (build.summary(bytes=7), build.record("a")),
        "r": (build.summary(), build.record("r")),
        "old": (build.summary(), build.record("old", checked_at=None)),
        "empty": (empty, None),
        "other": (build.summary(), build.record("another")),
    }
    state_dir = Path("/project/.local_defs_state")
    key_dirs = {name: KeyDir(name, state_dir / name, *content) for name, content in dirs.items()}
    facts = {one.key: one for one in facts_of_project(discovery, Snapshot(state_dir, True, True, key_dirs))}
    assert facts["a"] == KeyFacts(
        "a",
        first.type,
        first.declared_at,
        ((LOCAL, first.declared_at), (VERSIONED, second.declared_at)),
        7,
        "2026-01-03T03:04:05Z",
    )
    assert facts["r"].size is None
    assert facts["old"].at == "2026-01-02T03:04:05Z"
    assert (facts["none"].size, facts["empty"].size) == (None, None)
    assert (facts["other"].size, facts["other"].at) == (5, None)


def test_facts_of_an_artifact(build):
    """A manifest knows the first fetch; the last confirmation is known where the work tree's record tells it."""
    records = tuple(build.record(key).without_volatile() for key in ("a", "b"))
    manifest = Manifest("shop", "statebake 1", "native 1", None, records)
    confirmed = {"b": "2026-01-09T00:00:00Z"}
    one, other = facts_of_manifest(manifest, {"a": 12}, confirmed)
    place = "src/shop/defs/things/defs.yaml:1"
    assert one == KeyFacts(
        "a", "shop.components.Text", place, ((LOCAL, place),), 12, "2026-01-02T03:04:05Z", first_fetch=True
    )
    assert (other.size, other.at, other.first_fetch) == (None, "2026-01-09T00:00:00Z", False)
    bare = Manifest("shop", "statebake 1", "native 1", None, (build.record("a", components=()),))
    assert facts_of_manifest(bare, {})[0].where == ""


def test_facts_without_a_manifest(build):
    """The project says which keys there are; it knows when state was confirmed that is the same as its own."""
    declared = [replace(fact(key), at="2026-01-09T00:00:00Z") for key in ("a", "b", "c")]
    own = facts_of_records([build.record("b"), build.record("old")], {"b": 7, "old": 8})
    facts = facts_by_project(declared, own, {"a": 6, "b": 7}, {"a"})
    assert [(one.key, one.size, one.at) for one in facts] == [
        ("a", 6, "2026-01-09T00:00:00Z"),
        ("b", 7, "2026-01-03T03:04:05Z"),
        ("c", None, None),
        ("old", 8, "2026-01-03T03:04:05Z"),
    ]


def test_definitions():
    """Each key must yield its own minimum, and all together theirs; what is not counted yielded nothing."""
    facts = [fact("a"), fact("b"), fact("Text[archive]")]
    keys = (KeySettings("Text[archive]", {"policy.min_definitions": 0}),)
    settings = Settings(policy=PolicySettings(min_definitions=2, min_total_definitions=10), keys=keys)
    found = definition_findings({"a": 2, "b": 1}, facts, settings, where="pyproject.toml:9")
    assert [(item.code, item.key, item.where) for item in found] == [
        (Code.TOO_FEW_DEFINITIONS, "b", WHERE),
        (Code.TOO_FEW_DEFINITIONS, None, "pyproject.toml:9"),
    ]
    assert found[0].code.exit is Exit.SEALED_LOAD
    assert "yields 1 definition; policy.min_definitions is 2" in found[0].message
    assert "3 definitions in all" in found[1].message
    assert definition_findings({"a": 2, "b": 2}, facts, settings, total=10) == []
    assert definition_findings({}, facts, Settings()) == []
