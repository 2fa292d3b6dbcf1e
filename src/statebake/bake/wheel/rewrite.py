"""Writing a wheel anew with the state in it; everything else in it stays as its backend made it, byte for byte."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

from statebake.bake.state_files import StateFile
from statebake.bake.wheel.contents import CONFIG_NAMES, Changes, Contents, wheel_changes
from statebake.bake.wheel.members import content_of, member_of, members_of, must_be_open
from statebake.bake.wheel.record import SHA256, Member, algorithms_in, right_record
from statebake.bake.wheel.version import LocalVersion
from statebake.bake.wheel.zip_entries import can_be_copied, copy_as, copy_entry, in_order, like, new_entry, write_file
from statebake.errors import Code, StatebakeError

_LARGEST_CONFIG = 1 << 20
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def complete_wheel(
    built: Path, output: Path, contents: Contents, backend: str, local: LocalVersion | None = None
) -> None:
    """Write the wheel ``built``, which ``backend`` made, with ``contents`` to ``output``.

    State that is in there already is replaced. What is put in comes before the metadata, without a time of its own: the
    same contents make the same bytes, also of a wheel that had them. With ``local``, the version that is inside ends
    with it; the name of ``output`` should as well: see ``wheel_name``. ``RECORD`` lists what is in the new wheel,
    whatever the backend's says.

    Raises ``StatebakeError``: ``BACKEND_FAILED`` for what is no wheel, ``LEFT_OUT_BY_BACKEND``; and ``OSError``.
    """
    try:
        with zipfile.ZipFile(built) as archive:
            must_be_open(archive)
            names = archive.namelist()
            record = _record(names, backend, built.name)
            changes = wheel_changes(contents, frozenset(names), dict(_configs(archive)), backend)
            with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as target:
                _rewrite(archive, record, changes, local, target)
    except (zipfile.BadZipFile, ValueError) as error:
        raise no_wheel(backend, built.name, f"it cannot be read ({error})") from error


def wheel_name(name: str, local: LocalVersion | None, backend: str) -> str:
    """Return the name that a wheel has when it is completed; raises ``StatebakeError`` (``BACKEND_FAILED``)."""
    try:
        return local.file_name(name) if local else name
    except ValueError as error:
        raise no_wheel(backend, name, str(error)) from error


def no_wheel(backend: str, name: str, why: str) -> StatebakeError:
    """Return the error that a backend made something else than a wheel."""
    return StatebakeError(
        Code.BACKEND_FAILED,
        f"What {backend} made is no wheel that can be read: {why}.",
        where=name,
        next_step="look at what it makes by itself: STATEBAKE_ON_BUILD=off, or [build-system] build-backend = "
        f'"{backend}"',
    )


def _rewrite(
    archive: zipfile.ZipFile, record: str, changes: Changes, local: LocalVersion | None, target: zipfile.ZipFile
) -> None:
    named = record.partition("/")[0].removesuffix(".dist-info")
    renamed = partial(local.path, named=named) if local else str
    text = content_of(archive, archive.getinfo(record)).decode("utf-8", "replace")
    metadata = _metadata(archive, record, local) if local else {}
    kept: list[Member] = []
    for member in members_of(archive, changes.removes, algorithms_in(text)):
        path = renamed(member.path)
        if member.path == record:
            kept.append(Member(path, member.size, {}))
        elif member.path in metadata:
            kept.append(member_of(path, BytesIO(metadata[member.path]), (SHA256,)))
        else:
            kept.append(replace(member, path=path))
    added: list[Member] | None = None
    for info, size in in_order(archive):
        old, new = info.filename, renamed(info.filename)
        if added is None and old.partition("/")[0].endswith(".dist-info"):
            added = [_write(target, replace(file, path=renamed(file.path))) for file in changes.added]
        if old == record:
            right = right_record(text, kept, added or (), renamed=renamed)
            target.writestr(like(info, new), right.encode("utf-8"))
        elif old in metadata:
            target.writestr(like(info, new), metadata[old])
        elif changes.removes(old):
            continue
        elif old == new and can_be_copied(info):
            copy_entry(archive, info, size, target)
        else:
            copy_as(archive, info, new, target)


def _metadata(archive: zipfile.ZipFile, record: str, local: LocalVersion) -> dict[str, bytes]:
    """Return the ``METADATA`` with its new version, by its path; raises ``ValueError`` where there is none."""
    name = f"{record.rpartition('/')[0]}/METADATA"
    try:
        info = archive.getinfo(name)
    except KeyError as error:
        raise ValueError("it has no METADATA") from error
    return {name: local.metadata(content_of(archive, info))}


def _write(target: zipfile.ZipFile, file: StateFile) -> Member:
    """Write a file and return what it is as a member."""
    info = new_entry(file.path)
    if file.source is None:
        data = (file.text or "").encode()
        target.writestr(info, data)
        return member_of(file.path, BytesIO(data), (SHA256,))
    write_file(target, info, file.source)
    with file.source.open("rb") as stream:
        return member_of(file.path, stream, (SHA256,))


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
            yield info.filename, content_of(archive, info).decode("utf-8", "replace")
