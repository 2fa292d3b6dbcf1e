"""Making tar archives, image layers and OCI image layouts, and what they mean, for tests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Member:
    """An entry of a layer; ``kind``: ``file``, ``dir``, ``link`` (hard), ``symlink`` or ``fifo``."""

    name: str
    kind: str = "file"
    content: bytes = b""
    target: str = ""
    mode: int | None = None


_TYPES = {"dir": tarfile.DIRTYPE, "link": tarfile.LNKTYPE, "symlink": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE}


def tar(members: Iterable[Member], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type = _TYPES.get(member.kind, tarfile.REGTYPE)
            info.linkname = member.target
            info.size = len(member.content)
            info.mode = member.mode or (0o755 if member.kind == "dir" else 0o644)
            archive.addfile(info, io.BytesIO(member.content))
    return stream.getvalue()


def files(**content: bytes | str) -> list[Member]:
    """Return members for files whose names have no special characters."""
    return [Member(name, content=text.encode() if isinstance(text, str) else text) for name, text in content.items()]


def digest(data: bytes) -> str:
    """Return ``sha256:…``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class LayoutMaker:
    """Writes an OCI image layout (image-spec, image-layout.md)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.manifests: list[dict] = []

    def blob(self, data: bytes, media_type: str) -> dict:
        """Write a blob and return its descriptor."""
        name = digest(data)
        (self.root / "blobs" / name.replace(":", "/")).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data)}

    def image(self, layers: Sequence[bytes], *, arch: str = "amd64", zipped: bool = True, **config) -> dict:
        """Write an image and return its manifest's descriptor, which the index does not have yet."""
        kind = "application/vnd.oci.image.layer.v1.tar"
        blobs = [
            self.blob(gzip.compress(layer, mtime=0) if zipped else layer, f"{kind}+gzip" if zipped else kind)
            for layer in layers
        ]
        text = {
            "os": "linux",
            "architecture": arch,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            **config,
        }
        made = self.blob(json.dumps(text).encode(), "application/vnd.oci.image.config.v1+json")
        manifest = {"schemaVersion": 2, "config": made, "layers": blobs}
        return self.blob(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")

    def index(self, *descriptors: dict) -> dict:
        """Write an index as a blob, and return its descriptor."""
        text = {"schemaVersion": 2, "manifests": list(descriptors)}
        return self.blob(json.dumps(text).encode(), "application/vnd.oci.image.index.v1+json")

    def finish(self, *descriptors: dict) -> Path:
        """Write ``index.json``, and return the layout's path."""
        text = {"schemaVersion": 2, "manifests": list(descriptors)}
        (self.root / "index.json").write_text(json.dumps(text))
        return self.root

    def as_tar(self, path: Path) -> Path:
        """Pack the layout, and return the archive's path."""
        with tarfile.open(path, "w") as archive:
            archive.add(self.root, ".")
        return path
