"""Deciding whether every expected key has its state: every finding, and what it says."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from statebake.check import KeyDir, Snapshot, check
from statebake.errors import Code, StatebakeError
from statebake.model.finding import Severity
from statebake.model.keys import sanitize_key
from statebake.model.state_config import DefsStateManagementType

STATE_DIR = Path("/project/src/shop/defs/.local_defs_state")
LOCAL = DefsStateManagementType.LOCAL_FILESYSTEM
VERSIONED = DefsStateManagementType.VERSIONED_STATE_STORAGE
SNAPSHOTS = DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS


@pytest.fixture
def key_dir(build):
    """Return a function that makes the directory of a key, sound where nothing else is said."""

    def make(key: str, **fields) -> KeyDir:
        name = sanitize_key(key)
        return KeyDir(
            **{
                "name": name,
                "path": STATE_DIR / name,
                "summary": build.summary(),
                "record": build.record(key),
                **fields,
            }
        )

    return make


def snapshot(*key_dirs: KeyDir, **fields) -> Snapshot:
    given = {"state_dir": STATE_DIR, "exists": True, "has_ignore_file": True}
    return Snapshot(**{**given, **fields}, key_dirs={item.name: item for item in key_dirs})


def found(discovery, state, allow=()):
    """Return every finding as (code, severity, key), and check that each is complete."""
    report = check(discovery, state, allow)
    for finding in report.findings:
        assert finding.message.endswith(".") or finding.code is Code.UNKNOWN_COMPONENT_KEY
        assert finding.where
        assert finding.next_step
    assert report.errors == tuple(item for item in report.findings if item.severity is Severity.ERROR)
    assert report.exit == (3 if report.errors else 0)
    return [(item.code, item.severity.value, item.key) for item in report.findings]


def only(discovery, state, allow=()):
    """Return the one finding there is."""
    (finding,) = check(discovery, state, allow).findings
    return finding


def test_sound_state(build, key_dir):
    """State that is what was fetched gives no finding."""
    report = check(build.discovery("a", "b", "a"), snapshot(key_dir("a"), key_dir("b")))
    assert (report.findings, report.keys, report.exit) == ((), 2, 0)


def test_nothing_expected_and_nothing_there(build):
    """A Dagster project may have no state-backed components; a native one without them is looked for elsewhere."""
    nothing = snapshot(exists=False, has_ignore_file=False)
    assert found(build.discovery(), nothing) == [(Code.NO_COMPONENTS, "error", None)]
    dagster = replace(build.discovery(), host="dagster 1.13.27")
    assert found(dagster, nothing) == [(Code.NO_COMPONENTS, "warning", None)]


def test_one_key_for_two_sources(build, key_dir):
    """Two dbt projects whose directories have one name share a key by mistake; two components of one project do not."""
    shop, other = (build.component("Dbt[dbt]", number, source=f"/{name}/dbt") for number, name in enumerate("ab"))
    state = snapshot(key_dir("Dbt[dbt]"))
    assert found(build.discovery(shop, other), state) == [(Code.KEY_COLLISION, "error", "Dbt[dbt]")]
    assert found(build.discovery(shop, replace(shop, id=1)), state) == []


def test_two_projects_with_one_directory_name(build, key_dir):
    """The finding says what the key is made of, names both declarations and directories, and what to rename."""
    dbt = [build.component("Dbt[dbt]", number, source=f"/shop/{name}/dbt") for number, name in enumerate("ab")]
    finding = only(build.discovery(*dbt), snapshot(key_dir("Dbt[dbt]")))
    for component in dbt:
        assert f"{component.declared_at} ({component.source})" in finding.message
    assert "a directory's last part, 'dbt'," in finding.message
    assert finding.where == dbt[1].declared_at
    assert finding.next_step == f"rename the directory /shop/b/dbt, and `project` in {dbt[1].declared_at} with it"


def test_two_directories_of_one_repository(build, key_dir):
    """A remote project's key is its URL: renaming a directory would not help, and is not the advice."""
    dbt = [build.component("Dbt[x]", number, source=f"git.example.com/x#{name}") for number, name in enumerate("ab")]
    finding = only(build.discovery(*dbt), snapshot(key_dir("Dbt[x]")))
    assert finding.code is Code.KEY_COLLISION
    assert "the URL of a repository" in finding.message
    assert "spell the URL of one of them" in finding.next_step


