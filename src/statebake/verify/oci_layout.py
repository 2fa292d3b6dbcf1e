"""Reading the state in an OCI image layout, a directory or a tar archive of one, without unpacking it.

Formats: OCI image-spec, image-layout.md, image-index.md, manifest.md, config.md, layer.md. Every blob is checked
against its digest while it is read, and every layer against the digest that the image's configuration gives.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from statebake.engine.image import ATTESTATION, ImageFacts, Layer, instructions, texts_of
from statebake.errors import StatebakeError
from statebake.verify.artifact import ArtifactState, unreadable
from statebake.verify.blobs import Allowance, Blobs, Bounded, Verified, open_blobs
from statebake.verify.layers import StateTree
from statebake.verify.surroundings import Surroundings
from statebake.verify.tar import TAR_ERRORS, read_files, read_layer

_WHAT = "an OCI image layout"
_LARGEST_JSON = 16 << 20
_DEEPEST = 4
_MOST_MANIFESTS = 1_000
_MOST_LAYERS = 512  # engines end at 127
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")


@dataclass(frozen=True)
class ReadImage:
    """An image that was read: what it is, its state directories, and the number of the layer that each is in.

    A number is missing where it cannot be told. ``around`` is what is beside the state, as far as it was looked at.
    """

    facts: ImageFacts
    states: tuple[ArtifactState, ...]
    layers: Mapping[str, int]
    around: Surroundings = field(default_factory=Surroundings)


def read_layout(path: Path) -> tuple[ReadImage, ...]:
    """Return every image in the layout at ``path``, one for each platform.

    What is no image is left out: attestations and other artifacts. Raises ``StatebakeError``: ``NOT_AN_ARTIFACT``,
    ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    try:
        with open_blobs(path) as blobs:
            reader = _Layout(blobs, str(path))
            index = reader.parse(blobs.file("index.json"), "index.json")
            images = tuple(reader.image(digest) for digest in reader.manifests(index))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unreadable(_WHAT, f"its JSON is not what the specification says ({error})", str(path)) from error
    if not images:
        raise unreadable(_WHAT, "it has no image", str(path))
    return images


def layer_streams(path: Path, digest: str) -> Iterator[tuple[int, BinaryIO]]:
    """Yield the number, from 0, and the uncompressed tar archive of each layer of an image in the layout at ``path``.

    ``digest`` is that of its manifest. Each stream must be read to its end before the next one is asked for. Raises
    ``StatebakeError`` (``NOT_AN_ARTIFACT``), also where they unpack to too much, all together.
    """
    with open_blobs(path) as blobs:
        yield from _Layout(blobs, str(path)).streams(digest)


