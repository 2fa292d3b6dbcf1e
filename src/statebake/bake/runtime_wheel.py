"""The wheel of statebake's runtime part, which an artifact of a native project carries instead of the whole tool.

It is made from the very files that the running tool has, so that the runtime in an artifact is the one that the state
was checked with, and there is no second distribution to release and keep in step. Its version is the tool's with the
local label ``+runtime`` (PEP 440), so that a requirement on statebake accepts it.
Format: the binary distribution format of the Python packaging guide.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

from statebake import __version__

_PARTS = ("__init__.py", "errors.py", "py.typed", "model", "runtime")
_ROOT = Path(__file__).resolve().parent.parent
REQUIRES = ("PyYAML>=6.0",)
_EARLIEST = (1980, 1, 1, 0, 0, 0)


def build_runtime_wheel(directory: Path) -> Path:
    """Write the wheel into ``directory`` and return its path; the same tool always writes the same bytes."""
    version = f"{__version__}+runtime"
    info = f"statebake-{version}.dist-info"
    members = {path.relative_to(_ROOT.parent).as_posix(): path.read_bytes() for path in _files()}
    members[f"{info}/METADATA"] = "\n".join(
        [
            "Metadata-Version: 2.4",
            "Name: statebake",
            f"Version: {version}",
            "Summary: The runtime part of statebake.",
            "Requires-Python: >=3.10",
            *(f"Requires-Dist: {requirement}" for requirement in REQUIRES),
            "",
        ]
    ).encode()
    members[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: statebake ({__version__})\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ).encode()
    rows = [f"{name},sha256={_urlsafe(data)},{len(data)}" for name, data in sorted(members.items())]
    members[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,", ""])).encode()
    wheel = directory / f"statebake-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            archive.writestr(_member(name), data)
    return wheel


def _files() -> list[Path]:
    found = []
    for part in _PARTS:
        path = _ROOT / part
        found.extend([path] if path.is_file() else sorted(path.rglob("*.py")))
    return found


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
