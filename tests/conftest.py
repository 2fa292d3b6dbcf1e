"""Fixtures of every test, and what the machine may lack.

A test marked ``needs("docker")`` is skipped, by name and with the reason, where there is none. Where
``STATEBAKE_REQUIRE`` (a comma-separated list; ``all`` for everything) names it, its absence is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.api import Api, serving
from support.dagster import dagster_python
from support.mounts import image, mounted, reflink
from support.pythons import old_pythons
from support.service import Service


def _absent_dagster(version: str) -> Callable[[], str | None]:
    def look() -> str | None:
        path = dagster_python(version)
        return None if path.exists() else f"no interpreter with Dagster {version} (make test installs it)"

    return look


def _absent_root() -> str | None:
    return None if os.geteuid() == 0 else "not root"


def _absent_namespaces() -> str | None:
    if not shutil.which("unshare"):
        return "no unshare program"
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "no network namespaces: unshare -rn is not permitted"


def _absent_uv() -> str | None:
    return None if shutil.which("uv", path=str(Path(sys.executable).parent)) else "no uv beside the interpreter"


def _absent_old_python() -> str | None:
    return None if old_pythons() else "no Python before 3.10 at the usual places"


def _absent_mount() -> str | None:
    if os.geteuid() != 0 or not shutil.which("mount"):
        return "not root, or no mount program"
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False).returncode:
            return "mounting a tmpfs is not permitted"
        subprocess.run(["umount", place], check=True)
    return None


def _absent_overlay() -> str | None:
    if reason := _absent_mount():
        return reason
    with tempfile.TemporaryDirectory() as place:
        lower, upper, work, merged = (Path(place, name) for name in ("lower", "upper", "work", "merged"))
        for directory in (lower, upper, work, merged):
            directory.mkdir()
        layers = f"lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off"
        mount = ["mount", "-t", "overlay", "overlay", "-o", layers, merged]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return "mounting an overlay is not permitted, or not on this file system"
        subprocess.run(["umount", merged], check=True)
    return None


def _absent_strace() -> str | None:
    if not shutil.which("strace"):
        return "no strace program"
    probe = ["strace", "-f", "-o", os.devnull, "-e", "inject=getsid:error=EIO", "true"]
    ended = subprocess.run(probe, capture_output=True, check=False)
    return None if ended.returncode == 0 else "strace may not trace, or cannot inject"


def _absent_immutable() -> str | None:
    if os.geteuid() != 0 or not shutil.which("chattr"):
        return "not root, or no chattr program"
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["chattr", "+i", place], capture_output=True, check=False).returncode:
            return "the file system of the temporary directory has no immutable files"
        subprocess.run(["chattr", "-i", place], check=True)
    return None


def _absent_gcc() -> str | None:
    return None if shutil.which("gcc") else "no gcc program"


def _absent_ext4() -> str | None:
    return _absent_mount() or _absent_image("ext4", 16)


def _absent_reflink() -> str | None:
    return _absent_mount() or _absent_image("xfs", 320)


def _absent_image(kind: str, megabytes: int) -> str | None:
    if not shutil.which(f"mkfs.{kind}"):
        return f"no mkfs.{kind} program"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        try:
            with mounted(root / "it", "-o", "loop", image(root / "image", kind, megabytes)) as place:
                if kind == "xfs":
                    (place / "one").write_text("one")
                    reflink(place / "one", place / "other")
        except subprocess.CalledProcessError as error:
            return f"an image file with {kind} cannot be mounted by loop: {error}"
    return None


ABSENT: dict[str, Callable[[], str | None]] = {
    "dagster-1.12": _absent_dagster("1.12"),
    "dagster-1.13": _absent_dagster("1.13"),
    "ext4": _absent_ext4,
    "gcc": _absent_gcc,
    "immutable": _absent_immutable,
    "mount": _absent_mount,
    "namespaces": _absent_namespaces,
    "old-python": _absent_old_python,
    "overlay": _absent_overlay,
    "reflink": _absent_reflink,
    "root": _absent_root,
    "strace": _absent_strace,
    "uv": _absent_uv,
}


_reasons: dict[str, str | None] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that cannot run here, or fail it where what it needs is required."""
    required = {name.strip() for name in os.environ.get("STATEBAKE_REQUIRE", "").split(",")}
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if name not in _reasons:
                _reasons[name] = ABSENT[name]()
            if reason := _reasons[name]:
                if required & {name, "all"}:
                    pytest.fail(f"STATEBAKE_REQUIRE names {name}, but: {reason}", pytrace=False)
                pytest.skip(f"needs {name}: {reason}")


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The examples' HTTP service, on loopback, on a fresh database; ended by its process id."""
    with Service.start(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def api() -> Iterator[Api]:
    """An HTTP server on loopback, in this process, that answers as a test tells it."""
    with serving() as running:
        yield running
