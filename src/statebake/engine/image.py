"""What an engine says of an image, as values; no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from statebake.errors import Code, StatebakeError

ATTESTATION = "vnd.docker.reference.type"
"""The annotation of an entry of an index that is no image, but says something of one."""

_NO_LAYER = {
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
}


@dataclass(frozen=True)
class Layer:
    """A layer of an image, the lowest first.

    Attributes:
        diff_id: the digest of its uncompressed tar archive.
        size: its size in bytes, as its engine counts; ``None`` where it cannot be told.
        instruction: what made it, tidied; ``None`` where it cannot be told.
    """

    diff_id: str
    size: int | None
    instruction: str | None


@dataclass(frozen=True)
class ImageFacts:
    """What an engine knows of an image.

    Attributes:
        reference: the name that was asked for.
        id: the engine's identifier: the digest of the configuration, or of the manifest or index in engines with the
            containerd image store.
        tags: all its names with tags.
        digests: its names with the digest of the manifest, as far as it was pushed or pulled.
        platform: ``linux/amd64``, ``linux/arm/v7``.
        created: RFC 3339, or ``None``.
        size: in bytes, as its engine counts.
        user: whom it runs as, as its configuration says; empty for root.
        labels: its labels.
        layers: its layers.
        command: what it starts, its entry point and that one's arguments.
        texts: what its configuration and history say, by where that is: ``variable PATH``, ``label x``, ``history 3``.
    """

    reference: str
    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    platform: str
    created: str | None
    size: int
    user: str
    labels: Mapping[str, str]
    layers: tuple[Layer, ...]
    command: tuple[str, ...] = field(default=(), repr=False)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)


def image_facts(reference: str, inspected: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> ImageFacts:
    """Return the facts in the answers of ``GET /images/{name}/json`` and ``…/history`` (Docker Engine API)."""
    platform = [inspected.get("Os") or "linux", inspected.get("Architecture") or "", inspected.get("Variant") or ""]
    config = inspected.get("Config") or {}
    return ImageFacts(
        reference=reference,
        id=inspected["Id"],
        tags=tuple(inspected.get("RepoTags") or ()),
        digests=tuple(inspected.get("RepoDigests") or ()),
        platform="/".join(filter(None, platform)),
        created=inspected.get("Created") or None,
        size=inspected.get("Size") or 0,
        user=str(config.get("User") or ""),
        labels=dict(config.get("Labels") or {}),
        layers=_layers((inspected.get("RootFS") or {}).get("Layers") or [], list(reversed(history))),
        command=tuple(str(word) for name in ("Entrypoint", "Cmd") for word in config.get(name) or ()),
        texts=texts_of(config, [(item.get("CreatedBy"), item.get("Comment")) for item in reversed(history)]),
    )


def texts_of(config: Mapping[str, Any], history: Sequence[tuple[object, ...]]) -> dict[str, str]:
    """Return what a configuration and a history, oldest first, say, by where that is, as users call it."""
    variables = [str(item) for item in config.get("Env") or ()]
    labels = {str(name): str(value) for name, value in (config.get("Labels") or {}).items()}
    rest = {name: value for name, value in config.items() if name not in {"Env", "Labels"} and value}
    return {
        **{f"variable {item.partition('=')[0]}": item for item in variables},
        **{f"label {name}": f"{name}={value}" for name, value in labels.items()},
        **{
            f"history {number}": "\n".join(str(text) for text in entry if text)
            for number, entry in enumerate(history, 1)
            if any(entry)
        },
        "the configuration": json.dumps(rest, ensure_ascii=False, default=str),
    }


def tidy(instruction: str) -> str:
    """Return the text of an instruction without what builders add to it, on one line."""
    text = re.sub(r"\s+# buildkit$", "", " ".join(instruction.split()))
    text = re.sub(r"^/bin/sh -c #\(nop\)\s+", "", text)
    return re.sub(r"^(RUN )?(\|\d+ .*?)?/bin/sh -c ", "RUN ", text)


def instructions(entries: Sequence[tuple[str, bool]], layers: int) -> list[str | None]:
    """Return the instruction of each of ``layers`` layers, lowest first, or ``None`` where it cannot be told.

    ``entries`` is the history, oldest first: instruction, and whether it surely made a layer. Engines do not say which
    entries made an empty one, so those are told by their kind; where the numbers disagree nothing is said.
    """
    certain = [tidy(text) for text, surely in entries if surely or _makes_layer(tidy(text), workdir=False)]
    likely = [tidy(text) for text, surely in entries if surely or _makes_layer(tidy(text), workdir=True)]
    for found in (likely, certain):
        if len(found) == layers:
            return [text or None for text in found]
    return [None] * layers


def _makes_layer(instruction: str, *, workdir: bool) -> bool:
    kind = instruction.partition(" ")[0].upper()
    return (workdir or kind != "WORKDIR") and kind not in _NO_LAYER


def _layers(diff_ids: Sequence[str], history: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    entries = [(str(item.get("CreatedBy") or ""), bool(item.get("Size"))) for item in history]
    for workdir in (True, False):
        sizes = [
            int(item.get("Size") or 0)
            for item, (text, surely) in zip(history, entries, strict=True)
            if surely or _makes_layer(tidy(text), workdir=workdir)
        ]
        if len(sizes) == len(diff_ids):
            texts = instructions(entries, len(diff_ids))
            return tuple(Layer(*found) for found in zip(diff_ids, sizes, texts, strict=True))
    return tuple(Layer(diff_id, None, None) for diff_id in diff_ids)


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return repository and tag of an image reference without a digest."""
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, None)


def push_failed(reference: str, words: str) -> StatebakeError:
    """Return the error for an image that a registry did not take."""
    host = reference.partition("/")[0]
    registry = f" {host}" if re.search(r"[.:]|^localhost$", host) and "/" in reference else ""
    return StatebakeError(
        Code.PUSH_FAILED,
        f"{reference} could not be pushed.",
        detail=words,
        next_step=f"docker login{registry}",
    )
