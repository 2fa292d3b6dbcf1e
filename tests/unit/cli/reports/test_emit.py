"""Giving out reports: standard output, files, the exit code, and no secrets."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from statebake.cli.reports import NAMES, Output, emit, emit_error, read_outputs, report_of_error
from statebake.errors import Code, Exit, StatebakeError
from statebake.model.finding import Finding, Severity
from support.verified import broken

SECRET = "hunter2-hunter2"


def test_several_at_once(reports, tmp_path, capsys):
    """One format is printed, all that were asked for are written, and the exit code is the gravest one's."""
    outputs = read_outputs([f"{name}=new/report.{name}" for name in NAMES], tmp_path)
    assert emit(reports, "gitlab", outputs, {}) is Exit.STATE
    assert len(json.loads(capsys.readouterr().out)) == 5
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"report.{name}" for name in NAMES}
    assert all(path.read_text(encoding="utf-8").endswith("\n") for path in (tmp_path / "new").iterdir())


def test_nothing_is_printed_twice(reports, tmp_path, capsys):
    """What was shown already is not printed again."""
    assert emit(reports[1:], None, [Output("json", tmp_path / "x")], {}) is Exit.OK
    assert capsys.readouterr().out == ""


def test_an_old_report_is_replaced(reports, tmp_path):
    """A report that is there is replaced, also where it is longer than the new one."""
    path = tmp_path / "report.json"
    path.write_text("x" * 100_000)
    emit(reports, None, [Output("json", path)], {})
    assert json.loads(path.read_text(encoding="utf-8"))["exit"] == 3
    assert [item.name for item in tmp_path.iterdir() if item.is_file()] == ["report.json"]


def test_one_file_fails(reports, tmp_path, capsys):
    """Where a file cannot be written, what can be given out is, and then the error is raised."""
    (tmp_path / "file").touch()
    outputs = [Output("json", tmp_path / "file" / "x.json"), Output("sarif", tmp_path / "x.sarif")]
    with pytest.raises(StatebakeError) as caught:
        emit(reports, "text", outputs, {})
    assert caught.value.code is Code.OUTPUT_FAILED
    assert (tmp_path / "x.sarif").exists()
    assert capsys.readouterr().out.endswith("4 errors, 1 warning in 4 keys\n")


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_given_out(name, reports, tmp_path, capsys):
    """The value of a variable that looks like a secret, and a URL's password, are in no report."""
    told = f"401 for https://me:{SECRET}@x.example and {SECRET}"
    finding = Finding(Code.FETCH_RAISED, Severity.ERROR, f"Key[{SECRET}]", told, f"{SECRET}.yaml:1", f"echo {SECRET}")
    report = replace(reports[0], subject=f"/x/{SECRET}", checks=(told,), notes=(told,), findings=(finding,))
    emit([report], name, [Output(name, tmp_path / "out")], {"SHOP_TOKEN": SECRET})
    given = capsys.readouterr().out + (tmp_path / "out").read_text(encoding="utf-8")
    assert SECRET not in given
    assert "****" in given


def test_next_steps_can_be_copied(project, capsys, monkeypatch):
    """A command names the project where the current directory is not in it, and does not where it is."""
    emit([broken(project)], "text", [], {})
    assert "next: statebake bake pex --project projects/shop\n" in capsys.readouterr().out
    monkeypatch.chdir(project)
    emit([broken(project)], "text", [], {})
    assert "--project" not in capsys.readouterr().out


def test_an_error_that_ended_the_command(capsys):
    """An error that came before there was anything to report on is a report, and its exit code counts."""
    error = StatebakeError(Code.NOT_AN_ARTIFACT, "app.pex is no PEX.", where="app.pex", next_step="statebake bake pex")
    assert emit([report_of_error("verify", "app.pex", "unknown", error)], "text", [], {}) is Exit.USAGE
    assert "error[SB112]: app.pex is no PEX.\n  at app.pex\n" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_an_error_is_shown_with_its_details(name, tmp_path, capsys):
    """The error itself is on standard error with its details, and in every report; for people it is not said twice."""
    error = StatebakeError(Code.PEX_FAILED, "pex failed.", detail="no space left")
    report = report_of_error("verify", "app.pex", "pex", error)
    assert emit_error(report, error, name, [Output(name, tmp_path / "out")], {}) is Exit.OUTSIDE_TOOL
    printed = capsys.readouterr()
    assert printed.err == "error[SB701]: pex failed.\n  | no space left\n"
    assert ("SB701" in printed.out) == (name != "text")
    assert "SB701" in (tmp_path / "out").read_text(encoding="utf-8")
