"""Holding the state that is there to the schema of its key: which keys are read, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from statebake.check import KeyDir, Snapshot
from statebake.config import Settings
from statebake.config.settings import KeySettings
from statebake.errors import Code
from statebake.model.keys import sanitize_key
from statebake.model.state_config import DefsStateManagementType
from statebake.pipeline.schemas import StateToJudge, schema_findings, states_of_project
from statebake.refresh.json_schema import judge_content


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "rules.json"
    path.write_text('{"type": "object", "properties": {"token": {"type": "integer"}}}')
    return path


def snapshot(build, state_dir: Path, *keys: str) -> Snapshot:
    dirs = {sanitize_key(key): state_dir / sanitize_key(key) for key in keys}
    key_dirs = {name: KeyDir(name, path, build.summary(), None) for name, path in dirs.items()}
    return Snapshot(state_dir, True, True, key_dirs)


def test_which_states_are_read(build, tmp_path, schema):
    """Only the states of keys that have a schema, and that a runtime would read."""
    remote = build.component("r", 3, management_type=DefsStateManagementType.VERSIONED_STATE_STORAGE)
    discovery = build.discovery("a", "b", "missing", remote)
    state = snapshot(build, tmp_path, "a", "b", "r")
    assert list(states_of_project(discovery, state, Settings())) == []
    assert [one.key for one in states_of_project(discovery, state, Settings(schema=schema))] == ["a", "b"]
    some = Settings(keys=(KeySettings("b", {"schema": schema}),))
    [one] = states_of_project(discovery, state, some)
    assert (one.key, one.schema, one.where) == ("b", schema, "src/shop/defs/things/defs.yaml:2")
    empty = {**state.key_dirs, "b": replace(state.key_dirs["b"], summary=build.summary(empty="it has no `state`"))}
    assert list(states_of_project(discovery, replace(state, key_dirs=empty), some)) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"token": "hunter2"}', "`state` does not satisfy rules.json: $.token: is a string"),
        (b"{hunter2", "`state` is not JSON (line 1, column 2), so it cannot satisfy rules.json"),
        (b'{"token": 1}', None),
    ],
)
def test_what_is_said(schema, content, says):
    """The places and the kinds of what is wrong, and no value of it."""
    findings = schema_findings([StateToJudge("a", "defs.yaml:1", schema, partial(judge_content, content))])
    assert len(findings) == (says is not None)
    for finding in findings:
        assert (finding.code, finding.key, finding.where) == (Code.SCHEMA_VIOLATED, "a", "defs.yaml:1")
        assert says in finding.message
        assert "hunter2" not in finding.message


def test_the_state_of_a_work_tree(build, tmp_path, schema):
    """A file is read where it is; a directory satisfies no schema."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "state").write_text("[]")
    (tmp_path / "b" / "state").mkdir(parents=True)
    states = states_of_project(build.discovery("a", "b"), snapshot(build, tmp_path, "a", "b"), Settings(schema=schema))
    first, second = schema_findings(states)
    assert "$: is an array" in first.message
    assert "is a directory" in second.message


def test_a_schema_that_is_none(schema):
    """A schema that cannot be used is one finding, for all the keys that it is for."""
    schema.write_text("{")
    states = [StateToJudge(key, "defs.yaml:1", schema, partial(judge_content, b"{}")) for key in "ab"]
    [finding] = schema_findings(states)
    assert (finding.code, finding.key) == (Code.BAD_SETTING, None)
