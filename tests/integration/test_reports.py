"""``statebake check`` with the formats of CI systems, on real projects."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from support.cli import statebake
from support.native import code_component, component, documents, native_project, state_dir
from support.runner import commands
from support.shown import assert_no_crash, shown, the_error
from support.trees import write_tree
from support.workspaces import workspace

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text(encoding="utf-8"))
ALL = ("json", "text", "github", "gitlab", "junit", "sarif")
HOSTILE = "::error::x ##[add-mask]y"


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """A workspace in a repository: one project with its state, one without, one that cannot be imported."""
    root = workspace(tmp_path / "repo", {name: component(name) for name in ("sound", "empty", "broken")})
    statebake("refresh", "--project", "sound", cwd=root).ok()
    write_tree(root / "broken", {"src/shop/__init__.py": "raise ValueError('at import')\n"})
    (root / ".git").mkdir()
    return root


def test_several_at_once(shops: Path) -> None:
    """Every format is written in one run, of every project, also of one that an error ended the work on."""
    outputs = [part for name in ALL for part in ("--output", f"{name}=out/report.{name}")]
    result = statebake("check", *outputs, cwd=shops)
    assert result.code == 3
    assert "sound: 1 key has its state" in result.out
    texts = {name: (shops / f"out/report.{name}").read_text(encoding="utf-8") for name in ALL}
    document = json.loads(texts["json"])
    jsonschema.validate(document, SCHEMA)
    assert (document["command"], document["ok"], document["exit"]) == ("check", False, 3)
    sound, empty, broken = document["reports"]
    assert [item["code"] for report in document["reports"] for item in report["findings"]] == ["SB301", "SB206"]
    assert (sound["ok"], sound["keys"][0]["verdict"], sound["keys"][0]["bytes"]) == (True, "ok", 5)
    assert (empty["directory"], empty["exit"], empty["keys"][0]["verdict"]) == (str(shops / "empty"), 3, "missing")
    assert (broken["exit"], broken["keys"]) == (2, [])
    lines = [(item["path"], item["lines"]["begin"]) for item in _locations(texts["gitlab"])]
    assert lines == [("empty/src/shop/defs/things/defs.yaml", 1), ("broken/src/shop/__init__.py", 1)]
    [run] = json.loads(texts["sarif"])["runs"]
    assert [item["ruleId"] for item in run["results"]] == ["SB301", "SB206"]
    assert [suite.get("failures") for suite in ET.fromstring(texts["junit"])] == ["0", "1", "1"]
    assert texts["text"].splitlines()[-1] == "✗ statebake check: 2 of 3 failed: 2 errors in 2 keys"
    assert "\x1b" not in "".join(texts.values())


def _locations(text: str) -> list[dict[str, dict[str, int]]]:
    return [item["location"] for item in json.loads(text)]


def test_github(shops: Path, tmp_path: Path) -> None:
    """In a GitHub job the line of every declaration is annotated, from wherever it is run, and there is a summary."""
    summary = tmp_path / "summary.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(shops), "GITHUB_STEP_SUMMARY": str(summary)}
    result = statebake("check", "--format", "github", cwd=shops / "empty", env=env)
    [command] = commands(result.out + result.err)
    assert result.code == 3
    assert command.properties == {"file": "empty/src/shop/defs/things/defs.yaml", "line": "1", "title": "SB301"}
    assert command.data.startswith("Text[empty]: No state: ")
    assert result.out.splitlines()[-1] == "statebake check: 1 error in 1 key"
    assert "<code>Text&#91;empty&#93;</code> | missing" in summary.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_standard_output_is_one_document(name: str, shops: Path) -> None:
    """Each format has standard output for itself, with an error that ended the work on a project in it."""
    result = statebake("check", "--format", name, cwd=shops)
    assert result.code == 3
    assert [item.code for item in shown(result.err)] == (["SB301", "SB206"] if name == "text" else ["SB206"])
    if name in {"json", "gitlab", "sarif"}:
        json.loads(result.out)
    elif name == "junit":
        ET.fromstring(result.out)
    elif name == "github":
        assert [item.properties["title"] for item in commands(result.out)] == ["SB301", "SB206"]


def test_json_is_what_it_was(shops: Path) -> None:
    """``--format json`` has the projects as ever, and the fields of a report beside them."""
    document = statebake("check", "--format", "json", cwd=shops).json
    assert [set(project) for project in document["projects"]] == [
        {"project", "directory", "check"},
        {"project", "directory", "check"},
        {"project", "directory", "error"},
    ]
    assert document["projects"][1]["check"]["findings"][0]["code"] == "SB301"
    jsonschema.validate(document, SCHEMA)
    assert [report["ok"] for report in document["reports"]] == [True, False, False]


def test_an_error_before_any_project(tmp_path: Path) -> None:
    """Where no project is found, that is in every report, and the exit code stays."""
    outputs = [part for name in ALL for part in ("--output", f"{name}=report.{name}")]
    result = statebake("check", "--project", "nowhere", "--format", "github", *outputs, cwd=tmp_path)
    assert (result.code, the_error(result.err).code) == (2, "SB101")
    assert [item.properties["title"] for item in commands(result.out)] == ["SB101"]
    assert all("SB101" in (tmp_path / f"report.{name}").read_text(encoding="utf-8") for name in ALL)


def test_names_are_not_obeyed(tmp_path: Path) -> None:
    """A key, a project and an error that look like workflow commands are text, in every format and on both streams."""
    texts = (component(HOSTILE), code_component("x", "state_path.write_text('x')"))
    project = native_project(tmp_path / "shop", documents(*texts))
    pyproject = project / "pyproject.toml"
    settings = f'[project]\nname = "{HOSTILE}"\nversion = "1"\n\n[tool.statebake]\nmodule = "shop"\n'
    for text in ("", f'"{HOSTILE}" = 1\n'):
        pyproject.write_text(settings + text)
        for name in ALL:
            result = statebake("check", "--format", name, cwd=project, env={"GITHUB_ACTIONS": "true"})
            assert result.code == (2 if text else 3)
            assert_no_crash(result.err)
            found = commands(result.out + result.err)
            assert {item.properties.get("title") for item in found} <= {"SB301", "SB102"}
            assert bool(found) == (name == "github")


def test_a_file_that_cannot_be_written(shops: Path) -> None:
    """A directory or a device is refused before anything is imported; what cannot be written later ends with 7."""
    for name in (".", "/dev/null"):
        refused = statebake("check", "--output", f"json={name}", cwd=shops)
        assert (refused.code, the_error(refused.err).code) == (7, "SB703")
        assert refused.out == ""
    (shops / "file").touch()
    failed = statebake("check", "--output", "json=file/x.json", "--project", "sound", cwd=shops)
    assert (failed.code, the_error(failed.err).code) == (7, "SB703")
    assert "sound: 1 key has its state" in failed.out
    failed = statebake("check", "--output", "json=file/x.json", "--project", "broken", cwd=shops)
    assert failed.code == 2
    assert {line[:12] for line in failed.err.splitlines() if line.startswith("error")} == {
        "error[SB703]",
        "error[SB206]",
    }


def test_a_report_is_never_half_written(shops: Path) -> None:
    """A report stands in place of the old one with its modes, and leaves nothing beside it."""
    path = shops / "out.sarif"
    path.write_text("old")
    path.chmod(0o600)
    before = path.stat().st_ino
    statebake("check", "--output", "out.sarif", "--project", "sound", cwd=shops).ok()
    assert json.loads(path.read_text(encoding="utf-8"))["runs"][0]["results"] == []
    assert (path.stat().st_mode & 0o777, path.stat().st_ino != before) == (0o600, True)
    assert not list(shops.glob(".out*"))


def test_a_changed_state_is_shown_at_its_declaration(shops: Path) -> None:
    """What is wrong with state is shown at the component that it belongs to, for nobody commits state."""
    (state_dir(shops / "sound") / "Text__sound__/state").write_text("other")
    result = statebake("check", "--format", "github", "--project", "sound", cwd=shops)
    [command] = commands(result.out)
    assert command.properties == {"file": "sound/src/shop/defs/things/defs.yaml", "line": "1", "title": "SB303"}
