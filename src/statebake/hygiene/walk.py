"""One search of files: their bytes, and the files that they have in them, and those that these have."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import IO, BinaryIO

from statebake.hygiene import profiles
from statebake.hygiene.hits import Held, Hit, Kinds, Teller
from statebake.hygiene.patterns import Patterns, Subject, masked
from statebake.hygiene.sweep import Batch, Scan
from statebake.hygiene.unpack import Budget, Member, Tap, Unreadable
from statebake.hygiene.unpack.base import CHUNK
from statebake.hygiene.unpack.compressed import Compression, Unpacked, compression_of, unpacked_name
from statebake.hygiene.unpack.git import PACK, is_loose, is_zlib, pack_members, zlib_members
from statebake.hygiene.unpack.tars import is_header, tar_members
from statebake.hygiene.unpack.zips import END, ends_as_zip, is_zip, may_be_zip, zip_members

FILE_NAME = "file-name"
"""The rule of what is bad by its name."""
PROFILE_PASSWORD = "profile-password"  # noqa: S105 - a rule
"""The rule of passwords that are written out in dbt's profiles."""
_HEAD = 4096
_DEEPEST = 8
_IN_MEMORY = 1 << 23
_MOST_UNREAD = 1_000
_LONGEST_NAME = 1024
_FOREIGN = ((b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"Rar!\x1a\x07", "RAR"), (b"\x04\x22\x4d\x18", "LZ4"))


