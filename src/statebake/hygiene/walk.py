"""One search of files: their bytes, and the files that they have in them, and those that these have."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO

from statebake.hygiene import profiles
from statebake.hygiene.patterns import Patterns, Subject
from statebake.hygiene.sweep import Batch, Emit, Scan
from statebake.hygiene.unpack import Budget, Member, Tap, Unreadable
from statebake.hygiene.unpack.base import CHUNK
from statebake.hygiene.unpack.compressed import Compression, Unpacked, compression_of, unpacked_name
from statebake.hygiene.unpack.git import PACK, is_loose, is_zlib, pack_members, zlib_members
from statebake.hygiene.unpack.tars import is_header, tar_members
from statebake.hygiene.unpack.zips import is_zip, zip_members

FILE_NAME = "file-name"
"""The rule of what is bad by its name."""
PROFILE_PASSWORD = "profile-password"  # noqa: S105 - a rule
"""The rule of passwords that are written out in dbt's profiles."""
_HEAD = 4096
_DEEPEST = 8
_IN_MEMORY = 1 << 23
_MOST_HELD = 10_000
_MOST_UNREAD = 1_000
_LONGEST_NAME = 1024
_FOREIGN = ((b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"Rar!\x1a\x07", "RAR"), (b"\x04\x22\x4d\x18", "LZ4"))


@dataclass(frozen=True)
class Hit:
    """Something that must not ship.

    Attributes:
        path: the file; what is packed into others is ``layer.tar!app/x.whl!pkg/a.json``.
        offset: the byte in the innermost file, as it is unpacked; None where it is the file's name that is bad.
        rule: a short stable id, for allow lists: the variable's name, ``github-token``, ``file-name``.
        what: what was found, for people; never the value.
        name: the variable whose value it is; None where it is no variable's.
    """

    path: str
    offset: int | None
    rule: str
    what: str
    name: str | None = None


@dataclass
class _Inside:
    """What was found in the files below ``prefix``."""

    prefix: str
    found: set[tuple[str, str]]


