"""Reading the state in an image of a container engine, without starting it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from statebake.engine import Engine, ImageFacts
from statebake.model.keys import STATE_LABEL, STATE_LAYER
from statebake.verify.artifact import ArtifactState, unreadable
from statebake.verify.oci_layout import ReadImage
from statebake.verify.surroundings import Surroundings
from statebake.verify.tar import TAR_ERRORS, Ending, look_at_tar, read_tar


def read_image(engine: Engine, reference: str, *, everywhere: bool = False, find_layers: bool = False) -> ReadImage:
    """Return an image of the engine with its state directories.

    They are looked for where the label ``io.statebake.state`` says, and without one, or with nothing there, or with
    ``everywhere``, in the whole file system, which takes a second for every few hundred megabytes, and tells what is
    beside them as well. ``find_layers``: find out which layers they are in, which may take as long again. Raises
    ``StatebakeError``: ``IMAGE_NOT_FOUND``, ``NOT_AN_ARTIFACT``, ``BAD_RECORD``, ``NEWER_FORMAT``, and what the
    engine's methods raise.
    """
    facts = engine.image(reference)
    states: tuple[ArtifactState, ...] = ()
    around = Surroundings()
    if (place := facts.labels.get(STATE_LABEL)) and not everywhere:
        states = _states_at(engine, facts, place)
    if not states:
        with engine.whole(facts.id) as stream:
            places, around = look_at_tar(stream, reference)
        states = tuple(state for place in places for state in _states_at(engine, facts, place))
    layers = _layers(engine, facts, states) if find_layers else {}
    return ReadImage(facts, states, layers, around)


def _states_at(engine: Engine, facts: ImageFacts, place: str) -> tuple[ArtifactState, ...]:
    with engine.files(facts.id, place) as stream:
        return () if stream is None else read_tar(stream, facts.reference, root=str(PurePosixPath(place).parent))


def _layers(engine: Engine, facts: ImageFacts, states: tuple[ArtifactState, ...]) -> dict[str, int]:
    """Return the topmost layer of each state directory: by its instruction if that names it, else by looking."""
    named = {state.path: _named(facts, state.path) for state in states}
    if all(number is not None for number in named.values()):
        return {path: number for path, number in named.items() if number is not None}
    with engine.saved(facts.id) as stream:
        return layers_in_save(stream, [state.path for state in states], facts.reference)


def _named(facts: ImageFacts, path: str) -> int | None:
    for number, layer in reversed(list(enumerate(facts.layers))):
        words = (layer.instruction or "").split()
        if words[:1] in (["COPY"], ["ADD"]) and (words[-1].rstrip("/") == path or words[-2:] == [STATE_LAYER, "/"]):
            return number
    return None


def layers_in_save(stream: BinaryIO, paths: list[str], where: str) -> dict[str, int]:
    """Return the number of the topmost layer with anything at or below each path, in what ``docker save`` wrote."""
    saved = SavedImage(stream, where)
    touching = {name: _touched(content, paths) for name, content in saved.files()}
    numbers = saved.numbers()
    found = sorted((numbers[name], path) for name in numbers for path in touching.get(name, ()))
    return {path: number for number, path in found}


class SavedImage:
    """What ``docker save`` wrote, which is read once, in its own order.

    Format: Docker Engine API, "Image tarball format"; since 25 with an OCI image layout in it.
    """

    def __init__(self, stream: BinaryIO, where: str) -> None:
        self._stream, self._where = stream, where
        self._layers: list[str] = []
        self._same: dict[str, str] = {}

    def files(self) -> Iterator[tuple[str, BinaryIO]]:
        """Yield name and content of every file, a layer or not; a content can be read until the next one is asked for.

        Raises ``StatebakeError`` (``NOT_AN_ARTIFACT``).
        """
        try:
            with tarfile.open(fileobj=cast(BinaryIO, Ending(self._stream)), mode="r|", bufsize=1 << 16) as archive:
                for member in archive:
                    if member.issym() or member.islnk():
                        self._same[member.name] = str(PurePosixPath(member.name).parent / member.linkname)
                    elif member.isreg() and member.name == "manifest.json":
                        [image, *_] = json.load(cast(BinaryIO, archive.extractfile(member)))
                        self._layers = [str(name) for name in image["Layers"]]
                    elif member.isreg():
                        yield _plain(member.name), cast(BinaryIO, archive.extractfile(member))
        except (*TAR_ERRORS, ValueError, KeyError, TypeError) as error:
            raise unreadable("an image", f"what the engine saves cannot be read ({error})", self._where) from error

    def numbers(self) -> dict[str, int]:
        """Return the number of each layer, from 0, by its file's name; to be asked when all files were read."""
        return {_plain(self._same.get(name, name)): number for number, name in enumerate(self._layers)}


def _touched(stream: BinaryIO, paths: list[str]) -> set[str]:
    """Return the paths that a layer has something at or below; none if it is no layer but JSON."""
    found: set[str] = set()
    try:
        with tarfile.open(fileobj=cast(BinaryIO, Ending(stream)), mode="r|*", bufsize=1 << 16) as layer:
            while (member := layer.next()) is not None:
                name = f"/{_plain(member.name)}"
                found.update(path for path in paths if name.startswith(f"{path}/") and not member.isdir())
                layer.members = []  # type: ignore[attr-defined]
    except TAR_ERRORS:
        return set()
    return found


def _plain(name: str) -> str:
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