class Walk:
    """A search. ``unread`` gets a sentence for each file that cannot be unpacked."""

    def __init__(self, patterns: Patterns, judge_name: Callable[[str], str | None], unread: list[str]) -> None:
        self._patterns = patterns
        self._judge_name = judge_name
        self._unread = unread
        self._batch = Batch(patterns)
        self._hits: deque[Hit] = deque()
        self._budget = Budget(0)
        self._begin = 0  # where the outermost file begins in its stream

    def search(self, files: Iterable[tuple[str, BinaryIO, int | None]]) -> Iterator[Hit]:
        """See ``Searcher.search_all``. A file may be called as a secret is: no path that is told of has one in it."""
        for hit in self._search(files):
            yield replace(hit, path=masked(self._patterns, hit.path))

    def _search(self, files: Iterable[tuple[str, BinaryIO, int | None]]) -> Iterator[Hit]:
        for path, stream, size in files:
            tap = Tap(stream)
            self._budget = Budget(size or 0)
            if size is None:
                tap.watch(self._grow)
            file = _seekable(stream)
            self._begin = 0 if file is None else file.tell()
            tell = Teller(self._shown(path), self._hits)
            self._name(tell.path, path)
            yield from self._file(tell, path, tap, 0, file)
        self._batch.flush()
        yield from self._drain()

    def _name(self, shown: str, path: str) -> None:
        """Search the path of a file; those of files in archives are in the bytes of these."""

        def tell(_: int, subject: Subject) -> None:
            if subject.is_secret:
                self._hits.append(Hit(shown, 0, subject.rule, f"{subject.what} in its name", subject.name))

        self._batch.add(tell, 0, path.encode("utf-8", "surrogateescape"))

    def _grow(self, data: bytes) -> None:
        self._budget.size += len(data)

    def _file(
        self,
        tell: Teller,
        name: str,
        tap: Tap,
        depth: int,
        file: IO[bytes] | None = None,
        *,
        outer: Teller | None = None,
    ) -> Iterator[Hit]:
        """Search a file. ``file`` is one that can be sought in; ``outer`` tells of the file that only compresses it."""
        head = tap.peek(_HEAD)
        if outer is not None and is_header(head):
            tell = Teller(outer.path, self._hits, tell.around)  # a compressed archive is one archive
        elif (what := self._judge_name(name)) is not None:
            self._hits.append(Hit(tell.path, None, FILE_NAME, what))
        # The directory of a zip archive is at its end: an archive may begin as anything, a program or an image.
        zipped = is_zip(head) or _ends_as_zip(tap, file, self._begin)
        if depth >= _DEEPEST and (zipped or _is_packed(head, name)):
            self._note(tell.path, "is packed too deep to be unpacked")
        elif is_header(head):
            yield from self._tar(tell, tap, depth)
            return
        elif is_zip(head):
            yield from self._zip(tell, tap, depth, file, told=not head.startswith(b"#!"))
            return
        elif (kind := compression_of(head)) and kind.new is not None:
            yield from self._compressed(tell, name, tap, depth, kind)
            return
        elif head.startswith(PACK):
            yield from self._stream(tell, tap, pack_members(tap, self._budget), depth)
            return
        elif is_zlib(head):
            yield from self._stream(tell, tap, zlib_members(tap, self._budget, loose=is_loose(name)), depth)
            return
        elif zipped or (file is None and may_be_zip(head, name) and len(tap.peek(END)) == END):
            yield from self._zip(tell, tap, depth, file, told=False)
            return
        elif kind is not None:
            self._note(tell.path, f"is compressed with {kind.name}, which this Python cannot unpack")
        elif foreign := next((told for magic, told in _FOREIGN if head.startswith(magic)), None):
            self._note(tell.path, f"is a {foreign} file, which cannot be unpacked here")
        if name.rpartition("/")[2] in profiles.NAMES:
            yield from self._profile(tell, tap)
        else:
            yield from self._rest(tell, tap)

    def _profile(self, tell: Teller, tap: Tap) -> Iterator[Hit]:
        """Search a file of dbt's, which may have a password that looks like nothing in particular."""
        content = bytearray()
        tap.watch(lambda data: content.extend(data[: profiles.LARGEST + 1 - len(content)]))
        yield from self._rest(tell, tap)
        for offset, name in profiles.find_passwords(bytes(content)):
            yield Hit(tell.path, offset, PROFILE_PASSWORD, f"a credential written out as {name}")

    def _rest(self, tell: Teller, tap: Tap) -> Iterator[Hit]:
        """Search what is left of a file as it is."""
        begin = tap.position
        scan = Scan(self._patterns, tell, self._batch, start=begin)
        tap.watch(scan.feed)
        tail = b""
        while data := tap.read(CHUNK):
            tail = data[-END:] if len(data) >= END else (tail + data)[-END:]
            if self._hits:
                yield from self._drain()
        if begin == 0 and tap.position > END and ends_as_zip(tail, tap.position):
            self._note(tell.path, "has a zip archive at its end, which could not be unpacked")
        scan.finish()
        yield from self._drain()

    def _member(
        self, tell: Teller, member: Member, depth: int, kinds: Kinds | None = None, *, outer: Teller | None = None
    ) -> Iterator[Hit]:
        """Search a file in another one; ``kinds`` gets what is found there."""
        inner = tell.inside(self._shown(member.name), kinds)
        if member.problem is None:
            yield from self._file(inner, member.name, member.content, depth + 1, outer=outer)
        problem = member.problem or member.content.problem
        if problem is not None:
            self._note((outer or inner).path, problem)

    def _tar(self, tell: Teller, tap: Tap, depth: int) -> Iterator[Hit]:
        try:
            for member in tar_members(tap, lambda data, offset: self._batch.add(tell, offset, data)):
                yield from self._member(tell, member, depth)
        except Unreadable as error:
            self._note(tell.path, str(error))
        yield from self._rest(tell, tap)

    def _compressed(self, tell: Teller, name: str, tap: Tap, depth: int, kind: Compression) -> Iterator[Hit]:
        assert kind.new is not None
        content = Tap(Unpacked(tap, kind.new, self._budget, again=kind.magic))
        yield from self._stream(tell, tap, iter([Member(unpacked_name(name, kind), content)]), depth, outer=tell)

    def _stream(
        self, tell: Teller, tap: Tap, members: Iterator[Member], depth: int, *, outer: Teller | None = None
    ) -> Iterator[Hit]:
        """Search a file of which all bytes are packed, and what they unpack to, as both come."""
        held = Held(tell)
        scan = Scan(self._patterns, held, self._batch)
        tap.watch(scan.feed)
        kinds: Kinds = set()
        whole = True
        try:
            for member in members:
                yield from self._member(tell, member, depth, kinds, outer=outer)
                whole = whole and member.content.problem is None
        except Unreadable as error:
            self._note(tell.path, str(error))
            whole = False
        while tap.read(CHUNK):
            yield from self._drain()
        scan.finish()
        if held:
            self._batch.flush()
        held.settle(kinds if whole else set())
        yield from self._drain()

    def _zip(self, tell: Teller, tap: Tap, depth: int, file: IO[bytes] | None, *, told: bool) -> Iterator[Hit]:
        """Search a zip archive: its directory is at its end, so that it is read first as it is, and kept."""
        held = Held(tell)
        begin = 0
        with contextlib.ExitStack() as stack:
            if file is None:
                file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
                tap.watch(_Copy(file).write)
            else:
                begin = self._begin
            scan = Scan(self._patterns, held)
            tap.watch(scan.feed)
            tail = b""
            while data := tap.read(CHUNK):
                tail = data[-END:] if len(data) >= END else (tail + data)[-END:]
                yield from self._drain()
            scan.finish()
            has_end = ends_as_zip(tail, tap.position)
            try:
                for member in zip_members(file, begin, tap.position, self._budget):
                    kinds: Kinds = set()
                    yield from self._member(tell, member, depth, kinds)
                    if held and member.problem is None and member.content.problem is None:
                        self._batch.flush()
                        held.drop(member.begin, member.end, kinds)
            except Unreadable as error:
                if told or has_end:
                    self._note(tell.path, str(error))
        held.settle(set())
        yield from self._drain()

    def _shown(self, name: str) -> str:
        """Return a file's name so that it can be printed: a name may have anything in it."""
        if len(name) > _LONGEST_NAME:
            name = masked(self._patterns, name)  # before half of a secret is cut off
            name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        if name.isprintable():
            return name
        name = masked(self._patterns, name)
        return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)

    def _drain(self) -> Iterator[Hit]:
        while self._hits:
            yield self._hits.popleft()

    def _note(self, path: str, why: str) -> None:
        if len(self._unread) < _MOST_UNREAD:
            self._unread.append(f"{masked(self._patterns, path)} {why}; its bytes were searched as they are.")


