"""Native projects whose components do what a test tells them when they are loaded."""

from __future__ import annotations

import json
from pathlib import Path

from support.native import native_project, state_dir

LOADS = """
    import os
    import sys

    from shop.components import Text


    class Loads(Text):
        '''Runs Python code when it is loaded, and yields as many things as `made` says then.'''

        def build_defs_from_state(self, context, state_path):
            scope = {"state": state_path, "os": os, "sys": sys, "made": [1, 2]}
            exec(self.source, scope)
            return scope["made"]
"""
READ = "made = state.read_text().split()"


def loads(name: str, code: str) -> str:
    """Return the YAML document of a component that runs ``code`` when it is loaded; ``state`` is its state's path."""
    attributes = json.dumps({"name": name, "text": "one two three", "source": code})
    return f"type: shop.loads.Loads\nattributes: {attributes}\n"


def project(root: Path, *components: str, settings: str = "") -> Path:
    """Write a native project of such components, with their state."""
    made = native_project(root, "---\n".join(components), {"src/shop/loads.py": LOADS})
    with (made / "pyproject.toml").open("a") as stream:
        stream.write(settings)
    for name in (component.partition('"name": "')[2].partition('"')[0] for component in components):
        place = state_dir(made) / f"Text__{name}__"
        place.mkdir(parents=True)
        (place / "state").write_text("one two three")
    (state_dir(made) / ".gitignore").write_text("*\n")
    return made
