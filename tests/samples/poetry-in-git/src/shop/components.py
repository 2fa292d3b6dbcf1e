"""A component whose state is a directory, as that of dbt is: a marker, and what counts beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from statebake import DefsStateConfig, StateBackedComponent


@dataclass
class Project(StateBackedComponent):
    name: str

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(None, default_key=f"Project[{self.name}]")

    def write_state_to_path(self, state_path: Path) -> None:
        beside = state_path.parent / "project"
        for name in ("manifest.json", "target/partial.json", ".config/settings"):
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            (beside / name).write_text(f"{name} {os.environ.get('SAMPLE_STATE', '1')}\n")
        state_path.touch()

    def build_defs_from_state(self, context: object, state_path: Path) -> str:
        return (state_path.parent / "project/manifest.json").read_text()
