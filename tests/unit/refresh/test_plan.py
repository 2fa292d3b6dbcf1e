"""Deciding what a refresh does."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.state_config import DefsStateManagementType
from statebake.refresh import plan_refresh
from statebake.refresh.report import KeyOutcome, Outcome, RefreshReport


def test_every_key_once_in_the_order_of_the_declarations(build):
    """Components that share a key share one fetch, by the first of them, into the key's directory."""
    plan = plan_refresh(build.discovery("b", "C[x/y]", "b"))
    assert [(fetch.key, fetch.name, len(fetch.components)) for fetch in plan.fetches] == [
        ("b", "b", 2),
        ("C[x/y]", "C__x__y__", 1),
    ]
    assert plan.fetches[0].component.id == 0
    assert (plan.skipped, plan.blocked, plan.bystanders) == ((), (), ())


def test_only_what_was_selected(build):
    """With keys selected the others are left alone, in whatever order they were named."""
    plan = plan_refresh(build.discovery("a", "b", "c"), ["c", "a"])
    assert [fetch.key for fetch in plan.fetches] == ["a", "c"]


def test_an_unknown_key_is_refused(build):
    """A selected key that no component has fails before anything is fetched."""
    with pytest.raises(StatebakeError, match=r"'Text\[nort\]'.*Did you mean: Text\[north\]") as caught:
        plan_refresh(build.discovery("Text[north]"), ["Text[north]", "Text[nort]"])
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
    plan = plan_refresh(build.discovery(build.component("a", management_type=strategy), "b"))
    assert [fetch.key for fetch in plan.fetches] == ["b"]
    assert [item.key for item in plan.skipped] == ["a"]
    assert reason in plan.skipped[0].reason


def test_a_bad_key_is_blocked_alone(build):
    """A key that cannot name a directory is not fetched, names its declaration, and stops no other."""
    plan = plan_refresh(build.discovery("..", "x" * 300, "b"))
    assert [fetch.key for fetch in plan.fetches] == ["b"]
    assert [item.key for item in plan.blocked] == ["..", "x" * 300]
    assert {item.error.code for item in plan.blocked} == {Code.BAD_KEY}
    assert plan.blocked[0].error.where == "src/shop/defs/things/defs.yaml:1"
    assert len(plan.blocked[1].error.message) < 200


def test_colliding_keys_are_all_blocked(build):
    """Keys that would share a directory are all refused; each error names the others and their places."""
    plan = plan_refresh(build.discovery("a/b", "a?b", "c"))
    assert [fetch.key for fetch in plan.fetches] == ["c"]
    first, second = (item.error for item in plan.blocked)
    assert first.code is second.code is Code.KEY_COLLISION
    assert "'a?b' (src/shop/defs/things/defs.yaml:2)" in first.message
    assert "'a/b' (src/shop/defs/things/defs.yaml:1)" in second.message
    assert (first.where, second.where) == tuple(f"src/shop/defs/things/defs.yaml:{line}" for line in (1, 2))


def test_a_collision_with_a_key_that_was_not_selected_blocks(build):
    """Selecting one of two colliding keys does not hide the collision: it would overwrite the other's state."""
    plan = plan_refresh(build.discovery("a/b", "a?b"), ["a?b"])
    assert (plan.fetches, [item.key for item in plan.blocked]) == ((), ["a?b"])


def test_a_component_that_cannot_be_loaded(build):
    """It makes a whole refresh fail, and is only mentioned where other keys were asked for."""
    discovery = build.discovery("a", failures=(build.failure(),))
    whole = plan_refresh(discovery)
    assert [(item.key, item.error.code) for item in whole.blocked] == [(None, Code.COMPONENT_LOAD)]
    assert [fetch.key for fetch in whole.fetches] == ["a"]
    assert whole.bystanders == ()
    selected = plan_refresh(discovery, ["a"])
    assert (selected.blocked, selected.bystanders) == ((), discovery.failures)


def test_an_empty_project_has_an_empty_plan(build):
    """No components, nothing to do."""
    plan = plan_refresh(build.discovery())
    assert (plan.fetches, plan.skipped, plan.blocked, plan.bystanders) == ((), (), (), ())


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_code_of_a_refresh(build, outcome):
    """A refresh fails when a key failed, and only then; bystanders do not count."""
    report = RefreshReport(
        keys=(KeyOutcome("a", Outcome.UPDATED), KeyOutcome("b", outcome)), bystanders=(build.failure(),)
    )
    assert report.exit == (4 if outcome is Outcome.FAILED else 0)
    assert [item.key for item in report.failed] == (["b"] if outcome is Outcome.FAILED else [])
