"""What ``check`` says of keys that components share or that cannot be told apart, on real projects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.dagster import dagster_project
from support.hosts import DAGSTER, HOSTS, NATIVE, HostKit
from support.native import component, documents, native_project, state_dir
from support.shown import Shown, shown
from support.trees import write_tree

SHARED = {"defs_state": {"key": "Shared", "management_type": "LOCAL_FILESYSTEM"}}
NATIVE_SHARED = {"defs_state": {"key": "Shared"}}


def shared(host: HostKit) -> dict[str, object]:
    return SHARED if host.dagster else NATIVE_SHARED


def checked(project: Path, host: HostKit, *args: str, env: dict[str, str] | None = None) -> tuple[int, list[Shown]]:
    """Refresh, check, and return the exit code and every finding."""
    statebake("refresh", cwd=project, env={**host.env, **(env or {})}).ok()
    result = statebake("check", *args, cwd=project, env={**host.env, **(env or {})})
    return result.code, shown(result.err)


@pytest.mark.parametrize("host", HOSTS)
def test_one_key_for_two_texts(host: HostKit, tmp_path: Path) -> None:
    """Two components of one key that would fetch different things are an error with both places; no value is shown."""
    texts = [host.text("it", text=text, **shared(host)) for text in ("hunter2-one", "hunter2-two")]
    project = host.project(tmp_path, texts)
    code, [finding] = checked(project, host)
    assert (code, finding.severity, finding.code) == (3, "error", "SB329")
    for number in range(2):
        assert host.where(texts, number) in finding.message
    assert finding.where == host.where(texts, 1)
    assert "`text`" in finding.message
    assert "hunter2" not in json.dumps(vars(finding))
    code, [allowed] = checked(project, host, "--allow-differences", "Sh*")
    assert (code, allowed.severity, allowed.code) == (0, "warning", "SB329")


@pytest.mark.parametrize("host", HOSTS)
def test_one_key_shared_on_purpose(host: HostKit, tmp_path: Path) -> None:
    """Components with the same attributes share a key without a word, however the attributes are written."""
    value = "{{ env.SHOP_TEXT }}" if not host.dagster else "{{ env('SHOP_TEXT') }}"
    texts = [host.text("it", text=text, **shared(host)) for text in ("plain", value, "plain")]
    project = host.project(tmp_path, texts)
    assert checked(project, host, env={"SHOP_TEXT": "plain"}) == (0, [])
    code, findings = checked(project, host, env={"SHOP_TEXT": "other"})
    assert (code, [(item.code, item.where) for item in findings]) == (3, [("SB329", host.where(texts, 1))])


@pytest.mark.parametrize("host", HOSTS)
def test_one_key_for_two_classes(host: HostKit, tmp_path: Path) -> None:
    """Two classes with different fetches may mean different state: a warning, for nobody can tell."""
    write = "state_path.write_text('it')"
    project = host.project(
        tmp_path, [host.text("it", text=write, **shared(host)), host.code("it", write, **shared(host))]
    )
    code, [finding] = checked(project, host)
    assert (code, finding.severity, finding.code) == (0, "warning", "SB329")
    assert "`type`" in finding.message


def test_a_variable_that_is_not_set(tmp_path: Path) -> None:
    """A secret that is not there on this machine is the same secret for both components."""
    texts = [component("it", source="{{ env.SHOP_SOURCE }}", **NATIVE_SHARED) for _ in range(2)]
    project = native_project(tmp_path, documents(*texts))
    (tmp_path / "source").write_text("it")
    statebake("refresh", cwd=project, env={"SHOP_SOURCE": str(tmp_path / "source")}).ok()
    result = statebake("check", cwd=project)
    assert (result.code, shown(result.err)) == (0, [])


def dbt_project(root: Path, host: HostKit, *attributes: str) -> Path:
    """Write a Dagster project with one dbt project, and a component on it for each of ``attributes``."""
    return write_tree(
        dagster_project(
            root,
            {
                f"deep/{'er/' * number}dbt{number}": "type: dagster_dbt.DbtProjectComponent\nattributes:\n" + text
                for number, text in enumerate(attributes)
            },
        ),
        {
            "dbt/dbt_project.yml": "name: jaffle\nprofile: jaffle\nversion: '1.0'\nconfig-version: 2\n",
            "dbt/profiles.yml": "jaffle:\n  target: dev\n  outputs:\n"
            "    dev: {type: duckdb, path: dev.duckdb}\n    prod: {type: duckdb, path: prod.duckdb}\n",
            "dbt/models/one.sql": "select 1 as one\n",
            "dbt/models/two.sql": "select 2 as two\n",
        },
    )


@pytest.mark.parametrize("host", DAGSTER)
def test_two_dbt_components_on_one_project(host: HostKit, tmp_path: Path) -> None:
    """Two views of one dbt project share its state rightly, whatever they select, and however they name its path."""
    project = dbt_project(
        tmp_path,
        host,
        "  project: '{{ project_root }}/dbt'\n  select: one\n",
        "  project: ../../../../../../dbt\n  select: two\n  op: {name: two}\n  translation: {group_name: two}\n",
    )
    assert checked(project, host) == (0, [])


@pytest.mark.parametrize("host", DAGSTER)
def test_two_dbt_components_with_two_targets(host: HostKit, tmp_path: Path) -> None:
    """One dbt project with two targets has one state for both: an error that names the attribute and both places."""
    project = dbt_project(
        tmp_path,
        host,
        *(
            f"  project: {{project_dir: '{{{{ project_root }}}}/dbt', target: {name}}}\n  op: {{name: {name}}}\n"
            for name in ("dev", "prod")
        ),
    )
    result = statebake("check", cwd=project, env=host.env)
    findings = {item.code: item for item in shown(result.err)}
    assert (result.code, set(findings)) == (3, {"SB301", "SB329"})
    assert "src/depot/defs/deep/dbt0/defs.yaml:1" in findings["SB329"].message
    assert findings["SB329"].where == "src/depot/defs/deep/er/dbt1/defs.yaml:1"
    assert "`project`" in findings["SB329"].message


def test_keys_that_differ_only_by_case(tmp_path: Path) -> None:
    """Both commands say what the keys have in common, and where both are declared."""
    texts = [NATIVE.text(name) for name in ("a", "A")]
    project = NATIVE.project(tmp_path, texts)
    places = {NATIVE.where(texts, number) for number in range(2)}
    for command, code in (("check", 3), ("refresh", 4)):
        result = statebake(command, cwd=project)
        findings = [item for item in shown(result.err) if item.code == "SB304"]
        assert result.code == code
        assert findings
        for finding in findings:
            assert "differ only by case" in finding.message
            assert all(place in f"{finding.message} {finding.where}" for place in places)


def test_a_strategy_that_changed(tmp_path: Path) -> None:
    """A component that fetches at run time now leaves state behind that nothing reads: that is said as well."""
    texts = [NATIVE.text("it"), NATIVE.text("it", defs_state={"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"})]
    project = NATIVE.project(tmp_path, texts[:1])
    statebake("refresh", cwd=project).ok()
    NATIVE.declare(project, texts[1:])
    result = statebake("check", cwd=project)
    assert (result.code, [(item.code, item.severity) for item in shown(result.err)]) == (
        3,
        [("SB307", "error"), ("SB330", "warning")],
    )
    record = state_dir(project) / "Text__it__/.statebake.json"
    NATIVE.declare(project, texts[:1])
    record.write_text(record.read_text().replace("LOCAL_FILESYSTEM", "VERSIONED_STATE_STORAGE"))
    result = statebake("check", cwd=project)
    [finding] = shown(result.err)
    assert (result.code, finding.code) == (0, "SB330")
    assert finding.next_step == "statebake refresh --key 'Text[it]'"
    statebake("refresh", "--key", "Text[it]", cwd=project).ok()
    assert shown(statebake("check", cwd=project).ok().err) == []


def test_status_has_a_word_for_each(tmp_path: Path) -> None:
    """The health of a key says that its components differ."""
    project = native_project(
        tmp_path, documents(*(component("it", text=text, **NATIVE_SHARED) for text in ("one", "two")))
    )
    statebake("refresh", cwd=project).ok()
    result: Result = statebake("status", "--format", "json", cwd=project).ok()
    assert [key["health"] for key in result.json["projects"][0]["keys"]] == ["attributes differ"]
