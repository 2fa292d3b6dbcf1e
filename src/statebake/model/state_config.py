"""How one component keeps its state: its key, its strategy, and whether development refreshes it.

The names and values are Dagster's (``dagster.components.utils.defs_state``), so that a component moves between the
two with a change of import.
"""

from __future__ import annotations

from enum import Enum

from statebake.model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class DefsStateManagementType(str, Enum):
    """Where state lives between the fetch and the load."""

    LOCAL_FILESYSTEM = "LOCAL_FILESYSTEM"
    VERSIONED_STATE_STORAGE = "VERSIONED_STATE_STORAGE"
    LEGACY_CODE_SERVER_SNAPSHOTS = "LEGACY_CODE_SERVER_SNAPSHOTS"


class DefsStateConfig(Frozen):
    """The state configuration of one component.

    Attributes:
        key: the defs state key, ``ClassName[discriminator]``. Components with the same key share state.
        management_type: the strategy.
        refresh_if_dev: whether a load in development fetches anew.
    """

    key: str
    management_type: DefsStateManagementType = DefsStateManagementType.LOCAL_FILESYSTEM
    refresh_if_dev: bool = True

    @classmethod
    def from_args(cls, args: Mapping[str, Any] | None, default_key: str) -> DefsStateConfig:
        """Return the configuration that a ``defs_state`` attribute asks for.

        ``args`` is that attribute as written in ``defs.yaml`` (``key``, ``management_type``, ``refresh_if_dev``, all
        optional); ``default_key`` is used where it names no key. Raises ``ValueError`` for a name or a value that is
        not known.
        """
        given = dict(args or {})
        unknown = sorted(set(given) - {"key", "management_type", "refresh_if_dev"})
        if unknown:
            raise ValueError(f"defs_state has no {unknown[0]!r}: it takes key, management_type, refresh_if_dev")
        management_type = given.get("management_type", DefsStateManagementType.LOCAL_FILESYSTEM)
        try:
            strategy = DefsStateManagementType(management_type)
        except ValueError:
            names = ", ".join(member.value for member in DefsStateManagementType)
            raise ValueError(f"management_type {management_type!r} is none of {names}") from None
        return cls(
            key=str(given.get("key") or default_key),
            management_type=strategy,
            refresh_if_dev=bool(given.get("refresh_if_dev", True)),
        )
