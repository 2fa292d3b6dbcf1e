"""Namespaces of Linux: a process without a network, with a file system that it cannot write, as another user.

Format: namespaces(7), user_namespaces(7), mount_setattr(2). Every function raises ``OSError`` where the system refuses.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import NoReturn

NOBODY = 65534

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_SYS_MOUNT_SETATTR = 442  # the same on every architecture
_AT_FDCWD, _AT_RECURSIVE, _RDONLY = -100, 0x8000, 1


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def enter_namespaces(scratch: str) -> list[str]:
    """Go on as a child in namespaces of its own, and return what that took away, a sentence each.

    The child is process 1 of its namespace: whatever it starts ends with it. The calling process waits for it and ends
    as it ends. Every file system is read-only but ``scratch``, which is a directory. Who may not make a user namespace
    but is root gives up being root instead.
    """
    user = True
    try:
        _own_user()
    except OSError:
        if os.geteuid() != 0:
            raise
        user = False
        _call("unshare", _NEWNET | _NEWNS | _NEWPID | _NEWIPC)
        os.chown(scratch, NOBODY, NOBODY)
    child = os.fork()
    if child:
        _end_as(child)
    taken = ["no network (namespaces)"]
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    _call("mount", b"proc", b"/proc", b"proc", 0, None)
    _call("mount", os.fsencode(scratch), os.fsencode(scratch), None, _MS_BIND, None)
    _set_read_only("/", recursive=True, read_only=True)
    _set_read_only(scratch, recursive=False, read_only=False)
    if os.path.isdir("/dev/shm"):  # noqa: PTH112, S108 - as in a container that is read-only: locks of processes are there
        _call("mount", b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=64m,mode=1777")
    taken.append("read-only files")
    if not user:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    taken.append("no privileges")
    return taken


def _own_user() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEWUSER | _NEWNET | _NEWNS | _NEWPID | _NEWIPC)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1", encoding="ascii")


def _end_as(child: int) -> NoReturn:
    _, status = os.waitpid(child, 0)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def _set_read_only(path: str, *, recursive: bool, read_only: bool) -> None:
    attr = _MountAttr(attr_set=_RDONLY) if read_only else _MountAttr(attr_clr=_RDONLY)
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.sizeof(attr)
    _call("syscall", _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attr), size)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
