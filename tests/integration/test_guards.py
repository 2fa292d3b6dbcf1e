"""Rules for content, set in the configuration: what breaks one is not committed, and the old state is as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, component, native_project, state_dir
from support.shown import the_error
from support.trees import leftovers, read_tree, write_tree

OLD = json.dumps({"connectors": [{"id": f"c{number}", "tables": ["a", "b"]} for number in range(20)]})
HALF = json.dumps({"connectors": [{"id": f"c{number}", "tables": ["a", "b"]} for number in range(0, 20, 2)]})
SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["connectors"],
        "properties": {"connectors": {"type": "array", "items": {"type": "object", "required": ["id", "tables"]}}},
    }
)


def writing(host: HostKit, text: str) -> str:
    """Return the document of the component ``Text[it]`` whose state is ``text``, which is no template."""
    return host.code("it", f"state_path.write_text({text!r})")


def project_with(root: Path, host: HostKit, settings: str) -> Path:
    """Write a project with good state and these settings."""
    project = host.project(root, [writing(host, OLD)], {"rules/connectors.json": SCHEMA})
    statebake("refresh", cwd=project, env=host.env).ok()
    return write_tree(project, {"statebake.toml": settings})


def refresh(project: Path, host: HostKit, text: str, *args: str) -> Result:
    host.declare(project, [writing(host, text)])
    return statebake("refresh", *args, cwd=project, env=host.env)


BROKEN = {
    "min_bytes": ('min_bytes = "100B"', "{}", "SB409", ["2 bytes", "`min_bytes` of 100"]),
    "max_bytes": ('max_bytes = "2kB"', OLD * 3, "SB409", ["`max_bytes` of 2000"]),
    "schema": (
        'schema = "rules/connectors.json"',
        '{"connectors": [{"id": 1}]}',
        "SB409",
        ["connectors.json", "tables"],
    ),
    "no JSON": ('schema = "rules/connectors.json"', "<html>sign in</html>", "SB409", ["not JSON"]),
    "max_shrink": ('max_shrink = "20%"', HALF, "SB410", ["20 %", "connectors: 20 → 10 (gone: c1, c3, c5 and 7 more)"]),
}


@pytest.mark.parametrize("host", ONE_DAGSTER)
@pytest.mark.parametrize("rule", ["max_shrink", "schema"])
def test_a_rule_that_is_broken(rule: str, host: HostKit, tmp_path: Path) -> None:
    """The refresh fails, says what is wrong with the content and where, and leaves every byte of the old state."""
    assert_rejected(rule, host, tmp_path, "[keys.'Text*']\n")


@pytest.mark.parametrize("rule", [name for name in BROKEN if name not in {"max_shrink", "schema"}])
def test_a_rule_for_all_keys(rule: str, tmp_path: Path) -> None:
    """The same holds for a rule at the top level."""
    assert_rejected(rule, HostKit(), tmp_path, "")


def assert_rejected(rule: str, host: HostKit, tmp_path: Path, table: str) -> None:
    settings, text, code, says = BROKEN[rule]
    project = project_with(tmp_path, host, f"{table}{settings}\n")
    before = read_tree(host.state_dir(project))
    result = refresh(project, host, text)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (4, code, f"{host.yaml}:1")
    assert [part for part in says if part not in error.message] == []
    assert "its last good state is still there" in result.err
    assert read_tree(host.state_dir(project)) == before
    assert leftovers(host.state_dir(project)) == []
    assert refresh(project, host, OLD.replace('"b"', '"c"')).code == 0


def test_a_loss_that_is_accepted(tmp_path: Path) -> None:
    """``--allow-shrink``, which the message names, takes what was lost, and later refreshes count from there."""
    host = HostKit()
    project = project_with(tmp_path, host, 'max_shrink = "20%"\n')
    error = the_error(refresh(project, host, HALF).err)
    assert error.next_step
    assert error.next_step.endswith("--allow-shrink")
    assert refresh(project, host, HALF, "--allow-shrink").code == 0
    assert refresh(project, host, HALF.replace('"b"', '"c"')).code == 0


def test_a_rejected_fetch_is_not_tried_again(tmp_path: Path) -> None:
    """What the source says would be the same the next time."""
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x')\nstate_path.write_text('x')"
    project = native_project(tmp_path / "it", code_component("it", code), {"statebake.toml": 'min_bytes = "2B"\n'})
    assert statebake("refresh", cwd=project).code == 4
    assert count.read_text() == "x"


def test_a_rejected_fetch_may_be_stale(tmp_path: Path) -> None:
    """Content that is refused is a failure as any other: with ``on_failure`` the old state goes on."""
    host = HostKit()
    project = project_with(tmp_path, host, 'min_bytes = "100B"\non_failure = "stale"\n')
    result = refresh(project, host, "{}").ok()
    assert "1 stale" in result.out
    assert (host.state_dir(project) / "Text__it__/state").read_text() == OLD


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "rules/none.json"),
        ({"rules/none.json": "{"}, "none.json"),
        ({"rules/none.json": '{"type": 5}'}, "none.json"),
    ],
    ids=["missing", "not JSON", "no schema"],
)
def test_a_schema_that_is_none(files: dict[str, str], says: str, tmp_path: Path) -> None:
    """A schema that cannot be used ends the refresh before anything is fetched, and is named."""
    settings = {"statebake.toml": 'schema = "rules/none.json"\n', **files}
    project = native_project(tmp_path, component("it", text="{}"), settings)
    result = statebake("refresh", cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB103")
    assert says in (error.where or "") + error.message
    assert not list(state_dir(project).glob("Text*"))


def test_a_schema_without_the_extra(tmp_path: Path) -> None:
    """Where ``jsonschema`` is not installed, the error says how to install it, and nothing is committed unchecked."""
    hidden = write_tree(
        tmp_path / "hidden", {"jsonschema/__init__.py": "raise ModuleNotFoundError(name='jsonschema')\n"}
    )
    settings = {"statebake.toml": 'schema = "rules.json"\n', "rules.json": "{}"}
    project = native_project(tmp_path / "it", component("it", text="{}"), settings)
    result = statebake("refresh", cwd=project, env={"PYTHONPATH": str(hidden)})
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB113")
    assert "statebake[schema]" in (error.next_step or "") + error.message
    assert not list(state_dir(project).glob("Text*"))


@pytest.mark.parametrize(
    ("files", "flags", "where"),
    [
        ({}, ["--exclude", "!"], "flag --exclude"),
        ({"statebake.toml": '[keys."Other"]\nexclude = ["a\\nb"]\n'}, [], "statebake.toml:2"),
    ],
)
def test_a_pattern_that_is_none(files: dict[str, str], flags: list[str], where: str, tmp_path: Path) -> None:
    """It is told of before anything is fetched, with the place that has it."""
    seen = tmp_path / "seen"
    project = native_project(tmp_path / "it", code_component("it", f"Path({str(seen)!r}).touch()"), files)
    result = statebake("refresh", *flags, cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code, error.where, seen.exists()) == (2, "SB103", where, False)


def test_nothing_is_left(tmp_path: Path) -> None:
    """Where all that was fetched is excluded, the setting is named, and what it took out."""
    text = code_component("it", "state_path.mkdir()\n(state_path / 'a').write_text('x')")
    result = statebake("refresh", "--exclude", "state/*", cwd=native_project(tmp_path, text))
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB402")
    assert "Left out was what `exclude` and the defaults name: state/a." in error.message
    assert "correct `exclude`" in (error.next_step or "")


def test_what_is_left_out(tmp_path: Path) -> None:
    """Excluded files are no part of the state and its digest, and the run says how many there were."""
    write = "for name in ('state', 'a.log', 'logs/b', 'keep.log'):\n"
    write += "    p = state_path.parent / name\n    p.parent.mkdir(exist_ok=True)\n    p.write_text('x' + {extra!r})\n"
    files = {"statebake.toml": '[keys."Text[it]"]\nexclude = ["*.log", "logs/", "!keep.log"]\n'}
    project = native_project(tmp_path, code_component("it", write.format(extra="")), files)
    result = statebake("refresh", cwd=project).ok()
    place = state_dir(project) / "Text__it__"
    assert sorted(read_tree(place)) == [".statebake.json", "keep.log", "state"]
    assert "without 2 files" in result.out
    assert json.loads((place / ".statebake.json").read_text())["files"] == 2
    again = statebake("refresh", "--format", "json", cwd=project).ok()
    [item] = again.json["projects"][0]["refresh"]["keys"]
    assert (item["outcome"], item["pruned"]) == ("unchanged", 2)
