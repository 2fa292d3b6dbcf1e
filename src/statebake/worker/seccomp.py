"""A seccomp filter that no process leaves: no sockets to anywhere, and every connection that is tried is told.

It binds whatever runs under it, Python or not, and all that that starts. Format: seccomp(2), seccomp_unotify(2), and
``linux/filter.h`` for the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import io
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .watch import plain_path

_NO_NEW_PRIVS = 38  # of prctl(2)
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _NOTIFY, _ERRNO, _KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
_NOTIF_RECV, _NOTIF_SEND = 0xC0502100, 0xC0182101
_LOAD, _AND, _JUMP_EQUAL, _JUMP_ABOVE, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # in `struct seccomp_data`
_LONGEST_ADDRESS = 128
_TYPE_OF_SOCKET = 0xF  # the rest are flags
_CONTINUE = 1  # of an answer: have the system do the call
_MESSAGE = struct.Struct("QI4x40x")  # what `struct msghdr` begins with: where the address is, and how long
_MESSAGE_OF_MANY = 64  # `struct mmsghdr`
_MOST_MESSAGES = 1024  # as many as the system takes at once


@dataclass(frozen=True)
class _Machine:
    """An architecture: its number in ``linux/audit.h``, and its numbers of system calls."""

    audit: int
    seccomp: int
    socket: int
    connect: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    socketpair: int
    # What else leads to sockets: of other processes, or past system calls.
    others: tuple[int, ...]


_IO_URING_AND_PIDFD_GETFD = (425, 426, 427, 438)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 41, 42, 44, 46, 307, 53, (101, 310, 311, *_IO_URING_AND_PIDFD_GETFD)),
    "aarch64": _Machine(0xC00000B7, 277, 198, 203, 206, 211, 269, 199, (117, 270, 271, *_IO_URING_AND_PIDFD_GETFD)),
}


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


@dataclass(frozen=True)
class Attempt:
    """A connection that a process tried to make: to where, and the words of that process's command line."""

    host: str
    port: int | None
    command: tuple[str, ...]


