"""The document of a command that was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from statebake.cli.json_view import JsonView


def test_an_interrupt_without_a_refresh(capsys):
    """Where nothing was refreshed, only that is told: nothing of a bake with the state that is there."""
    view = JsonView({})
    view.observer(SimpleNamespace(project=SimpleNamespace(directory=Path("shop"))))
    view.interrupted()
    document = json.loads(capsys.readouterr().out)
    assert (document.pop("format"), document.pop("statebake") != "", document) == (1, True, {"interrupted": True})
