"""Deciding what a refresh does."""

from __future__ import annotations

import pytest

from statebake.config import PolicySettings, Settings
from statebake.config.settings import KeySettings
from statebake.errors import Code, StatebakeError
from statebake.model.state_config import DefsStateManagementType
from statebake.refresh import KeyOutcome, Outcome, RefreshReport, Selection, plan_refresh, split_patterns


def planned(discovery, *, settings=None, ages=None, **selection):
    """Return the plan of a refresh of what ``selection`` says, by ``settings``."""
    return plan_refresh(discovery, settings or Settings(), Selection(**selection), ages or {})


def test_every_key_once_in_the_order_of_the_declarations(build):
    """Components that share a key share one fetch, by the first of them, into the key's directory."""
    plan = planned(build.discovery("b", "C[x/y]", "b"))
    assert [(fetch.key, fetch.name, len(fetch.components)) for fetch in plan.fetches] == [
        ("b", "b", 2),
        ("C[x/y]", "C__x__y__", 1),
    ]
    assert plan.fetches[0].component.id == 0
    assert (plan.skipped, plan.blocked, plan.bystanders) == ((), (), ())


def test_only_what_was_selected(build):
    """With keys selected the others are left alone, in whatever order they were named."""
    plan = planned(
        build.discovery("a", "b", "c"),
        keys=(
            "c",
            "a",
        ),
    )
    assert [fetch.key for fetch in plan.fetches] == ["a", "c"]


def test_an_unknown_key_is_refused(build):
    """A selected key that no component has fails before anything is fetched."""
    with pytest.raises(StatebakeError, match=r"'Text\[nort\]'.*Did you mean: Text\[north\]") as caught:
        planned(build.discovery("Text[north]"), keys=("Text[north]", "Text[nort]"))
    assert caught.value.code is Code.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        (DefsStateManagementType.VERSIONED_STATE_STORAGE, "in a store"),
        (DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS, "at every load"),
    ],
)
def test_other_strategies_are_skipped_with_the_reason(build, strategy, reason):
    """A key whose strategy keeps no state in the project is skipped, and the plan says why."""
    plan = planned(build.discovery(build.component("a", management_type=strategy), "b"))
    assert [fetch.key for fetch in plan.fetches] == ["b"]
    assert [item.key for item in plan.skipped] == ["a"]
    assert reason in plan.skipped[0].note


def test_a_bad_key_is_blocked_alone(build):
    """A key that cannot name a directory is not fetched, names its declaration, and stops no other."""
    plan = planned(build.discovery("..", "x" * 300, "b"))
    assert [fetch.key for fetch in plan.fetches] == ["b"]
    assert [item.key for item in plan.blocked] == ["..", "x" * 300]
    assert {item.error.code for item in plan.blocked} == {Code.BAD_KEY}
    assert plan.blocked[0].error.where == "src/shop/defs/things/defs.yaml:1"
    assert len(plan.blocked[1].error.message) < 200


def test_colliding_keys_are_all_blocked(build):
    """Keys that would share a directory are all refused; each error names the others and their places."""
    plan = planned(build.discovery("a/b", "a?b", "c"))
    assert [fetch.key for fetch in plan.fetches] == ["c"]
    first, second = (item.error for item in plan.blocked)
    assert first.code is second.code is Code.KEY_COLLISION
    assert "'a?b' (src/shop/defs/things/defs.yaml:2)" in first.message
    assert "'a/b' (src/shop/defs/things/defs.yaml:1)" in second.message
    assert (first.where, second.where) == tuple(f"src/shop/defs/things/defs.yaml:{line}" for line in (1, 2))


def test_a_collision_with_a_key_that_was_not_selected_blocks(build):
    """Selecting one of two colliding keys does not hide the collision: it would overwrite the other's state."""
    plan = planned(build.discovery("a/b", "a?b"), keys=("a?b",))
    assert (plan.fetches, [item.key for item in plan.blocked]) == ((), ["a?b"])


def test_a_component_that_cannot_be_loaded(build):
    """It makes a whole refresh fail, and is only mentioned where other keys were asked for."""
    discovery = build.discovery("a", failures=(build.failure(),))
    whole = planned(discovery)
    assert [(item.key, item.error.code) for item in whole.blocked] == [(None, Code.COMPONENT_LOAD)]
    assert [fetch.key for fetch in whole.fetches] == ["a"]
    assert whole.bystanders == ()
    selected = planned(discovery, keys=("a",))
    assert (selected.blocked, selected.bystanders) == ((), discovery.failures)


def test_an_empty_project_has_an_empty_plan(build):
    """No components, nothing to do."""
    plan = planned(build.discovery())
    assert (plan.fetches, plan.skipped, plan.blocked, plan.bystanders) == ((), (), (), ())


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_code_of_a_refresh(build, outcome):
    """A refresh fails when a key failed or was held back, and only then; bystanders do not count."""
    report = RefreshReport(
        keys=(KeyOutcome("a", Outcome.UPDATED), KeyOutcome("b", outcome)), bystanders=(build.failure(),)
    )
    assert report.exit == (4 if outcome in {Outcome.FAILED, Outcome.HELD_BACK} else 0)
    assert [item.key for item in report.failed] == (["b"] if outcome is Outcome.FAILED else [])


def test_fresh_keys_are_left_alone(build):
    """A key that was confirmed within its own ``max_age`` is skipped, with its age; a clock that was set back counts
    for nothing, nor does a key whose age is not known.
    """
    settings = Settings(max_age=60.0, keys=(KeySettings("old*", {"max_age": 600.0}),))
    ages = {"new": 59.0, "late": 60.0, "older": 599.0, "ahead": -1.0}
    plan = planned(build.discovery("new", "late", "older", "ahead", "none"), settings=settings, ages=ages)
    assert [(item.key, item.age_s) for item in plan.skipped] == [("new", 59.0), ("older", 599.0)]
    assert [fetch.key for fetch in plan.fetches] == ["late", "ahead", "none"]