class Walk:
    """A search. ``unread`` gets a sentence for each file that cannot be unpacked."""

    def __init__(self, patterns: Patterns, judge_name: Callable[[str], str | None], unread: list[str]) -> None:
        self._patterns = patterns
        self._judge_name = judge_name
        self._unread = unread
        self._batch = Batch(patterns)
        self._found: deque[Hit] = deque()
        self._insides: list[_Inside] = []
        self._budget = Budget(0)
        self._begin = 0  # where the outermost file begins in its stream

    def search(self, files: Iterable[tuple[str, BinaryIO, int | None]]) -> Iterator[Hit]:
        """See ``Searcher.search_all``."""
        for path, stream, size in files:
            tap = Tap(stream)
            self._budget = Budget(size or 0)
            if size is None:
                tap.watch(self._grow)
            file = _seekable(stream)
            self._begin = 0 if file is None else file.tell()
            yield from self._file(_shown(path), path, tap, 0, file)
        self._batch.flush()
        yield from self._drain()

    def _grow(self, data: bytes) -> None:
        self._budget.size += len(data)

    def _file(
        self, path: str, name: str, tap: Tap, depth: int, file: IO[bytes] | None = None, *, packed: str = ""
    ) -> Iterator[Hit]:
        """Search a file. ``file`` is one that can be sought in; ``packed`` its name when it is compressed."""
        head = tap.peek(_HEAD)
        if packed and is_header(head):
            path = packed  # a compressed archive is one archive
        elif (what := self._judge_name(name)) is not None:
            self._found.append(Hit(path, None, FILE_NAME, what))
        if depth >= _DEEPEST and _is_packed(head, name):
            self._note(path, "is packed too deep to be unpacked")
        elif is_header(head):
            yield from self._tar(path, tap, depth)
            return
        elif is_zip(head):
            yield from self._zip(path, tap, depth, file, told=not head.startswith(b"#!"))
            return
        elif kind := compression_of(head):
            yield from self._compressed(path, name, tap, depth, kind)
            return
        elif head.startswith(PACK):
            yield from self._stream(path, tap, pack_members(tap, self._budget), depth)
            return
        elif is_zlib(head):
            members = zlib_members(tap, self._budget, loose=is_loose(name))
            yield from self._stream(path, tap, members, depth)
            return
        elif kind_name := next((told for magic, told in _FOREIGN if head.startswith(magic)), None):
            self._note(path, f"is a {kind_name} file, which cannot be unpacked here")
        if name.rpartition("/")[2] in profiles.NAMES:
            yield from self._profile(path, tap)
        else:
            yield from self._rest(tap, self._emit(path))

    def _profile(self, path: str, tap: Tap) -> Iterator[Hit]:
        """Search a file of dbt's, which may have a password that looks like nothing in particular."""
        content = bytearray()
        tap.watch(lambda data: content.extend(data[: profiles.LARGEST + 1 - len(content)]))
        yield from self._rest(tap, self._emit(path))
        for offset, name in profiles.find_passwords(bytes(content)):
            yield Hit(path, offset, PROFILE_PASSWORD, f"a credential written out as {name}")

    def _rest(self, tap: Tap, emit: Emit) -> Iterator[Hit]:
        """Search what is left of a file as it is."""
        scan = Scan(self._patterns, emit, self._batch, start=tap.position)
        tap.watch(scan.feed)
        while tap.read(CHUNK):
            if self._found:
                yield from self._drain()
        scan.finish()
        yield from self._drain()

    def _member(self, path: str, member: Member, depth: int, *, packed: str = "") -> Iterator[Hit]:
        inner = f"{path}!{_shown(member.name)}"
        if member.problem is None:
            yield from self._file(inner, member.name, member.content, depth + 1, packed=packed)
        problem = member.problem or member.content.problem
        if problem is not None:
            self._note(packed or inner, problem)

    def _tar(self, path: str, tap: Tap, depth: int) -> Iterator[Hit]:
        emit = self._emit(path)
        try:
            for member in tar_members(tap, lambda data, offset: self._batch.add(emit, offset, data)):
                yield from self._member(path, member, depth)
        except Unreadable as error:
            self._note(path, str(error))
        yield from self._rest(tap, emit)

    def _compressed(self, path: str, name: str, tap: Tap, depth: int, kind: Compression) -> Iterator[Hit]:
        if kind.new is None:
            self._note(path, f"is compressed with {kind.name}, which this Python cannot unpack")
            yield from self._rest(tap, self._emit(path))
            return
        content = Tap(Unpacked(tap, kind.new, self._budget, again=kind.magic))
        member = Member(unpacked_name(name, kind), content)
        yield from self._stream(path, tap, iter([member]), depth, packed=path)

    def _stream(self, path: str, tap: Tap, members: Iterator[Member], depth: int, *, packed: str = "") -> Iterator[Hit]:
        """Search a file of which all bytes are packed, and what they unpack to, as both come."""
        held: list[tuple[int, Subject]] = []
        scan = Scan(self._patterns, self._hold(path, held))
        tap.watch(scan.feed)
        whole = True
        with self._inside(f"{path}!") as inside:
            try:
                for member in members:
                    yield from self._member(path, member, depth, packed=packed)
                    whole = whole and member.content.problem is None
            except Unreadable as error:
                self._note(path, str(error))
                whole = False
            while tap.read(CHUNK):
                yield from self._drain()
            scan.finish()
            if held:
                self._batch.flush()
        known = inside.found if whole else set()
        self._tell(path, [(offset, subject) for offset, subject in held if (subject.rule, subject.what) not in known])
        yield from self._drain()

    def _zip(self, path: str, tap: Tap, depth: int, file: IO[bytes] | None, *, told: bool) -> Iterator[Hit]:
        """Search a zip archive: its directory is at its end, so that it is read first as it is, and kept."""
        held: list[tuple[int, Subject]] = []
        begin = 0
        with contextlib.ExitStack() as stack:
            if file is None:
                file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
                tap.watch(_Copy(file).write)
            else:
                begin = self._begin
            scan = Scan(self._patterns, self._hold(path, held))
            tap.watch(scan.feed)
            while tap.read(CHUNK):
                yield from self._drain()
            scan.finish()
            try:
                for member in zip_members(file, begin, tap.position, self._budget):
                    with self._inside(f"{path}!{_shown(member.name)}") as inside:
                        yield from self._member(path, member, depth)
                        if held:
                            self._batch.flush()
                    if held and member.problem is None and member.content.problem is None:
                        held = [one for one in held if not _is_in(one, member, inside)]
            except Unreadable as error:
                if told:
                    self._note(path, str(error))
        self._tell(path, held)
        yield from self._drain()

    def _emit(self, path: str) -> Emit:
        def emit(offset: int, subject: Subject) -> None:
            for inside in self._insides:
                if path.startswith(inside.prefix):
                    inside.found.add((subject.rule, subject.what))
            self._found.append(Hit(path, offset, subject.rule, subject.what, subject.name))

        return emit

    def _hold(self, path: str, held: list[tuple[int, Subject]]) -> Emit:
        """Return what keeps hits until it is known that they are not of what is packed there, told of already."""
        emit = self._emit(path)

        def hold(offset: int, subject: Subject) -> None:
            if len(held) < _MOST_HELD:
                held.append((offset, subject))
            else:
                emit(offset, subject)

        return hold

    def _tell(self, path: str, held: list[tuple[int, Subject]]) -> None:
        emit = self._emit(path)
        for offset, subject in held:
            emit(offset, subject)

    @contextlib.contextmanager
    def _inside(self, prefix: str) -> Iterator[_Inside]:
        inside = _Inside(prefix, set())
        self._insides.append(inside)
        try:
            yield inside
        finally:
            self._insides.remove(inside)

    def _drain(self) -> Iterator[Hit]:
        while self._found:
            yield self._found.popleft()

    def _note(self, path: str, why: str) -> None:
        if len(self._unread) < _MOST_UNREAD:
            self._unread.append(f"{path} {why}; its bytes were searched as they are.")


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


def _is_in(held: tuple[int, Subject], member: Member, inside: _Inside) -> bool:
    offset, subject = held
    return member.begin <= offset < member.end and (subject.rule, subject.what) in inside.found


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


def _shown(name: str) -> str:
    """Return a file's name so that it can be printed: a name may have anything in it."""
    name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return name if name.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)
