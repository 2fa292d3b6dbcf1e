"""Reading the state in a PEX (a zip file with a shebang in front; APPNOTE.TXT of PKWARE for the format).

Nothing is extracted and nothing is run. An archive that could mean two things is refused.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from statebake.errors import StatebakeError
from statebake.model.keys import MANIFEST_NAME, STATE_DIR_NAME
from statebake.verify.artifact import ArtifactState, FoundFile, artifact_state, unreadable


def read_pex(path: Path) -> tuple[ArtifactState, ...]:
    """Return every state directory in the PEX at ``path`` that has a manifest.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` for a file that is no PEX or not safe to read, ``BAD_RECORD`` or
    ``NEWER_FORMAT`` for a manifest that cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = _safe_names(archive, path)
            if "PEX-INFO" not in names:
                raise _not_a_pex(path, "it has no PEX-INFO")
            suffix = f"{STATE_DIR_NAME}/{MANIFEST_NAME}"
            manifests = sorted(name for name in names if name == suffix or name.endswith(f"/{suffix}"))
            return tuple(_state(archive, names, str(PurePosixPath(name).parent), path) for name in manifests)
    except FileNotFoundError as error:
        raise _not_a_pex(path, "there is no such file") from error
    except IsADirectoryError as error:
        raise _not_a_pex(path, "it is a directory") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
        # zipfile's RuntimeError: an entry with a password, or with a compression that it does not know
        raise _not_a_pex(path, f"it cannot be read as a zip file ({error})") from error


def is_pex(path: Path) -> bool:
    """Return whether the file at ``path`` is a PEX, whatever it carries."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "PEX-INFO" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _state(archive: zipfile.ZipFile, names: dict[str, zipfile.ZipInfo], state_dir: str, path: Path) -> ArtifactState:
    files, directories = {}, set()
    for name, info in names.items():
        if not name.startswith(f"{state_dir}/"):
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _not_a_pex(path, f"its state has a symbolic link, {name!r}")
        inside = name.removeprefix(f"{state_dir}/")
        if info.is_dir():
            directories.add(inside.rstrip("/"))
        else:
            files[inside] = FoundFile(info.file_size, _opener(archive, info))
    directories.discard("")
    return artifact_state(
        state_dir, files, directories, lambda inside: archive.read(f"{state_dir}/{inside}"), str(path)
    )


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, archive.open(info))


def _safe_names(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    names: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name in names:
            raise _not_a_pex(path, f"it has two entries called {name!r}")
        # A backslash is a letter here and a separator to some other tools: such a name must be harmless to both.
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts:
            raise _not_a_pex(path, f"it has an entry that leaves it, {name!r}")
        names[name] = info
    return names


def _not_a_pex(path: Path, why: str) -> StatebakeError:
    return unreadable("a PEX", why, str(path))