def test_keys_that_differ_by_case(build, key_dir):
    """That is what the finding says, and it names both declarations."""
    finding = only(build.discovery("Text[a]", "Text[A]"), snapshot(key_dir("Text[a]"), key_dir("Text[A]")))
    assert finding.code is Code.KEY_COLLISION
    assert finding.message == (
        "These keys differ only by case, so they share one directory where the file system ignores it: "
        "'Text[A]' (src/shop/defs/things/defs.yaml:2), 'Text[a]' (src/shop/defs/things/defs.yaml:1)."
    )


def test_keys_that_differ_by_normal_form(build, key_dir):
    """Keys that look alike are spelled out, for otherwise nobody would see the difference."""
    finding = only(build.discovery("caf\u00e9", "cafe\u0301"), snapshot(key_dir("caf\u00e9"), key_dir("cafe\u0301")))
    assert finding.code is Code.KEY_COLLISION
    assert "differ only in how an accent is encoded" in finding.message
    assert "'caf\\xe9' (src/shop/defs/things/defs.yaml:1)" in finding.message
    assert "'cafe\\u0301' (src/shop/defs/things/defs.yaml:2)" in finding.message


@pytest.mark.parametrize(
    ("fields", "allow", "severity"),
    [
        ({"differs": ("token", "url")}, (), "error"),
        ({"differs": ("token", "url"), "may_differ": ("type",)}, (), "error"),
        ({"differs": ("token", "url")}, ("Text*",), "warning"),
        ({"may_differ": ("token", "url")}, (), "warning"),
        ({}, (), None),
    ],
)
def test_components_of_one_key_that_differ(build, key_dir, fields, allow, severity):
    """What the fetch reads must not differ, unless allowed; what it may read is a warning; both places are named."""
    first, second = build.component("Text[a]"), build.component("Text[a]", 1, **fields)
    report = check(build.discovery(first, second), snapshot(key_dir("Text[a]")), (), allow)
    assert [(item.code, item.severity.value) for item in report.findings] == (
        [(Code.ATTRIBUTES_DIFFER, severity)] if severity else []
    )
    for finding in report.findings:
        assert first.declared_at in finding.message
        assert second.declared_at in finding.message
        assert "`token`, `url`" in finding.message
        assert finding.where == second.declared_at


@pytest.mark.parametrize(
    ("before", "now", "mend"),
    [
        (VERSIONED, LOCAL, ["statebake", "refresh", "--key", "a"]),
        (LOCAL, SNAPSHOTS, ["rm", "-r", str(STATE_DIR / "a")]),
    ],
)
def test_a_strategy_that_changed(build, key_dir, before, now, mend):
    """A record of another strategy is a warning that names both, and what to do with the state that is there."""
    state = snapshot(key_dir("a", record=build.record("a", management_type=before)))
    discovery = build.discovery(build.component("a", management_type=now))
    [finding] = [item for item in check(discovery, state, ["a"]).findings if item.code is not Code.FETCHES_AT_RUN_TIME]
    assert (finding.code, finding.severity) == (Code.STRATEGY_CHANGED, Severity.WARNING)
    assert before.value in finding.message
    assert now.value in finding.message
    assert shlex.split(finding.next_step)[-len(mend) :] == mend


def test_the_record_of_another_key_says_nothing_of_the_strategy(build, key_dir):
    """Where the directory holds another key's state, that is the finding."""
    state = snapshot(key_dir("a?b", record=build.record("a/b", management_type=VERSIONED)))
    assert found(build.discovery("a?b"), state) == [(Code.KEY_COLLISION, "error", "a?b")]


def test_missing_state(build, key_dir):
    """No directory, or an empty one, is missing state; the finding names file, declaration, and command."""
    empty = key_dir("b", summary=build.summary(files=0, bytes=0, empty="it has no `state`"), record=None)
    discovery = build.discovery("C[it's]", "b")
    assert found(discovery, snapshot(empty)) == [
        (Code.MISSING_STATE, "error", "C[it's]"),
        (Code.MISSING_STATE, "error", "b"),
    ]
    finding = check(discovery, snapshot(empty)).findings[0]
    assert f"{STATE_DIR}/C__it__s__/state is missing" in finding.message
    assert finding.where == "src/shop/defs/things/defs.yaml:1"
    assert shlex.split(finding.next_step) == ["statebake", "refresh", "--key", "C[it's]"]