def test_what_the_policy_calls_too_old_is_fetched(build):
    """A check would not let it pass, however long ``max_age`` is; with a ``max_age`` of zero everything is old."""
    settings = Settings(max_age=60.0, policy=PolicySettings(max_age=10.0))
    assert [fetch.key for fetch in planned(build.discovery("a"), settings=settings, ages={"a": 11.0}).fetches] == ["a"]
    assert planned(build.discovery("a"), settings=settings, ages={"a": 9.0}).fetches == ()
    assert planned(build.discovery("a"), settings=Settings(max_age=0.0), ages={"a": 0.0}).skipped == ()


def test_settings_of_a_key(build):
    """Each fetch has the settings of the tables that match it, by key or by class; a later table counts more."""
    settings = Settings(
        timeout=1.0,
        keys=(
            KeySettings("Text[*]", {"timeout": 2.0, "retries": 7}),
            KeySettings("Text[b]", {"timeout": 3.0}),
            KeySettings("text[*]", {"timeout": 4.0}),
        ),
    )
    plan = planned(build.discovery("a", "Text[a]", "Text[b]"), settings=settings)
    assert [(fetch.settings.timeout, fetch.settings.retries) for fetch in plan.fetches] == [(1, 2), (2, 7), (3, 7)]


@pytest.mark.parametrize(
    ("texts", "keys"),
    [
        (["Text[*]"], ["Text[a]", "Text[b]"]),
        (["Text[a] other"], ["Text[a]", "other"]),
        (["Text[?]", "o*"], ["Text[a]", "Text[b]", "other"]),
        (["key:other"], ["other"]),
        (["type:Text"], ["Text[a]", "Text[b]", "other"]),
        (["Text"], ["Text[a]", "Text[b]", "other"]),
        (["type:shop.components.Text"], ["Text[a]", "Text[b]", "other"]),
        (["path:src/shop/defs/things/defs.yaml"], ["Text[a]", "Text[b]", "other"]),
        (["path:src/shop/defs"], ["Text[a]", "Text[b]", "other"]),
        (["path:src/*/things/*"], ["Text[a]", "Text[b]", "other"]),
        (["'Text[c d]' other"], ["Text[c d]", "other"]),
        (['"Text[c d]"', r"key:Text[c\ ?]"], ["Text[c d]"]),
    ],
)
def test_patterns(build, texts, keys):
    """``--select`` takes patterns of keys, classes and files; several are a union."""
    known = [*(["Text[c d]"] if "Text[c d]" in keys else []), "Text[a]", "Text[b]", "other"]
    plan = planned(build.discovery(*known), patterns=split_patterns(texts))
    assert [fetch.key for fetch in plan.fetches] == keys


@pytest.mark.parametrize("text", ["", "  ", "''", "a ''", "it's"])
def test_no_pattern(text):
    """An option that says nothing does not select everything."""
    with pytest.raises(StatebakeError) as caught:
        split_patterns(["Text[a]", text])
    assert caught.value.code is Code.BAD_SETTING


@pytest.mark.parametrize("text", ["Text[c]", "Text[ab]", "key:Text", "type:Text[a]", "path:src/sho", "tag:x", "text*"])
def test_a_pattern_that_matches_nothing_is_refused(build, text):
    """A pattern that selects no key at all is a mistake, also beside one that does."""
    with pytest.raises(StatebakeError) as caught:
        planned(build.discovery("Text[a]"), patterns=(text, "Text[a]"))
    assert caught.value.code is Code.UNKNOWN_KEY
    assert repr(text) in caught.value.message


def test_what_failed_and_strategies(build):
    """``--failed`` and ``--management-type`` narrow the selection; with nothing left, the plan is empty."""
    stored = build.component("stored", management_type=DefsStateManagementType.VERSIONED_STATE_STORAGE)
    discovery = build.discovery("a", "b", stored, failures=(build.failure(),))
    plan = planned(discovery, failed=frozenset({"b", "gone"}))
    assert [fetch.key for fetch in plan.fetches] == ["b"]
    assert ([item.key for item in plan.blocked], plan.bystanders) == ([None], ())  # it fails each time
    assert planned(discovery, failed=frozenset()).fetches == ()
    plan = planned(discovery, management_type=DefsStateManagementType.VERSIONED_STATE_STORAGE)
    assert ([item.key for item in plan.skipped], plan.fetches) == (["stored"], ())


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("Text[one]", ["Text[one]"]),
        ("Text[t?o]", ["Text[two]"]),
        ("type:shop.components.Code", ["Text[two]"]),
        ("type:*.C*", ["Text[two]"]),
        ("type:Text", ["Text[one]"]),
        ("key:*o]", ["Text[two]"]),
        ("path:src/shop/defs/more/", ["Text[two]"]),
        ("path:src/shop/defs/more", ["Text[two]"]),
        ("path:src/shop/defs/*/defs.yaml", ["Text[one]", "Text[two]"]),
    ],
)
def test_forms_of_a_pattern(build, pattern, keys):
    """A pattern is of the key or the class; with a method in front, of just that, or of the file or its directory."""
    other = build.component("Text[two]", 1, type="shop.components.Code", declared_at="src/shop/defs/more/defs.yaml:1")
    plan = planned(build.discovery(build.component("Text[one]"), other), patterns=(pattern,))
    assert [fetch.key for fetch in plan.fetches] == keys
