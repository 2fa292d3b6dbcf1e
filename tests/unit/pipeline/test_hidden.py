"""What must not be shown although the environment does not say so."""

from __future__ import annotations

from dataclasses import replace

from statebake.config import SecretSettings, Settings, find_projects
from statebake.pipeline.hidden import hidden_variables
from statebake.redact import MASK, redact
from support.trees import write_tree


def test_what_the_settings_name(tmp_path):
    """It is taken out whatever it is called, and of two projects both values of one name are."""
    projects = []
    settings = replace(Settings(), secrets=SecretSettings(names=("SHOP_SECRET_NAME", "PUBLIC_KEY")))
    for name in ("one", "two"):
        files = {"pyproject.toml": f"[project]\nname = '{name}'\n", ".env": f"SHOP_SECRET_NAME=hidden-{name}\n"}
        write_tree(tmp_path / name, files)
        projects += [(project, settings) for project in find_projects([tmp_path / name], tmp_path)]
    hidden = hidden_variables(projects, {"PUBLIC_KEY": "not-so-public", "HOME": "/root-of-all"})
    assert redact("hidden-one hidden-two not-so-public /root-of-all", hidden) == f"{MASK} {MASK} {MASK} /root-of-all"
