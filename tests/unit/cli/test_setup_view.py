"""What ``statebake init`` shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from statebake.cli.setup_view import change_lines, next_steps, setup_json
from statebake.redact import MASK
from statebake.setup.notes import Note
from statebake.setup.plan import Change, SetupPlan

ROOT = Path("/repo/shop")


def test_secret_in_a_long_line():
    """A secret that a line is cut in is not shown, not in part either."""
    secret = "s3cr3t-of-many-letters"
    old = f"{'x' * 390}{secret}\n"
    plan = SetupPlan((), (Change(ROOT / "a.toml", old, f"{old}more\n", "why"),), (), ())
    setup = SimpleNamespace(plan=plan, name_of=lambda path: path.name)
    shown = "\n".join(line.plain for line in change_lines(setup, {"API_TOKEN": secret}))
    assert "+more" in shown
    assert "s3cr" not in shown
    assert "****" in shown


@pytest.mark.parametrize(
    "line",
    [
        'x = "https://h/x?token={}"',
        'x = "https://h/x.git?private_token={}&a=1"',
        'x = "https://me:{}@h/simple"',
        "x = '{}'",
    ],
)
def test_secrets_in_a_file(line):
    """What a file has in a URL, or in a format that is well known, is not shown, in text or JSON; it is written."""
    token = f"glpat-{'NqVwYS81VP7Hb1DX8pPd'}"
    change = Change(ROOT / "a.toml", line.format(token), f"{line.format(token)}\nmore = 1\n", "why")
    setup = SimpleNamespace(plan=SetupPlan((), (change,), (), ()), name_of=lambda path: path.name)
    [diff] = [one["diff"] for one in setup_json(setup, (), {})["changes"]]
    for shown in ("\n".join(line.plain for line in change_lines(setup, {})), diff):
        assert "+more = 1" in shown
        assert "NqVw" not in shown
        assert MASK in shown
    assert token in change.new


def test_secrets_in_notes():
    """A note is shown without secrets too, in text and JSON; where nothing is to be written as well."""
    token = f"glpat-{'NqVwYS81VP7Hb1DX8pPd'}"
    notes = (Note(f"See https://h/x?token={token}, s3cr3t.", to_do=True), Note(f"{token} is it."))
    setup = SimpleNamespace(plan=SetupPlan((), (), notes, ()))
    env = {"API_TOKEN": "s3cr3t"}
    shown = [line.plain for line in change_lines(setup, env)]
    found = setup_json(setup, (), env)
    wanted = [f"See https://h/x?token={MASK} {MASK}.", f"{MASK} is it."]
    assert shown == [f"note: {text}" for text in wanted]
    assert (found["notes"], found["to_do"]) == (wanted, wanted[:1])


def test_next_steps_elsewhere(tmp_path, monkeypatch):
    """Away from the project every next step names it; inside, none does."""
    project = tmp_path / "my shop"
    project.mkdir()
    plan = SetupPlan((), (), (), ("statebake refresh", "uv build", "python -m build", "statebake dockerfile"))
    setup = SimpleNamespace(plan=plan, target=SimpleNamespace(project=SimpleNamespace(directory=project)))
    monkeypatch.chdir(tmp_path)
    assert list(next_steps(setup)) == [
        "statebake refresh --project 'my shop'",
        "uv build 'my shop'",
        "python -m build 'my shop'",
        "statebake dockerfile --project 'my shop'",
    ]
    monkeypatch.chdir(project)
    assert list(next_steps(setup)) == list(plan.next_steps)
