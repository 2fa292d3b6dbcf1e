"""The state directory of an artifact, file by file; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from statebake.model.keys import IGNORE_NAME, MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import dump_json
from statebake.model.tree import TreeFile


@dataclass(frozen=True)
class StateFile:
    """A file of the state in the artifact: copied from ``source``, or written from ``text``."""

    path: str
    source: Path | None = None
    text: str | None = None


def state_path(defs_path: str) -> str:
    """Return the path of the state directory in an artifact with the defs dir ``defs_path``; ``.`` is the top."""
    return f"{defs_path}/{STATE_DIR_NAME}" if defs_path != "." else STATE_DIR_NAME


def state_files(directory: str, state: Mapping[str, Sequence[TreeFile]], manifest: Manifest) -> tuple[StateFile, ...]:
    """Return every file of the state directory ``directory`` of an artifact, sorted by path.

    ``state`` has every key directory's files by directory name, ``manifest`` the keys that go in.
    """
    files = [
        StateFile(f"{directory}/{IGNORE_NAME}", text="*\n"),
        StateFile(f"{directory}/{MANIFEST_NAME}", text=manifest.dumps()),
    ]
    for record in manifest.keys:
        name = sanitize_key(record.key)
        files.extend(StateFile(f"{directory}/{name}/{file.path}", source=file.source) for file in state[name])
        if record.fetched_at is not None:
            text = dump_json(record.without_volatile().to_json())
            files.append(StateFile(f"{directory}/{name}/{RECORD_NAME}", text=text))
    return tuple(sorted(files, key=lambda file: file.path))
