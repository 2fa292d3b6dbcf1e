"""The document of a command that was interrupted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from statebake.cli.json_view import JsonView


def test_an_interrupt_without_a_refresh(capsys):
    """Where nothing was refreshed, there is nothing to print: not of a bake with the state that is there."""
    view = JsonView({})
    view.observer(SimpleNamespace(project=SimpleNamespace(directory=Path("shop"))))
    view.interrupted()
    assert capsys.readouterr().out == ""
