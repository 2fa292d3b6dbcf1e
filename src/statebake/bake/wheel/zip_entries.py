"""Copying entries of a zip file as they are, byte for byte (APPNOTE.TXT of PKWARE, 4.3): nothing is unpacked."""

from __future__ import annotations

import copy
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_CHUNK = 1 << 20
EARLIEST = (1980, 1, 1, 0, 0, 0)
_FILE_0644 = 0o100644 << 16
_UTF8_NAME = 0x800


def in_order(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """Yield every entry with the bytes that it takes, header and descriptor included, in the order of the file."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in infos[1:]), archive.start_dir]
    for info, end in zip(infos, ends, strict=True):
        yield info, end - info.header_offset


def can_be_copied(info: zipfile.ZipInfo) -> bool:
    """Return whether ``copy_entry`` may be used: the new archive has all names in UTF-8, also in the copied header."""
    return info.filename.isascii() or bool(info.flag_bits & _UTF8_NAME)


def copy_entry(source: zipfile.ZipFile, info: zipfile.ZipInfo, size: int, target: zipfile.ZipFile) -> None:
    """Append an entry of ``source``, which takes ``size`` bytes there, to ``target``."""
    read, write = source.fp, target.fp
    if read is None or write is None:
        raise ValueError("the archive is closed")
    read.seek(info.header_offset)
    write.seek(target.start_dir)
    moved = copy.copy(info)
    moved.header_offset = write.tell()
    _copy(read, write, size)
    target.filelist.append(moved)
    target.NameToInfo[moved.filename] = moved
    target.start_dir = write.tell()


def new_entry(name: str) -> zipfile.ZipInfo:
    """Return the header of a file that is put in: no time, no owner, mode 0644."""
    info = zipfile.ZipInfo(name, date_time=EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, on every system
    info.external_attr = _FILE_0644
    return info


def like(info: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    """Return the header of a file ``name`` that replaces another one: its time, compression and mode.

    An entry without any mode gets 0644, for ``zipfile`` would give it 0600.
    """
    made = zipfile.ZipInfo(name, date_time=info.date_time)
    made.compress_type = info.compress_type
    made.create_system = info.create_system
    made.external_attr = info.external_attr or _FILE_0644
    return made


def copy_as(source: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, target: zipfile.ZipFile) -> None:
    """Append what an entry of ``source`` has to ``target``, under another ``name``."""
    made = like(info, name)
    made.file_size = info.file_size  # decides whether it needs ZIP64
    with source.open(info) as stream, target.open(made, "w") as entry:
        shutil.copyfileobj(stream, entry, _CHUNK)


def _copy(read: IO[bytes], write: IO[bytes], size: int) -> None:
    while size:
        chunk = read.read(min(size, _CHUNK))
        if not chunk:
            raise zipfile.BadZipFile("it ends too early")
        write.write(chunk)
        size -= len(chunk)


def write_file(target: zipfile.ZipFile, info: zipfile.ZipInfo, source: Path) -> None:
    """Append a file, however large it is."""
    info.file_size = source.stat().st_size  # decides whether it needs ZIP64
    with source.open("rb") as stream, target.open(info, "w") as entry:
        shutil.copyfileobj(stream, entry, _CHUNK)