def test_no_state_directory_at_all(build):
    """Where the state directory is not there, every key is missing, and nobody asks for its ignore file."""
    assert found(build.discovery("a"), snapshot(exists=False, has_ignore_file=False)) == [
        (Code.MISSING_STATE, "error", "a")
    ]


def test_empty_state(build, key_dir):
    """A ``state`` marker without siblings is no content, whatever its record says."""
    marker = key_dir("a", summary=build.summary(empty="its `state` is an empty marker with no content beside it"))
    finding = only(build.discovery("a"), snapshot(marker))
    assert finding.code is Code.EMPTY_STATE
    assert finding.severity is Severity.ERROR
    assert "empty marker with no content beside it" in finding.message
    assert finding.where == str(STATE_DIR / "a")


def test_changed_state(build, key_dir):
    """State that differs from its record is an error that shows both digests."""
    finding = only(build.discovery("a"), snapshot(key_dir("a", summary=build.summary(digest="sha256:" + "b" * 64))))
    assert finding.code is Code.DIGEST_MISMATCH
    assert finding.severity is Severity.ERROR
    assert "b" * 12 in finding.message
    assert "a" * 12 in finding.message


def test_unrecorded_state(build, key_dir):
    """State that Dagster itself wrote is fine to bake, and said to be of unknown age."""
    assert found(build.discovery("a"), snapshot(key_dir("a", record=None))) == [(Code.UNRECORDED, "warning", "a")]


def test_colliding_keys(build, key_dir):
    """Two keys with one directory are an error that names both, and where."""
    discovery = build.discovery("a/b", "a?b")
    findings = found(discovery, snapshot(key_dir("a/b")))
    assert (Code.KEY_COLLISION, "error", "a/b") in findings
    message = check(discovery, snapshot(key_dir("a/b"))).findings[0].message
    assert "a__b: 'a/b' (src/shop/defs/things/defs.yaml:1), 'a?b' (src/shop/defs/things/defs.yaml:2)" in message


def test_state_of_another_key(build, key_dir):
    """A directory that holds the state of a key that was there before is not taken for this key's state."""
    other = key_dir("a?b", record=build.record("a/b"))
    finding = only(build.discovery("a?b"), snapshot(other))
    assert (finding.code, finding.severity, finding.key) == (Code.KEY_COLLISION, Severity.ERROR, "a?b")
    assert "'a/b'" in finding.message


@pytest.mark.parametrize("key", ["", "..", "x" * 300, "a\nb", ".staging"])
def test_a_bad_key(build, key):
    """A key that cannot name a directory is one error, at its declaration."""
    finding = only(build.discovery(key), snapshot())
    assert (finding.code, finding.severity, finding.key) == (Code.BAD_KEY, Severity.ERROR, key)
    assert finding.where == "src/shop/defs/things/defs.yaml:1"


@pytest.mark.parametrize("strategy", [VERSIONED, SNAPSHOTS])
@pytest.mark.parametrize(
    ("allow", "severity"),
    [
        ((), "error"),
        (("Sales[*",), "error"),
        (("Te*",), "warning"),
        (("x", "Text[a]"), "warning"),
        (("te*",), "error"),
    ],
)
def test_strategies_that_fetch_at_run_time(build, strategy, allow, severity):
    """A strategy that fetches at run time is an error, and a warning where the key is allowed by a pattern."""
    discovery = build.discovery(build.component("Text[a]", management_type=strategy))
    assert found(discovery, snapshot(), allow) == [(Code.FETCHES_AT_RUN_TIME, severity, "Text[a]")]
    assert strategy.value in only(discovery, snapshot(), allow).message


