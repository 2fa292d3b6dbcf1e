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

from lab import leases, places
from support.api import Api, serving
from support.builds import Builder, local_wheels
from support.dagster import dagster_python
from support.engine import Docker, Tools, ready_tools, running_engine, running_registry, unique_name
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


def _absent_bwrap() -> str | None:
    return None if shutil.which("bwrap") else "no bwrap program"


def _absent_setpriv() -> str | None:
    return None if shutil.which("setpriv") else "no setpriv program"


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


def _absent_system_python() -> str | None:
    found = Path("/usr/bin/python3").exists()
    return None if found else "no /usr/bin/python3, an interpreter that everybody can read"


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


def _absent_service(name: str) -> Callable[[], str | None]:
    def look() -> str | None:
        [service] = (service for service in leases.services() if service.name == name)
        return _absent_mount() or (None if service.installed else "not fetched (tests/tools/engine install)")

    return look


def _absent_hadolint() -> str | None:
    return (
        None
        if shutil.which("hadolint", path=str(Path(sys.executable).parent))
        else "no hadolint beside the interpreter"
    )


ABSENT: dict[str, Callable[[], str | None]] = {
    "buildah": _absent_service("containers"),
    "dagster-1.12": _absent_dagster("1.12"),
    "dagster-1.13": _absent_dagster("1.13"),
    "docker": _absent_service("26"),
    "docker-20.10": _absent_service("20.10"),
    "docker-containerd": _absent_service("containerd"),
    "ext4": _absent_ext4,
    "gcc": _absent_gcc,
    "hadolint": _absent_hadolint,
    "immutable": _absent_immutable,
    "mount": _absent_mount,
    "namespaces": _absent_namespaces,
    "old-python": _absent_old_python,
    "overlay": _absent_overlay,
    "podman": _absent_service("containers"),
    "reflink": _absent_reflink,
    "registry": _absent_service("registry"),
    "root": _absent_root,
    "bwrap": _absent_bwrap,
    "setpriv": _absent_setpriv,
    "strace": _absent_strace,
    "system-python": _absent_system_python,
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


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the daemons that a killed test process has left; where tests run side by side, after the last of them."""
    if not hasattr(config, "workerinput"):
        for service in leases.services():
            leases.end_unused(service)


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


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Build frontends, whose isolated environments have this very statebake. Needs ``uv``."""
    return Builder(local_wheels(tmp_path_factory.mktemp("statebake")))


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """Docker Engine 26 with buildx; every test process of this checkout has the same. Needs ``docker``."""
    with running_engine("26") as running:
        yield running


@pytest.fixture(scope="session")
def docker_containerd() -> Iterator[Docker]:
    """The same engine on the containerd image store. Needs ``docker-containerd``."""
    with running_engine("containerd") as running:
        yield running


@pytest.fixture(scope="session")
def docker_20() -> Iterator[Docker]:
    """Docker Engine 20.10, which has no buildx. Needs ``docker-20.10``."""
    with running_engine("20.10") as running:
        yield running


@pytest.fixture
def docker_small() -> Iterator[Docker]:
    """Docker Engine 26 that is new, can keep some 40 MB, and has no base image. Needs ``docker``."""
    with places.locked(places.running() / "small.alone"), running_engine("small") as running:
        yield running


@pytest.fixture(
    params=[
        pytest.param("docker", marks=pytest.mark.needs("docker"), id="26"),
        pytest.param("docker_containerd", marks=pytest.mark.needs("docker-containerd"), id="containerd"),
        pytest.param("docker_20", marks=pytest.mark.needs("docker-20.10"), id="20.10"),
    ]
)
def every_docker(request: pytest.FixtureRequest) -> Docker:
    """Each of the engines in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """The host and port of an image registry on loopback. Needs ``registry``."""
    with running_registry() as address:
        yield address


@pytest.fixture(scope="session")
def tools() -> Iterator[Tools]:
    """buildah, podman, skopeo and umoci. Needs ``buildah`` or ``podman``."""
    with ready_tools() as ready:
        yield ready


@pytest.fixture
def new_image() -> Iterator[Callable[..., str]]:
    """Makes names for the images of one test, on one engine each, and removes these images after it."""
    made: list[tuple[Docker, str]] = []

    def name(docker: Docker, registry: str = "") -> str:
        made.append((docker, f"{registry}/{unique_name()}".lstrip("/")))
        return made[-1][1]

    yield name
    for docker, its_name in made:
        docker.run("image", "rm", "--force", its_name)
