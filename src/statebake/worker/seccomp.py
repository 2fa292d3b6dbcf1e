"""A seccomp filter that no process leaves: no sockets to anywhere, and every connection that is tried is told.

It binds whatever runs under it, Python or not, and all that that starts. Format: seccomp(2), seccomp_unotify(2), and
``linux/filter.h`` for the program.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NO_NEW_PRIVS = 38  # of prctl(2)
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_ALLOW, _NOTIFY, _ERRNO, _KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
_NOTIF_RECV, _NOTIF_SEND = 0xC0502100, 0xC0182101
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _RETURN = 0x20, 0x15, 0x35, 0x06
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # in `struct seccomp_data`
_LONGEST_ADDRESS = 128


@dataclass(frozen=True)
class _Machine:
    """An architecture: its number in ``linux/audit.h``, and its numbers of system calls."""

    audit: int
    seccomp: int
    socket: int
    connect: int
    sendto: int
    # What else leads to sockets: of other processes, or past system calls.
    others: tuple[int, ...]


_IO_URING_AND_PIDFD_GETFD = (425, 426, 427, 438)
_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 41, 42, 44, (101, 310, 311, *_IO_URING_AND_PIDFD_GETFD)),
    "aarch64": _Machine(0xC00000B7, 277, 198, 203, 206, (117, 270, 271, *_IO_URING_AND_PIDFD_GETFD)),
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
    if not networkless:
        lines += [(_JUMP_EQUAL, 0, 1, machine.socket), (_RETURN, 0, 0, denied), (_RETURN, 0, 0, _ALLOW)]
        return lines
    told = _NOTIFY if listener else _ERRNO | errno.ENETUNREACH
    address = _ARGUMENTS + 4 * 8
    lines += [
        (_JUMP_EQUAL, 0, 5, machine.socket),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_JUMP_EQUAL, 2, 0, socket.AF_INET),
        (_JUMP_EQUAL, 1, 0, socket.AF_INET6),
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

    It is not told where whoever tried has ended meanwhile, or where it led to no network.
    """
    buffer = bytearray(80)
    try:
        fcntl.ioctl(listener, _NOTIF_RECV, buffer)
    except OSError:
        return
    identity, pid = struct.unpack_from("QI", buffer)
    (number,) = struct.unpack_from("i", buffer, 16)
    arguments = struct.unpack_from("6Q", buffer, 32)
    machine = _MACHINES[os.uname().machine]
    place, size = (arguments[1], arguments[2]) if number == machine.connect else (arguments[4], arguments[5])
    raw = b""
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(place)
        raw = memory.read(min(size, _LONGEST_ADDRESS))
    if found := _attempt(raw, _command(pid)):
        tell(found)  # before it is answered: then the process goes on, or ends
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, _NOTIF_SEND, bytearray(struct.pack("QqiI", identity, 0, -errno.ENETUNREACH, 0)))


def _command(pid: int) -> tuple[str, ...]:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0")
        return tuple(words.split("\0"))
    return ("an unknown program",)


def _attempt(address: bytes, command: tuple[str, ...]) -> Attempt | None:
    """Return where an address of the system leads: ``struct sockaddr_in`` and ``sockaddr_in6``."""
    family = int.from_bytes(address[:2], "little")
    if family == socket.AF_INET and len(address) >= 8:
        return Attempt(str(ipaddress.IPv4Address(address[4:8])), int.from_bytes(address[2:4], "big"), command)
    if family == socket.AF_INET6 and len(address) >= 24:
        return Attempt(str(ipaddress.IPv6Address(address[8:24])), int.from_bytes(address[2:4], "big"), command)
    return None
