"""Namespaces of Linux: a process without a network, with a file system that it cannot write, as another user.

Format: namespaces(7), user_namespaces(7), mount_setattr(2). Every function raises ``OSError`` where the system refuses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

NOBODY = 65534

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = 0x20000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_MS_NOSUID, _MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 2, 0x1000, 0x2000, 0x4000, 0x40000
_MNT_DETACH = 2
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_SYS_MOUNT_SETATTR = 442  # the same on every architecture
_AT_FDCWD, _AT_RECURSIVE, _RDONLY = -100, 0x8000, 1


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def enter_namespaces(scratch: str, readable: Callable[[], NoReturn]) -> list[str]:
    """Go on as a child in namespaces of its own, and return what that took away, a phrase each.

    The child is process 1 of its namespace: whatever it starts ends with it. The calling process waits for it and ends
    as it ends. Every file system is read-only but ``scratch``, which is a directory; of devices there are those that
    hold nothing. Root becomes another user, if ``readable``, which is called as that user in a process of its own, ends
    that with 0; else it keeps its rights as the owner of files, and nothing but these.

    Some systems refuse half-way, after a process cannot go on any more as it was: so another one tries it first, and
    where ``OSError`` is raised for that, the calling process is untouched.
    """
    _try(scratch)
    return _enter(scratch, readable)


def _try(scratch: str) -> None:
    """Enter namespaces in a process that does nothing there; raise ``OSError`` where that fails."""
    place = tempfile.mkdtemp(dir=scratch)  # who owns ``scratch`` stays as it is
    child = os.fork()
    if child == 0:
        try:
            _enter(place, lambda: os._exit(0))
        except OSError as error:
            os._exit(error.errno or errno.EPERM)
        except BaseException:  # whatever it is, nobody goes on in two processes
            os._exit(errno.EPERM)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.rmdir(place)  # noqa: PTH106
    if number:
        number = number if number in errno.errorcode else errno.EPERM
        raise OSError(number, os.strerror(number))


def _enter(scratch: str, readable: Callable[[], NoReturn]) -> list[str]:
    root = os.geteuid() == 0
    try:
        if root:
            _call("unshare", _NEWNET | _NEWNS | _NEWPID | _NEWIPC)
        else:
            _own_user(_NEWNET | _NEWNS | _NEWPID | _NEWIPC)
    except OSError:
        if not root:
            raise
        root = False  # of a container that may make namespaces of users only
        _own_user(_NEWNET | _NEWNS | _NEWPID | _NEWIPC)
    child = os.fork()
    if child:
        _end_as(child)
    taken = ["no network (namespaces)"]
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    _call("mount", b"proc", b"/proc", b"proc", 0, None)
    devices = _own_devices(scratch)
    _call("mount", os.fsencode(scratch), os.fsencode(scratch), None, _MS_BIND, None)
    _set_read_only("/", recursive=True, read_only=True)
    _set_read_only(scratch, recursive=False, read_only=False)
    if os.path.isdir("/dev/shm"):  # noqa: PTH112, S108 - as in a container that is read-only: locks of processes are there
        _call("mount", b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=64m,mode=1777")
    taken.append("read-only files")
    if devices:
        taken.append("no devices")
    taken.append(_become_nobody(scratch, readable) if root else "no privileges")
    return taken


def _own_devices(scratch: str) -> bool:
    """Put a ``/dev`` in the place of the system's that has what holds nothing; return whether the system let us.

    A file system that is read-only does not keep anybody from writing to devices.
    """
    place = os.fsencode(scratch)  # until it is whole
    try:
        _call("mount", b"tmpfs", place, b"tmpfs", _MS_NOSUID, b"size=1m,mode=755")
    except OSError:
        return False
    try:
        for name in _DEVICES:
            target = Path(scratch, name)
            target.touch()
            _call("mount", f"/dev/{name}".encode(), os.fsencode(target), None, _MS_BIND, None)
        for name, leads_to in _LINKS.items():
            Path(scratch, name).symlink_to(leads_to)
        Path(scratch, "shm").mkdir()
        _call("mount", place, b"/dev", None, _MS_MOVE, None)
    except OSError:
        _call("umount2", place, _MNT_DETACH)
        return False
    return True


def _become_nobody(scratch: str, readable: Callable[[], NoReturn]) -> str:
    """Give up being root, as far as what is to run can still be read then; return what that took away."""
    owner = os.stat(scratch)  # noqa: PTH116
    os.chown(scratch, NOBODY, NOBODY)
    child = os.fork()
    if child == 0:
        try:
            _drop()
            readable()
        except BaseException:  # whatever it is, nobody goes on in two processes
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        _chown_all(scratch, owner.st_uid, owner.st_gid)
        _set_read_only("/proc", recursive=False, read_only=False)  # whom a user is in there is written to a file in it
        try:
            _own_user(_NEWNS)
        except OSError:
            _chown_all(scratch, NOBODY, NOBODY)
        else:
            _set_read_only("/proc", recursive=False, read_only=True)
            return "no privileges (but root's files can be read: no other user could read what it needs)"
        _set_read_only("/proc", recursive=False, read_only=True)
    _drop()
    return "no privileges"


def _drop() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _chown_all(directory: str, uid: int, gid: int) -> None:
    os.chown(directory, uid, gid)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)  # noqa: PTH118


def _own_user(others: int) -> None:
    """Enter a namespace of users, with ``others`` that belong to it."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _NEWUSER | others)
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
