"""Where the state of a key comes from at load: one function per strategy."""

from __future__ import annotations

import os

from statebake.errors import Code, StatebakeError
from statebake.model.keys import STATE_NAME
from statebake.model.state_config import DefsStateManagementType
from statebake.runtime.state_files import is_baked, require_present, state_path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from statebake.runtime.declarations import Declared


def state_paths(defs_dir: Path, declared: Sequence[Declared], cleanup: ExitStack) -> list[Path]:
    """Return the path of the state of each of ``declared``, in order; components with one key share a path.

    Fetches at most once per key and strategy, and in a baked artifact never. What lives for this load only is
    removed by ``cleanup``. Raises ``StatebakeError``: ``MISSING_STATE``, ``EMPTY_STATE``,
    ``STORE_NOT_BUILT_IN``, or the error of a fetch.
    """
    baked = is_baked(defs_dir)
    users: dict[tuple[str, str], list[Declared]] = {}
    for one in declared:
        users.setdefault(_source_of(one), []).append(one)
    paths = {source: _state_path(defs_dir, sharing, cleanup, baked=baked) for source, sharing in users.items()}
    return [paths[_source_of(one)] for one in declared]


def _source_of(declared: Declared) -> tuple[str, str]:
    return declared.config.management_type.value, declared.key


def _state_path(defs_dir: Path, users: Sequence[Declared], cleanup: ExitStack, *, baked: bool) -> Path:
    strategy = users[0].config.management_type
    if strategy is DefsStateManagementType.VERSIONED_STATE_STORAGE:
        return _from_store(users[0])
    if strategy is DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS:
        return _for_this_load(users[0], cleanup, baked=baked)
    return _from_disk(defs_dir, users, baked=baked)


def _from_disk(defs_dir: Path, users: Sequence[Declared], *, baked: bool) -> Path:
    from statebake.runtime import dev

    if not baked and dev.is_dev(os.environ):
        dev.refresh(defs_dir, users)
    first = users[0]
    return require_present(state_path_of(defs_dir, first.key), first.key, first.where, baked=baked)


def _for_this_load(user: Declared, cleanup: ExitStack, *, baked: bool) -> Path:
    if baked:
        raise StatebakeError(
            Code.MISSING_STATE,
            f"The state of {user.key!r} cannot come from a baked artifact: LEGACY_CODE_SERVER_SNAPSHOTS "
            "is fetched at each load and never kept.",
            where=user.where,
            next_step="set management_type: LOCAL_FILESYSTEM and bake again",
        )
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from statebake.runtime.dev import fetch_or_raise

    state_path = Path(cleanup.enter_context(TemporaryDirectory(prefix="statebake-")), STATE_NAME)
    fetch_or_raise(user, state_path)
    return state_path


def _from_store(user: Declared) -> Path:
    """The seam for a reader of versioned state stores."""
    raise StatebakeError(
        Code.STORE_NOT_BUILT_IN,
        f"The state of {user.key!r} is in a versioned state store, which this statebake cannot read yet.",
        where=user.where,
        next_step="set management_type: LOCAL_FILESYSTEM",
    )