def install(*, networkless: bool) -> int | None:
    """Put the calling process under the filter, and return the descriptor on which its attempts are told, if any.

    ``networkless``: it has a network namespace of its own with nothing in it. Then internet sockets can be made, so
    that where they were to lead is seen; nothing is ever sent. Otherwise no socket can be made at all. Raises
    ``OSError`` where the system has no such filters.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(errno.ENOSYS, "no filter is known for this processor", os.uname().machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    for flags in (_NEW_LISTENER, 0) if networkless else (0,):
        lines = _lines(machine, networkless=networkless, listener=bool(flags))
        program = _Program(len(lines), (_Instruction * len(lines))(*(_Instruction(*line) for line in lines)))
        result = libc.syscall(machine.seccomp, _SET_MODE_FILTER, flags, ctypes.byref(program))
        if result != -1:
            return int(result) if flags else None
    raise OSError(ctypes.get_errno(), "seccomp")


def _lines(machine: _Machine, *, networkless: bool, listener: bool) -> list[tuple[int, int, int, int]]:
    """Return the program. Jumps skip so many lines: if true, if not."""
    denied = _ERRNO | errno.EACCES
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),  # a program for another architecture has other numbers
        (_LOAD, 0, 0, _NR),
        (_JUMP_ABOVE, 0, 1, 0x40000000),
        (_RETURN, 0, 0, denied),  # x32
    ]
    for number in machine.others:
        lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, denied)]
    lines += [  # a pair for datagrams can send them to any socket that has a path
        (_JUMP_EQUAL, 0, 5, machine.socketpair),
        (_LOAD, 0, 0, _ARGUMENTS + 8),
        (_AND, 0, 0, _TYPE_OF_SOCKET),
        (_JUMP_EQUAL, 0, 1, socket.SOCK_DGRAM),
        (_RETURN, 0, 0, denied),
        (_RETURN, 0, 0, _ALLOW),
    ]
    if not networkless:
        lines += [(_JUMP_EQUAL, 0, 1, machine.socket), (_RETURN, 0, 0, denied), (_RETURN, 0, 0, _ALLOW)]
        return lines
    told = _NOTIFY if listener else _ERRNO | errno.ENETUNREACH
    address = _ARGUMENTS + 4 * 8
    if listener:  # a filter cannot follow pointers: whoever answers sees whether a message has an address
        for number in (machine.sendmsg, machine.sendmmsg):
            lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    # One for a stream to a path can be made where its connection is told: nothing is sent without one.
    family = socket.AF_UNIX if listener else socket.AF_INET
    lines += [
        (_JUMP_EQUAL, 0, 9, machine.socket),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_JUMP_EQUAL, 6, 0, socket.AF_INET),
        (_JUMP_EQUAL, 5, 0, socket.AF_INET6),
        (_JUMP_EQUAL, 0, 3, family),
        (_LOAD, 0, 0, _ARGUMENTS + 8),
        (_AND, 0, 0, _TYPE_OF_SOCKET),
        (_JUMP_EQUAL, 1, 0, socket.SOCK_STREAM),
        (_RETURN, 0, 0, denied),
        (_RETURN, 0, 0, _ALLOW),
        (_JUMP_EQUAL, 0, 1, machine.connect),
        (_RETURN, 0, 0, told),
        (_JUMP_EQUAL, 0, 5, machine.sendto),
        (_LOAD, 0, 0, address),
        (_JUMP_EQUAL, 0, 2, 0),
        (_LOAD, 0, 0, address + 4),
        (_JUMP_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, told),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return lines


def answer(listener: int, tell: Callable[[Attempt], None]) -> None:
    """Tell of the attempt that waits at ``listener``, and then refuse it, as a network that is not there does.

    It is not told where whoever tried has ended meanwhile, or where it led to no network. Messages without an address
    go on: they stay in a pair of sockets, for nothing else is connected.
    """
    buffer = bytearray(80)
    try:
        fcntl.ioctl(listener, _NOTIF_RECV, buffer)
    except OSError:
        return
    identity, pid = struct.unpack_from("QI", buffer)
    (number,) = struct.unpack_from("i", buffer, 16)
    arguments = struct.unpack_from("6Q", buffer, 32)
    addresses = None
    with contextlib.suppress(OSError, struct.error), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        places = _places(_MACHINES[os.uname().machine], number, arguments, memory)
        addresses = [_read(memory, place, min(size, _LONGEST_ADDRESS)) for place, size in places if place]
    found = [attempt for address in addresses or () if (attempt := _attempt(address, pid))]
    for attempt in dict.fromkeys(found):
        tell(attempt)  # before it is answered: then the process goes on, or ends
    refused = struct.pack("QqiI", identity, 0, -errno.ENETUNREACH, 0)
    if addresses == []:
        with contextlib.suppress(OSError):  # before Linux 5.5
            fcntl.ioctl(listener, _NOTIF_SEND, bytearray(struct.pack("QqiI", identity, 0, 0, _CONTINUE)))
            return
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, _NOTIF_SEND, bytearray(refused))


def _places(machine: _Machine, number: int, arguments: tuple[int, ...], memory: io.FileIO) -> Iterator[tuple[int, int]]:
    """Yield where in its memory a process that makes a call has the addresses, and how long they are."""
    if number == machine.connect:
        yield arguments[1], arguments[2]
    elif number == machine.sendto:
        yield arguments[4], arguments[5]
    else:
        count = 1 if number == machine.sendmsg else min(arguments[2] & 0xFFFFFFFF, _MOST_MESSAGES)
        for at in range(count):
            header = _read(memory, arguments[1] + at * _MESSAGE_OF_MANY, _MESSAGE.size)
            yield _MESSAGE.unpack(header)


def _read(memory: io.FileIO, place: int, size: int) -> bytes:
    memory.seek(place)
    return memory.read(size) or b""


def _command(pid: int) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0")
        return tuple(words.split("\0"))
    return ("an unknown program",)


def _directory(pid: int) -> Path:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink()
    return Path("/")


def _attempt(address: bytes, pid: int) -> Attempt | None:
    """Return where an address of the system leads: ``struct sockaddr_in``, ``sockaddr_in6`` and ``sockaddr_un``."""
    command = _command(pid)
    family = int.from_bytes(address[:2], "little")
    if family == socket.AF_INET and len(address) >= 8:
        return Attempt(str(ipaddress.IPv4Address(address[4:8])), int.from_bytes(address[2:4], "big"), command)
    if family == socket.AF_INET6 and len(address) >= 24:
        return Attempt(str(ipaddress.IPv6Address(address[8:24])), int.from_bytes(address[2:4], "big"), command)
    if family == socket.AF_UNIX and address[2:3] not in {b"", b"\0"}:  # without a path it is in the namespace
        path = os.fsdecode(address[2:].partition(bytes(1))[0])
        return Attempt(f"unix:{plain_path(path, _directory(pid))}", None, command)
    return None
