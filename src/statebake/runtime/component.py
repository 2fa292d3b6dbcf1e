"""The base class of a component whose definitions are built from external state, and what it is told at load.

Names and signatures are Dagster's on purpose: a component moves between the two with a change of import.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from statebake.model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path
    from typing import Any

    from statebake.model.state_config import DefsStateConfig


class ComponentLoadContext(Frozen):
    """Where a component is declared.

    Attributes:
        defs_dir: the directory of the definitions, which holds ``.local_defs_state``.
        path: the directory of the declaring file.
        declared_at: ``file:line``, the file relative to ``defs_dir``.
    """

    defs_dir: Path
    path: Path
    declared_at: str


class StateBackedComponent(ABC):
    """A component in two halves: a fetch at build time, and a load that only reads.

    Attributes of its ``defs.yaml`` become keyword arguments of its constructor, so a subclass is usually a
    dataclass. An attribute that holds ``{{ env.NAME }}`` for a variable that is not set raises
    ``UNSET_VARIABLE`` when it is used, not before: keep what only the fetch needs, a token say, out of the
    constructor's own work and of the key.
    """

    @property
    @abstractmethod
    def defs_state_config(self) -> DefsStateConfig:
        """The component's key and strategy.

        The key must be the same where the state is fetched and where it is read. The usual one is
        ``ClassName[discriminator]``; ``DefsStateConfig.from_args(self.defs_state, default_key=…)`` lets a
        declaration override it. Components with the same key share state: any of them may be the one that
        fetches.
        """

    @abstractmethod
    def write_state_to_path(self, state_path: Path) -> Awaitable[None] | None:
        """Fetch the state and write it to ``state_path``, as a file or as a directory; may be ``async``.

        The parent of ``state_path`` exists and is this key's own, empty for each fetch: siblings written
        there are part of the state. ``state_path`` itself does not exist. It is a staging path, so neither
        keep it nor write it into the state. Anything raised fails the fetch, and the last good state stays.
        """

    @abstractmethod
    def build_defs_from_state(self, context: ComponentLoadContext, state_path: Path) -> Any:
        """Return what the component contributes, built from the state at ``state_path`` without a network.

        One object, ``None`` for nothing, or an iterable of objects (text, bytes, mappings and named tuples
        count as one object). ``state_path`` may be on a read-only file system, and is only certain to exist
        during the call.
        """
