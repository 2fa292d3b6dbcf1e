"""Reading the state in a PEX (a zip file with a shebang in front; APPNOTE.TXT of PKWARE for the format).

Nothing is extracted and nothing is run. An archive that could mean two things is refused.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from statebake.errors import Code, StatebakeError
from statebake.model.keys import IGNORE_NAME, MANIFEST_NAME, RECORD_NAME, STATE_DIR_NAME, STATE_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.record import Record
from statebake.model.tree import TreeSummary, summarize


@dataclass(frozen=True)
class ArtifactKey:
    """One expected key of an artifact: its record, and what is really there (``None``: nothing)."""

    record: Record
    summary: TreeSummary | None


@dataclass(frozen=True)
class ArtifactState:
    """One state directory inside an artifact.

    Attributes:
        path: its path inside.
        manifest: what it says of itself.
        keys: every expected key and what is there.
        unexpected: directories that no expected key explains.
        has_ignore_file: whether Dagster's ignore file is there, without which a read-only load fails.
    """

    path: str
    manifest: Manifest
    keys: tuple[ArtifactKey, ...]
    unexpected: tuple[str, ...]
    has_ignore_file: bool


def read_pex(path: Path) -> tuple[ArtifactState, ...]:
    """Return every state directory in the PEX at ``path`` that has a manifest.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` for a file that is no PEX or not safe to read, ``BAD_RECORD`` or
    ``NEWER_FORMAT`` for a manifest that cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = _safe_names(archive, path)
            if "PEX-INFO" not in names:
                raise _not_an_artifact(path, "it has no PEX-INFO")
            suffix = f"{STATE_DIR_NAME}/{MANIFEST_NAME}"
            manifests = sorted(name for name in names if name == suffix or name.endswith(f"/{suffix}"))
            return tuple(_state(archive, names, name, path) for name in manifests)
    except FileNotFoundError as error:
        raise _not_an_artifact(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise _not_an_artifact(path, "it is a directory") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        # zipfile's RuntimeError: an entry with a password, or with a compression that it does not know
        raise _not_an_artifact(path, f"it cannot be read as a zip file ({error})") from error


def is_pex(path: Path) -> bool:
    """Return whether the file at ``path`` is a PEX, whatever it carries."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "PEX-INFO" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _state(
    archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], manifest_name: str, path: Path
) -> ArtifactState:
    state_dir = str(PurePosixPath(manifest_name).parent)
    manifest = Manifest.loads(archive.read(manifest_name).decode("utf-8", "replace"), f"{path}!{manifest_name}")
    inside = {
        name.removeprefix(f"{state_dir}/"): info for name, info in names.items() if name.startswith(f"{state_dir}/")
    }
    by_dir: dict[str, dict[str, zipfile.ZipInfo]] = {}
    for name, info in inside.items():
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _not_an_artifact(path, f"its state has a symbolic link, {info.filename!r}")
        directory, slash, rest = name.partition("/")
        if slash and rest:
            by_dir.setdefault(directory, {})[rest] = info
    expected = {sanitize_key(record.key) for record in manifest.keys}
    return ArtifactState(
        path=state_dir,
        manifest=manifest,
        keys=tuple(
            ArtifactKey(record, _summary(archive, by_dir.get(sanitize_key(record.key)))) for record in manifest.keys
        ),
        unexpected=tuple(sorted(set(by_dir) - expected)),
        has_ignore_file=IGNORE_NAME in inside,
    )


def _summary(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo] | None) -> TreeSummary | None:
    if members is None:
        return None
    files = [
        (name, info.file_size, _opener(archive, info))
        for name, info in sorted(members.items(), key=lambda item: item[0].encode())
        if name != RECORD_NAME and not info.is_dir()
    ]
    return summarize(files, state_is_dir=f"{STATE_NAME}/" in members)


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, archive.open(info))


def _safe_names(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    names: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in names:
            raise _not_an_artifact(path, f"it has two entries called {name!r}")
        # A backslash is a letter here and a separator to some other tools: such a name must be harmless to both.
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts:
            raise _not_an_artifact(path, f"it has an entry that leaves it, {name!r}")
        names[name] = info
    return names


def _not_an_artifact(path: Path, why: str) -> StatebakeError:
    return StatebakeError(
        Code.NOT_AN_ARTIFACT,
        f"This is not a PEX that can be read: {why}.",
        where=str(path),
        next_step="give the path of a PEX that statebake baked",
    )