def test_components_of_one_key_with_different_strategies(build, key_dir):
    """The first component's strategy decides what is kept, as in a refresh and a bake; the other is reported."""
    local, other = build.component("a"), build.component("a", 1, management_type=VERSIONED)
    assert found(build.discovery(local, other), snapshot(), ["a"]) == [
        (Code.MISSING_STATE, "error", "a"),
        (Code.FETCHES_AT_RUN_TIME, "warning", "a"),
    ]
    assert found(build.discovery(local, other), snapshot(key_dir("a")), ["a"]) == [
        (Code.FETCHES_AT_RUN_TIME, "warning", "a")
    ]
    assert found(build.discovery(other, local), snapshot(), ["a"]) == [(Code.FETCHES_AT_RUN_TIME, "warning", "a")]
    assert only(build.discovery(local, other), snapshot(key_dir("a"))).where == "src/shop/defs/things/defs.yaml:2"


@pytest.mark.parametrize("code", [Code.BAD_RECORD, Code.NEWER_FORMAT])
def test_a_record_that_cannot_be_read(build, key_dir, code):
    """The reader's own code, message and next step come through, with the key."""
    error = StatebakeError(code, "It is not.", where="/there", next_step="do")
    finding = only(build.discovery("a"), snapshot(key_dir("a", record=None, record_error=error)))
    assert (finding.code, finding.severity, finding.key) == (code, Severity.ERROR, "a")
    assert (finding.message, finding.where, finding.next_step) == ("It is not.", "/there", "do")


def test_content_that_cannot_be_read(build, key_dir):
    """A link out of the directory, a FIFO, an unreadable file: an error with the walker's own words."""
    error = StatebakeError(Code.FOREIGN_FILE, "The state contains a FIFO.", where="/there", next_step="do")
    finding = only(build.discovery("a"), snapshot(key_dir("a", summary=None, content_error=error)))
    assert (finding.code, finding.severity, finding.key) == (Code.FOREIGN_FILE, Severity.ERROR, "a")


def test_orphans(build, key_dir):
    """State that no component uses is a warning that names its key where the record tells it."""
    mine, named, unnamed = key_dir("a"), key_dir("C[x]"), key_dir("it's", record=None)
    discovery = build.discovery("a")
    assert found(discovery, snapshot(mine, named, unnamed)) == [(Code.ORPHAN, "warning", None)] * 2
    by_name = {item.where: item for item in check(discovery, snapshot(mine, named, unnamed)).findings}
    assert "C__x__ (key 'C[x]'). It is not baked." in by_name[str(named.path)].message
    assert "(key" not in by_name[str(unnamed.path)].message
    assert by_name[str(named.path)].next_step == "statebake gc"
    assert by_name[str(unnamed.path)].next_step == "statebake gc --unrecorded"


def test_an_empty_directory_is_no_orphan(build, key_dir):
    """An empty directory that nobody uses is nothing to speak of."""
    empty = key_dir("old", summary=build.summary(files=0, bytes=0, empty="it has no `state`"), record=None)
    assert found(build.discovery("b"), snapshot(empty, key_dir("b"))) == []


def test_a_component_that_cannot_be_loaded(build, key_dir):
    """Its key is not known, so the check fails; state that may be its own is an orphan only perhaps."""
    discovery = build.discovery(failures=(build.failure(),))
    assert found(discovery, snapshot(key_dir("a"))) == [
        (Code.UNKNOWN_COMPONENT_KEY, "error", None),
        (Code.ORPHAN, "warning", None),
    ]
    failure, orphan = check(discovery, snapshot(key_dir("a"))).findings
    assert "KeyError: 'SHOP_URL'" in failure.message
    assert failure.where == "src/shop/defs/broken/defs.yaml:1"
    assert failure.next_step == "export SHOP_URL=…"
    assert "a component that cannot be loaded may" in orphan.message
    assert orphan.next_step == "mend the component that cannot be loaded, then see: statebake gc --dry-run"


def test_no_ignore_file(build, key_dir):
    """Without the ignore file git takes the state in, and a read-only load fails."""
    assert found(build.discovery("a"), snapshot(key_dir("a"), has_ignore_file=False)) == [
        (Code.NO_IGNORE_FILE, "warning", None)
    ]


def test_errors_come_first(build, key_dir):
    """Errors are listed before warnings, else in the order of the keys."""
    state = snapshot(key_dir("b", record=None), has_ignore_file=False)
    assert [item[:2] for item in found(build.discovery("a", "b", "c"), state)] == [
        (Code.MISSING_STATE, "error"),
        (Code.MISSING_STATE, "error"),
        (Code.UNRECORDED, "warning"),
        (Code.NO_IGNORE_FILE, "warning"),
    ]