class _Copy:
    """Keeps a file, as much of it as there is space for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._full = False

    def write(self, data: bytes) -> None:
        try:
            if not self._full:
                self._file.write(data)
        except OSError:
            self._full = True


def _ends_as_zip(tap: Tap, file: IO[bytes] | None, begin: int) -> bool:
    """Return whether a file is a zip archive by its end, as far as that can be seen before all of it is read."""
    start = tap.peek(END)
    if len(start) < END:
        return ends_as_zip(start, len(start))
    if file is None:
        return False
    now, end = file.tell(), file.seek(0, io.SEEK_END)
    file.seek(max(begin, end - END))
    tail = file.read()
    file.seek(now)
    return ends_as_zip(tail, end - begin)


def _is_packed(head: bytes, name: str) -> bool:
    return (
        is_header(head)
        or is_zip(head)
        or compression_of(head) is not None
        or head.startswith(PACK)
        or (is_loose(name) and is_zlib(head))
    )


def _seekable(stream: BinaryIO) -> IO[bytes] | None:
    """Return the stream if going back in it costs nothing: others can be sought in, and unpack all again for it."""
    raw = getattr(stream, "raw", stream)
    if isinstance(stream, io.BytesIO) or (isinstance(raw, io.FileIO) and raw.seekable()):
        return stream
    return None
