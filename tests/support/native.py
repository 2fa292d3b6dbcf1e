"""A small native project whose components do what a test tells them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.trees import write_tree

PYPROJECT = """
    [project]
    name = "shop"
    version = "1"
    dependencies = ["statebake"]
"""

COMPONENTS = """
    from __future__ import annotations

    import os
    from collections.abc import Mapping
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Any

    from statebake import ComponentLoadContext, DefsStateConfig, StateBackedComponent


    @dataclass
    class Text(StateBackedComponent):
        '''Writes the text of a file, or the given one, as its state.'''

        name: str
        text: str = ""
        source: str = ""
        defs_state: Mapping[str, Any] | None = None

        @property
        def defs_state_config(self) -> DefsStateConfig:
            return DefsStateConfig.from_args(self.defs_state, default_key=f"Text[{self.name}]")

        def write_state_to_path(self, state_path: Path) -> None:
            state_path.write_text(Path(self.source).read_text() if self.source else self.text or self.name)

        def build_defs_from_state(self, context: ComponentLoadContext, state_path: Path) -> str:
            return state_path.read_text()


    class Code(Text):
        '''Runs Python code that a test gives it; `state_path` is at hand.'''

        def write_state_to_path(self, state_path: Path) -> None:
            exec(self.text, {"state_path": state_path, "os": os, "Path": Path})
"""


def native_project(root: Path, defs_yaml: str, files: Mapping[str, str] | None = None) -> Path:
    """Write a native project called ``shop`` with this ``defs.yaml`` under ``root`` and return it."""
    return write_tree(
        root,
        {
            "pyproject.toml": PYPROJECT,
            "src/shop/__init__.py": "",
            "src/shop/__main__.py": "from statebake import load_defs\nprint(*load_defs('shop'), sep='\\n')\n",
            "src/shop/components.py": COMPONENTS,
            "src/shop/defs/__init__.py": "",
            "src/shop/defs/things/defs.yaml": defs_yaml,
            **(files or {}),
        },
    )


def state_dir(project: Path) -> Path:
    """Return the state directory of a project made by ``native_project``."""
    return project / "src/shop/defs/.local_defs_state"


def component(name: str, **attributes: object) -> str:
    """Return a ``Text`` component's YAML document; give several to ``documents``."""
    import json

    return f"type: shop.components.Text\nattributes: {json.dumps({'name': name, **attributes})}\n"


def code_component(name: str, text: str, **attributes: object) -> str:
    """Return the YAML document of a component whose fetch runs the Python code ``text``."""
    return component(name, text=text, **attributes).replace("shop.components.Text", "shop.components.Code")


def documents(*texts: str) -> str:
    """Join YAML documents."""
    return "---\n".join(texts)
