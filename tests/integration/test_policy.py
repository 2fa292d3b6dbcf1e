"""The policy in the configuration: ``check`` and the bakes are held to it, whatever the state came from."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.hosts import NATIVE, ONE_DAGSTER, HostKit
from support.pexes import RECORD
from support.shown import shown
from support.trees import read_tree, write_tree

POLICY = """
schema = "rules.json"

[policy]
max_age = "1h"
max_size = "10B"
require_keys = ["Text[a]", "Dbt*"]
forbid_strategies = ["LEGACY_CODE_SERVER_SNAPSHOTS"]

[keys."Text[free]"]
policy.max_age = "10d"
policy.max_size = "1kB"
"""
SCHEMA = '{"type": "object", "properties": {"rows": {"type": "integer"}}}'


def let_be_of(key_dir: Path, ago: timedelta) -> None:
    """Let a key's record say that its state was confirmed so long ago."""
    path = key_dir / RECORD
    record = json.loads(path.read_text())
    then = (datetime.now(timezone.utc) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.write_text(json.dumps({**record, "fetched_at": then, "checked_at": then}))


def found(result: Result) -> set[tuple[str, str]]:
    """Return (code, the key's name or nothing) of every error."""
    findings = result.json["projects"][0]["check"]["findings"]
    return {(item["code"], (item["key"] or "Text[]")[5:-1]) for item in findings if item["severity"] == "error"}


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_every_rule(host: HostKit, tmp_path: Path) -> None:
    """Each rule is broken by the state that breaks it, and by no other; then nothing is baked."""
    texts = {"a": "{}", "old": "{}", "large": '{"rows": 123}', "free": '{"rows": 123}', "odd": "[]", "text": "x"}
    documents = [host.code(name, f"state_path.write_text({text!r})") for name, text in texts.items()]
    project = host.project(tmp_path, documents, {"rules.json": SCHEMA})
    statebake("refresh", cwd=project, env=host.env).ok()
    for name in ("old", "free"):
        let_be_of(host.state_dir(project) / f"Text__{name}__", timedelta(days=2))
    remote = host.text("far", defs_state={"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"})
    host.declare(project, [*documents, remote])
    assert found(statebake("check", "--format", "json", cwd=project, env=host.env)) == {("SB307", "far")}

    write_tree(project, {"statebake.toml": POLICY})
    before = read_tree(project)
    command = ("check", "--allow-runtime-fetch", "Text[far]", "--format", "json")
    result = statebake(*command, cwd=project, env=host.env)
    assert result.code == 3
    assert found(result) == {
        ("SB331", "old"),
        ("SB332", "large"),
        ("SB333", ""),
        ("SB334", "far"),
        ("SB335", "odd"),
        ("SB335", "text"),
    }
    findings = {item["code"]: item for item in result.json["projects"][0]["check"]["findings"]}
    assert findings["SB333"]["where"] == "statebake.toml:6"
    assert findings["SB334"]["where"] == host.where([*documents, remote], len(documents))
    assert "last confirmed 2 d ago; policy.max_age is 1h" in findings["SB331"]["message"]
    for arguments in (("bake", "pex"), ("bake", "docker", "--no-build")):
        baked = statebake(*arguments, "--no-refresh", "--allow-runtime-fetch", "*", cwd=project, env=host.env)
        assert baked.code == 3, baked.err
        assert {"SB331", "SB332", "SB333", "SB334", "SB335"} <= {item.code for item in shown(baked.err)}
    assert read_tree(project) == before


def test_the_policy_of_one_run(tmp_path: Path) -> None:
    """Flags and variables set a policy too, for all keys; ``status`` has a word for what breaks it."""
    project = NATIVE.project(tmp_path, [NATIVE.text("it")])
    statebake("refresh", cwd=project).ok()
    flags = ("--policy-max-size", "1B", "--require-key", "Text", "--forbid-strategy", "VERSIONED_STATE_STORAGE")
    [finding] = shown(statebake("check", *flags, cwd=project).err)
    assert (finding.code, finding.message) == (
        "SB332",
        "Text[it]: The state has 2 B (2 bytes); policy.max_size is 1 B.",
    )
    status = statebake("status", cwd=project, env={"STATEBAKE_POLICY_MAX_SIZE": "1B"}).ok()
    assert "too large" in status.out
    statebake("check", "--policy-max-age", "1h", cwd=project).ok()
    (NATIVE.state_dir(project) / "Text__it__" / RECORD).unlink()
    result = statebake("check", "--policy-max-age", "1h", cwd=project)
    assert result.code == 3
    assert [(item.severity, item.code) for item in shown(result.err)] == [("error", "SB331"), ("warning", "SB306")]


def test_a_schema_that_is_none(tmp_path: Path) -> None:
    """A schema that cannot be used is one finding, however many keys it is for, and ends no check before its end."""
    project = NATIVE.project(tmp_path, [NATIVE.text(name) for name in "ab"], {"rules.json": "{"})
    statebake("refresh", cwd=project).ok()
    result = statebake("check", "--schema", "rules.json", cwd=project)
    assert (result.code, [item.code for item in shown(result.err)]) == (2, ["SB103"])
