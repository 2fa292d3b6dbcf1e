"""Real Dagster: its interpreters, and small projects in the layout that ``dg`` makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from support.trees import write_tree

REPO = Path(__file__).resolve().parent.parent.parent
VENVS = REPO / ".cache" / "venvs"

PYPROJECT = """
    [project]
    name = "depot"
    version = "1"
    requires-python = ">=3.10"
    dependencies = ["dagster"]

    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [tool.dg]
    directory_type = "project"

    [tool.dg.project]
    root_module = "depot"
"""

DEFINITIONS = """
    from pathlib import Path

    import dagster as dg


    @dg.definitions
    def defs():
        return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""

COMPONENTS = """
    import os
    from dataclasses import dataclass, field
    from pathlib import Path

    import dagster as dg
    from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig


    @dataclass
    class Text(dg.StateBackedComponent, dg.Resolvable):
        name: str
        text: str = ""
        defs_state: ResolvedDefsStateConfig = field(default_factory=DefsStateConfigArgs.local_filesystem)

        @property
        def defs_state_config(self) -> DefsStateConfig:
            return DefsStateConfig.from_args(self.defs_state, default_key=f"Text[{self.name}]")

        async def write_state_to_path(self, state_path: Path) -> None:
            state_path.write_text(self.text or self.name)

        def build_defs_from_state(self, context, state_path):
            if state_path is None:
                return dg.Definitions()
            return dg.Definitions(assets=[dg.AssetSpec(key=state_path.read_text())])


    @dataclass
    class Code(Text):
        def write_state_to_path(self, state_path: Path) -> None:
            exec(self.text, {"state_path": state_path, "os": os, "Path": Path})
"""


def dagster_python(version: str) -> Path:
    """Return the interpreter that has Dagster ``version`` (``1.12`` or ``1.13``) and dbt; ``make test`` makes it."""
    return VENVS / f"dagster-{version}" / "bin" / "python"


def dagster_project(root: Path, defs_yaml: Mapping[str, str], files: Mapping[str, str] | None = None) -> Path:
    """Write a Dagster project called ``depot``; ``defs_yaml`` by the directory's name under ``defs``."""
    return write_tree(
        root,
        {
            "pyproject.toml": PYPROJECT,
            "src/depot/__init__.py": "",
            "src/depot/definitions.py": DEFINITIONS,
            "src/depot/components/__init__.py": "",
            "src/depot/components/text.py": COMPONENTS,
            "src/depot/defs/__init__.py": "",
            **{f"src/depot/defs/{name}/defs.yaml": text for name, text in defs_yaml.items()},
            **(files or {}),
        },
    )