class _Layout:
    def __init__(self, blobs: Blobs, where: str) -> None:
        self._blobs, self._where = blobs, where
        self._listed: set[str] = set()
        self._allowance = Allowance(where)

    def manifests(self, index: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
        """Yield the digests of the images' manifests in an index, and in those that it has in it, each once."""
        for descriptor in _list(index, "manifests"):
            annotations = descriptor.get("annotations") or {}
            if ATTESTATION in annotations:
                continue
            digest = str(descriptor.get("digest"))
            if digest in self._listed:  # indexes that list one another name any number of manifests
                continue
            self._listed.add(digest)
            if len(self._listed) > _MOST_MANIFESTS:
                raise self._unreadable(f"it has more than {_MOST_MANIFESTS} manifests")
            found = self._json(digest)
            if "manifests" in found:
                if depth == _DEEPEST:
                    raise self._unreadable("its indexes are nested too deeply")
                yield from self.manifests(found, depth + 1)
            elif (found.get("config") or {}).get("mediaType") in _CONFIGS:
                yield digest

    def image(self, digest: str) -> ReadImage:
        """Return the image whose manifest has the digest."""
        config, descriptors, diff_ids = self._parts(digest)
        layers = list(zip([str(item.get("digest")) for item in descriptors], diff_ids, strict=True))
        tree = StateTree(_WHAT, self._where)
        for number, layer in enumerate(layers):
            tree.layer = number
            self._read(tree, layer)
        self._resolve(tree, layers)
        states = tree.states()
        return ReadImage(
            facts=_facts(self._where, digest, config, descriptors, diff_ids),
            states=states,
            layers={state.path: top for state in states if (top := tree.layer_of(state.path)) is not None},
            around=tree.surroundings(),
        )

    def streams(self, digest: str) -> Iterator[tuple[int, BinaryIO]]:
        """Yield the layers of the image whose manifest has the digest."""
        _, descriptors, diff_ids = self._parts(digest)
        for number, (item, diff_id) in enumerate(zip(descriptors, diff_ids, strict=True)):
            with self._layer((str(item.get("digest")), diff_id)) as stream:
                yield number, stream

    def _parts(self, digest: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
        """Return the configuration of an image, and the descriptors and uncompressed digests of its layers."""
        manifest = self._json(digest)
        config = self._json(str(manifest["config"].get("digest")))
        diff_ids = _list(config.get("rootfs") or {}, "diff_ids", str)
        descriptors = _list(manifest, "layers")
        if len(descriptors) != len(diff_ids):
            raise self._unreadable(f"it has {len(descriptors)} layers, and the digests of {len(diff_ids)}")
        if len(descriptors) > _MOST_LAYERS:
            raise self._unreadable(f"it has {len(descriptors)} layers, and engines take no more than 127")
        return config, descriptors, diff_ids

    def parse(self, stream: BinaryIO, name: str) -> dict[str, Any]:
        """Return the JSON object in a file, which is closed."""
        with stream:
            text = stream.read(_LARGEST_JSON + 1)
            if len(text) > _LARGEST_JSON:
                raise self._unreadable(f"{name} is too large")
            stream.read(1)  # the end, at which it is verified
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(f"{name} is not JSON ({error})") from error
        if not isinstance(data, dict):
            raise self._unreadable(f"{name} is no JSON object")
        return data

    def _json(self, digest: str) -> dict[str, Any]:
        blob = self._blobs.blob(digest)
        found = self.parse(cast(BinaryIO, blob), digest)
        self._allowance.take(blob, blob.count)  # any number of manifests can have one large configuration
        return found

    def _read(self, tree: StateTree, layer: tuple[str, str]) -> None:
        with self._layer(layer) as stream:
            read_layer(tree, stream)

    @contextlib.contextmanager
    def _layer(self, layer: tuple[str, str]) -> Iterator[BinaryIO]:
        """Give a layer's tar archive, uncompressed, and verified at its end."""
        digest, diff_id = layer
        with self._blobs.blob(digest) as blob, _unpacked(cast(BinaryIO, blob), self._where) as unpacked:
            bounded = cast(BinaryIO, Bounded(unpacked, blob, self._allowance))
            yield cast(BinaryIO, Verified(bounded, diff_id, self._where))

    def _resolve(self, tree: StateTree, layers: list[tuple[str, str]]) -> None:
        """Find the files that hard links mean: in their own layer, or in one below. A layer is read twice at most."""
        links = tree.unresolved()
        targets = {path: entry.target for path, entry in links.items()}
        for number in range(len(layers) - 1, -1, -1):
            looking = {path for path in targets if links[path].layer >= number}
            for last in (False, True):  # a link to a link
                if not looking:
                    break
                with self._layer(layers[number]) as stream:
                    found = read_files(tree, stream, {targets[path] for path in looking})
                looking = {path for path in looking if targets[path] in found}
                for path in tuple(looking):
                    file = found[targets[path]]
                    if file.kind == "file" and file.file is None and not last:
                        targets[path] = file.target
                        continue
                    looking.remove(path)
                    del targets[path]
                    if file.kind == "file" and file.file is not None:
                        tree.resolve(path, replace(file, layer=links[path].layer))

    def _unreadable(self, why: str) -> StatebakeError:
        return unreadable(_WHAT, why, self._where)


def is_layout(path: Path) -> bool:
    """Return whether there is an OCI image layout at ``path``, or a tar archive that might have one in it."""
    if path.is_dir():
        return (path / "oci-layout").is_file()
    try:
        return path.is_file() and tarfile.is_tarfile(path)  # a FIFO would never open
    except TAR_ERRORS:
        return False


def _facts(
    where: str, digest: str, config: Mapping[str, Any], descriptors: list[dict[str, Any]], diff_ids: list[str]
) -> ImageFacts:
    platform = [str(config.get(name) or "") for name in ("os", "architecture", "variant")]
    sizes = [size if isinstance(size := item.get("size"), int) else None for item in descriptors]
    history = [item for item in config.get("history") or [] if isinstance(item, dict)]
    made = [(str(item.get("created_by") or ""), True) for item in history if not item.get("empty_layer")]
    texts = instructions(made, len(diff_ids))
    labels = (config.get("config") or {}).get("Labels") or {}
    return ImageFacts(
        reference=where,
        id=digest,
        tags=(),
        digests=(),
        platform="/".join(filter(None, platform)),
        created=config.get("created") or None,
        size=sum(size or 0 for size in sizes),
        user=str((config.get("config") or {}).get("User") or ""),
        labels={str(name): str(value) for name, value in labels.items()},
        layers=tuple(Layer(*found) for found in zip(diff_ids, sizes, texts, strict=True)),
        texts=texts_of(
            config.get("config") or {},
            [(item.get("created_by"), item.get("comment"), item.get("author")) for item in history],
        ),
    )


def _unpacked(stream: BinaryIO, where: str) -> BinaryIO:
    """Return the stream uncompressed, whichever way its first bytes say that it is compressed."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream), 1 << 16)
    magic = buffered.peek(4)[:4]
    if magic[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered, mode="rb"))
    if magic == b"\x28\xb5\x2f\xfd":
        return _zstd(cast(BinaryIO, buffered), where)
    return cast(BinaryIO, buffered)


def _zstd(stream: BinaryIO, where: str) -> BinaryIO:
    try:
        from compression.zstd import ZstdFile  # type: ignore[import-not-found, unused-ignore]  # Python 3.14

        return cast(BinaryIO, ZstdFile(stream))
    except ImportError:
        pass
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        why = "a layer is compressed with zstd, which this Python cannot read (Python 3.14 can, or install zstandard)"
        raise unreadable(_WHAT, why, where) from error
    return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))


def _list(data: Mapping[str, Any], name: str, kind: type = dict) -> list[Any]:
    found = data.get(name)
    return [item for item in found if isinstance(item, kind)] if isinstance(found, list) else []
