"""A component whose state is a text."""

from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster.components import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig


@dataclass
class Text(dg.StateBackedComponent, dg.Resolvable):
    name: str
    defs_state: ResolvedDefsStateConfig = field(default_factory=DefsStateConfigArgs.local_filesystem)

    @property
    def defs_state_config(self) -> DefsStateConfig:
        return DefsStateConfig.from_args(self.defs_state, default_key=f"Text[{self.name}]")

    async def write_state_to_path(self, state_path: Path) -> None:
        state_path.write_text(self.name)

    def build_defs_from_state(self, context, state_path):
        if state_path is None:
            return dg.Definitions()
        return dg.Definitions(assets=[dg.AssetSpec(key=state_path.read_text())])
