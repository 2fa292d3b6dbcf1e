"""``github``: commands at the right line, and the summary."""

from __future__ import annotations

import pytest

from statebake.cli.reports import GithubFormat
from statebake.cli.reports.markdown import summary_markdown
from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report
from support.runner import commands


def test_commands_stand_at_the_declaration(reports, scene):
    """A finding is shown at its own line, else at its key's declaration, with what it is about in the text."""
    found = commands(GithubFormat().render(reports[:1], scene))
    things = "projects/shop/src/shop/defs/things/defs.yaml"
    assert [(item.name, item.properties.get("file"), item.properties.get("line")) for item in found] == [
        ("error", things, "1"),
        ("error", things, "5"),
        ("error", things, "3"),
        ("error", None, None),
        ("warning", None, None),
    ]
    assert "\nat " not in found[0].data
    assert "\nat shop/defs/.local_defs_state/DbtProjectComponent__jaffle__\n" in found[2].data


@pytest.mark.parametrize("name", ["100%", "a,b", "a:b", "a=b", "%0A", "a b", "ä"])
def test_file_names_are_escaped(name, project, scene):
    """A file whose name has a meaning in commands is named as it is."""
    path = project / f"{name}.yaml"
    path.touch()
    found = Finding(Code.BAD_YAML, Severity.ERROR, None, "100%: no, YAML.", f"{name}.yaml:7", None)
    report = Report("check", str(project), "project", (), (found,), (), directory=str(project))
    [command] = commands(GithubFormat().render([report], scene))
    assert command.properties == {"file": f"projects/shop/{name}.yaml", "line": "7", "title": "SB201"}
    assert command.data == "100%: no, YAML."


def test_several_reports_say_whose(reports, scene):
    """Where there are several reports, a command says which one it is of; the last line has them all."""
    text = GithubFormat().render(reports, scene)
    assert all("projects/shop/dist/shop.pex: " in item.data for item in commands(text))
    assert text.splitlines()[-1] == "statebake verify: 4 errors, 1 warning in 4 keys"


def test_the_summary_is_appended(reports, scene, tmp_path, capsys):
    """The table is added to what earlier commands of the step wrote."""
    path = tmp_path / "summary.md"
    path.write_text("before\n\n")
    GithubFormat().show(reports, scene, {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text(encoding="utf-8") == "before\n\n" + summary_markdown(reports, 100_000)
    assert len(commands(capsys.readouterr().out)) == 5


def test_no_summary_is_wanted(reports, scene, capsys):
    """Outside of GitHub nothing is written but the commands."""
    GithubFormat().show(reports, scene, {})
    assert capsys.readouterr().out == GithubFormat().render(reports, scene)


def test_a_summary_that_cannot_be_written(reports, scene, tmp_path, capsys):
    """A summary that cannot be written is a warning: what was found was printed."""
    GithubFormat().show(reports, scene, {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    last = commands(capsys.readouterr().out)[-1]
    assert (last.name, last.data) == ("warning", "The summary of this step cannot be written: Is a directory.")


def test_a_large_summary_is_cut(scene, tmp_path, capsys):
    """A summary stays within GitHub's limit, whatever is in the file already, and says what is left out."""
    keys = tuple(KeyResult(f"Text[{number:05}]", None, "ok") for number in range(20_000))
    report = Report("check", "shop", "project", ("done",), (), keys)
    path = tmp_path / "summary.md"
    for _ in range(2):
        GithubFormat().show([report], scene, {"GITHUB_STEP_SUMMARY": str(path)})
        assert path.stat().st_size <= 1024 * 1024
    assert "lines are left out" in path.read_text(encoding="utf-8")
    capsys.readouterr()
