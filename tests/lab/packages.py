"""Debian packages, fetched by apt and unpacked aside, so that the system stays as it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lab.places import LabError, cache, locked, write

RELEASE, NEXT = "bookworm", "trixie"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# What is unpacked together. The engine of the next release runs here, except for runc: that one needs a newer libc.
GROUPS = {
    "docker-26": (*(f"{name}/{NEXT}" for name in ("docker.io", "docker-cli", "docker-buildx", "containerd")), "runc"),
    "docker-20.10": ("docker.io", "containerd", "runc", "libdevmapper1.02.1"),
    "registry": ("docker-registry",),
    "containers": (
        *("buildah", "podman", "skopeo", "umoci", "conmon", "netavark", "runc"),
        *("golang-github-containers-common", "golang-github-containers-image"),
        *("libassuan0", "libdevmapper1.02.1", "libglib2.0-0", "libgpgme11", "libsubid4"),
    ),
    "mmdebstrap": ("mmdebstrap",),
}


class Group:
    """Packages that are unpacked into one directory."""

    def __init__(self, name: str) -> None:
        self.root = cache() / "packages" / name
        self.packages = tuple(name if "/" in name else f"{name}/{RELEASE}" for name in GROUPS[name])

    @property
    def path(self) -> tuple[Path, ...]:
        """Where its programs are."""
        return self.root / "usr/bin", self.root / "usr/sbin"

    @property
    def libraries(self) -> dict[str, str]:
        """The environment variable for libraries that the system may not have."""
        found = [
            str(path) for path in sorted(self.root.glob("usr/lib/*-linux-gnu")) + sorted(self.root.glob("lib/*-gnu"))
        ]
        return {"LD_LIBRARY_PATH": ":".join(found)} if found else {}

    def program(self, name: str) -> Path:
        """Return the path of one of its programs."""
        for directory in self.path:
            if (directory / name).exists():
                return directory / name
        raise LabError(f"no {name} in {self.root}: tests/tools/engine install")

    @property
    def installed(self) -> bool:
        """Whether it is there, as this version of the lab wants it."""
        stamp = self.root / "packages.txt"
        return stamp.exists() and stamp.read_text().split() == list(self.packages)

    def install(self) -> None:
        """Fetch and unpack it where it is missing."""
        with locked(cache() / "locks" / self.root.name):
            if self.installed:
                return
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".fetched-", dir=self.root.parent) as directory:
                fetched, unpacked = Path(directory, "debs"), Path(directory, "root")
                fetched.mkdir()
                _download(self.packages, fetched)
                for deb in sorted(fetched.glob("*.deb")):
                    subprocess.run(["dpkg", "-x", deb, unpacked], check=True)
                write(unpacked / "packages.txt", "\n".join(self.packages) + "\n")
                shutil.rmtree(self.root, ignore_errors=True)
                unpacked.replace(self.root)
            self._check()

    def _check(self) -> None:
        """See that its programs find their libraries; a fresh system may have fewer than the one this was made on."""
        for directory in self.path:
            for program in directory.glob("*"):
                ldd = subprocess.run(
                    ["ldd", program], capture_output=True, text=True, check=False, env={**os.environ, **self.libraries}
                )
                if missing := re.findall(r"\S+ => not found|version .* not found", ldd.stdout + ldd.stderr):
                    (self.root / "packages.txt").unlink()
                    raise LabError(f"{program} lacks libraries on this system: {', '.join(missing)}")


def _apt(*arguments: str, sources: Path, cwd: Path | None = None) -> None:
    """Run ``apt-get`` with the machine's configuration (proxies, say), but with lists and sources of the lab."""
    place = cache() / "apt"
    for directory in ("lists/partial", "cache/archives/partial"):
        (place / directory).mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::Lists": place / "lists",
        "Dir::Cache": place / "cache",
        "APT::Sandbox::User": "root",
    }
    argv = ["apt-get", "--quiet=2", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    ended = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        raise LabError(f"apt-get {arguments[0]} failed ({ended.returncode}):\n{ended.stdout}")


def _download(packages: Sequence[str], directory: Path) -> None:
    with locked(cache() / "locks" / "apt"):
        sources, updated = sources_of(RELEASE, NEXT), cache() / "apt" / "updated"
        if not updated.exists() or time.time() - updated.stat().st_mtime > 3600:
            _apt("update", sources=sources)
            updated.touch()
        _apt("download", *packages, sources=sources, cwd=directory)


def sources_of(*releases: str) -> Path:
    """Write a source list for these releases, from the mirror that the machine has its own release from."""
    asked = subprocess.run(["apt-get", "update", "--print-uris"], capture_output=True, text=True, check=False)
    mirror = re.search(rf"^'(\S+)/dists/{RELEASE}/InRelease'", asked.stdout, re.MULTILINE)
    if not mirror:
        raise LabError(f"this machine has no apt source for Debian {RELEASE}; the lab needs Debian 12\n{asked.stderr}")
    signed = f" [signed-by={_KEYRING}]" if _KEYRING.exists() else ""
    lines = (f"deb{signed} {mirror[1]} {release} main\n" for release in releases)
    return write(cache() / "apt" / f"{'-'.join(releases)}.list", "".join(lines))
