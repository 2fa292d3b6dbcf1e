"""Writing a wheel anew with the state in it; everything else in it stays as its backend made it, byte for byte."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from statebake.bake.state_files import StateFile
from statebake.bake.wheel.contents import CONFIG_NAMES, Changes, Contents, wheel_changes
from statebake.bake.wheel.record import changed_record, row
from statebake.bake.wheel.zip_entries import copy_entry, in_order, like, new_entry, write_file
from statebake.errors import Code, StatebakeError

_LARGEST_CONFIG = 1 << 20
_CHUNK = 1 << 20
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def complete_wheel(built: Path, output: Path, contents: Contents, backend: str) -> None:
    """Write the wheel ``built``, which ``backend`` made, with ``contents`` to ``output``.

    State that is in there already is replaced. What is put in comes before the metadata, without a time of its own: the
    same contents make the same bytes, also of a wheel that had them.

    Raises ``StatebakeError``: ``BACKEND_FAILED`` for what is no wheel, ``LEFT_OUT_BY_BACKEND``; and ``OSError``.
    """
    try:
        with zipfile.ZipFile(built) as archive:
            names = archive.namelist()
            record = _record(names, backend, built.name)
            changes = wheel_changes(contents, frozenset(names), dict(_configs(archive)), backend)
            with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as target:
                _rewrite(archive, record, changes, target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise no_wheel(backend, built.name, f"it cannot be read ({error})") from error


def no_wheel(backend: str, name: str, why: str) -> StatebakeError:
    """Return the error that a backend made something else than a wheel."""
    return StatebakeError(
        Code.BACKEND_FAILED,
        f"What {backend} made is no wheel that can be read: {why}.",
        where=name,
        next_step="look at what it makes by itself: STATEBAKE_ON_BUILD=off, or [build-system] build-backend = "
        f'"{backend}"',
    )


def _rewrite(archive: zipfile.ZipFile, record: str, changes: Changes, target: zipfile.ZipFile) -> None:
    rows: list[tuple[str, str, str]] | None = None
    for info, size in in_order(archive):
        if rows is None and info.filename.partition("/")[0].endswith(".dist-info"):
            rows = [_write(target, file) for file in changes.added]
        if info.filename == record:
            text = changed_record(archive.read(info).decode("utf-8"), changes.removes, rows or ())
            target.writestr(like(info), text.encode("utf-8"))
        elif not changes.removes(info.filename):
            copy_entry(archive, info, size, target)


def _write(target: zipfile.ZipFile, file: StateFile) -> tuple[str, str, str]:
    """Write a file and return its row in ``RECORD``."""
    info = new_entry(file.path)
    if file.source is None:
        data = (file.text or "").encode()
        target.writestr(info, data)
        return row(file.path, hashlib.sha256(data).digest(), len(data))
    write_file(target, info, file.source)
    return row(file.path, _digest(file.source), info.file_size)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _record(names: list[str], backend: str, wheel: str) -> str:
    """Return the path of the ``RECORD``; raises ``BACKEND_FAILED`` where there is none, or where it is signed."""
    records = [name for name in names if name.count("/") == 1 and name.endswith(".dist-info/RECORD")]
    if len(records) != 1:
        raise no_wheel(backend, wheel, "it has no RECORD" if not records else "it has several RECORDs")
    [record] = records
    directory = record.rpartition("/")[0]
    if signed := next((name for name in _SIGNATURES if f"{directory}/{name}" in names), None):
        raise no_wheel(backend, wheel, f"its RECORD is signed ({signed}), so nothing can be put in")
    return record


def _configs(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for info in archive.infolist():
        if info.filename.rpartition("/")[2] in CONFIG_NAMES and info.file_size <= _LARGEST_CONFIG:
            yield info.filename, archive.read(info).decode("utf-8", "replace")
