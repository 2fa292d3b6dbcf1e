"""The base image: a small Debian with Python, which stands in for ``python:3.11-slim``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab.packages import RELEASE, Group, sources_of
from lab.places import LabError, cache, locked
from lab.settings import IN_IMAGE_CA, ca_bundle

NAMES = ("python:3.11-slim", f"python:3.11-slim-{RELEASE}")

_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*")
# As in the official image: programs in /usr/local/bin, and a pip that may install beside the packages of the system.
_CHANGES = """set -e
ln -s /usr/bin/python3 "$1/usr/local/bin/python3"
ln -s python3 "$1/usr/local/bin/python"
rm "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED
"""
LABEL = "org.statebake.test.base"
_CONFIG = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    f"ENV SSL_CERT_FILE={IN_IMAGE_CA}",
    'CMD ["python3"]',
)


def digest() -> str:
    """Return what tells one base image from another: this recipe and the CA certificates of the machine."""
    recipe = "\n".join((RELEASE, *_PACKAGES, *_LEFT_OUT, _CHANGES, *_CONFIG))
    return hashlib.sha256(recipe.encode() + ca_bundle().read_bytes()).hexdigest()[:16]


def changes() -> tuple[str, ...]:
    """Return the options that give the image its configuration when the archive is imported."""
    return tuple(f"--change={line}" for line in (*_CONFIG, f"LABEL {LABEL}={digest()}"))


def tarball() -> Path:
    """Return the image's root file system as a tar archive; make it where it is missing (half a minute)."""
    path = cache() / f"base-{digest()}.tar"
    with locked(cache() / "locks" / "base"):
        if not path.exists():
            _make(path)
    return path


def _make(path: Path) -> None:
    tool = Group("mmdebstrap")
    tool.install()
    if not shutil.which("perl") or subprocess.run(["perl", "-MEnglish", "-e", "1"], check=False).returncode:
        raise LabError("no perl with its modules, which mmdebstrap is written in: apt-get install perl")
    with tempfile.TemporaryDirectory(prefix="base-", dir=path.parent) as directory:
        made = Path(directory, path.name)
        argv = [
            tool.program("mmdebstrap"),
            *("--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
            *('--aptopt=APT::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
            f"--customize-hook={_CHANGES}",
            f"--customize-hook=upload {ca_bundle()} {IN_IMAGE_CA}",
            *(RELEASE, made, sources_of(RELEASE)),
        ]
        env = {
            **os.environ,
            "PATH": os.pathsep.join([*map(str, tool.path), os.environ["PATH"], "/usr/sbin", "/sbin"]),
            "LC_ALL": "C.UTF-8",
            "SOURCE_DATE_EPOCH": "1700000000",
            "TMPDIR": directory,
        }
        ended = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if ended.returncode:
            raise LabError(f"mmdebstrap failed ({ended.returncode}):\n{ended.stdout}")
        for older in path.parent.glob("base-*.tar"):
            older.unlink()
        made.replace(path)
