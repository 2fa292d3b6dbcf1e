"""What ``statebake init`` shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from statebake.cli.setup_view import change_lines
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
