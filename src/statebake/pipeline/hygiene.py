"""Searching an artifact, or the state in a work tree, for secrets and for files that should not ship."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import dropwhile, permutations
from pathlib import Path
from typing import BinaryIO

from statebake.check import Snapshot
from statebake.check.snapshot import unreadable as unreadable_state
from statebake.config import Project, Settings, settings_for
from statebake.engine import Engine, open_engine
from statebake.hygiene import Hit, Place, Searcher, SecretsAtHand, judge, unwanted
from statebake.model.discovery import Discovery
from statebake.model.finding import Finding
from statebake.model.keys import RECORD_NAME, STATE_DIR_NAME, STATE_LAYER, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.tree import list_files
from statebake.model.units import show_bytes
from statebake.pipeline.clean_layers import CleanLayers
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.owner import Owner, is_path
from statebake.pipeline.secrets import paths_in_artifacts, secrets_of, state_searcher
from statebake.verify.artifact import unreadable
from statebake.verify.files import walk_directory
from statebake.verify.image import SavedImage
from statebake.verify.oci_layout import ReadImage, layer_streams

_MOST_NOTES = 5
_MEND = "revoke it, and bake again without it"


@dataclass(frozen=True)
class Searched:
    """What a search came to: the findings, what was done, and what the reader should know, a sentence each."""

    findings: tuple[Finding, ...] = ()
    checks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def search_artifact(
    artifact: Artifact,
    manifest: Manifest | None,
    settings: Settings,
    at_hand: SecretsAtHand,
    env: Mapping[str, str],
    *,
    project: Project | None = None,
    engine: Engine | None = None,
    cache_dir: Path | None = None,
) -> Searched:
    """Return what must not be in an artifact and is: in its files, and in the layers and the configuration of an image.

    What looks like a credential and is in a package that came from an index is only counted. ``project``: the
    one that it was made of, whose path its state must not have in it. ``engine``: the one that has the image. Layers
    that ``cache_dir`` says are clean are not read again. Raises ``StatebakeError`` as reading the artifact does.
    """
    of_keys = (section.values.get("secrets.mode", "off") for section in settings.keys)
    if settings.secrets.mode == "off" and all(mode == "off" for mode in of_keys):
        return Searched(notes=("Secrets were not looked for: secrets.mode is off.",))
    paths = paths_in_artifacts(project, env)
    searcher = Searcher(at_hand.secrets, literals=paths, judge_name=unwanted)
    owner = Owner(artifact, manifest, settings)
    searched_for = [*owner.places, *(os.fsdecode(path.value) for path in paths)]
    clean = CleanLayers(cache_dir, at_hand, searched_for) if cache_dir else None
    own: list[Hit] = []
    foreign: set[str] = set()
    layers = artifact.image.facts.layers if artifact.image else ()
    known = sum(clean.knows(layer.diff_id) for layer in layers) if clean else 0
    hits = _file_hits(artifact, searcher)
    if artifact.kind == "image" and artifact.image is not None:
        hits = _engine_hits(engine or open_engine(env), artifact.image, searcher, clean, owner)
    for hit in (*_text_hits(artifact, searcher), *hits):
        if owner.is_public(hit):
            foreign.update([] if is_path(hit) else [hit.path])
        else:
            own.append(hit)
    notes = [*at_hand.ignored, *_first([note.removeprefix("!") for note in searcher.unread])]
    if credentials := {path for path in foreign if unwanted(path.rpartition("!")[2]) is None}:
        files = "1 file" if len(credentials) == 1 else f"{len(credentials)} files"
        notes.append(
            f"What looks like a credential in {files} of installed packages was not judged: of packages from an index, "
            "public or private, it is taken to be published with them."
        )
    done = f"{show_bytes(artifact.size)} searched for {_sought(at_hand)}"
    if known:
        done += f"; {known} of {len(layers)} layers were searched before"
    return Searched(judge(own, owner.place, mend=_MEND), (done,), tuple(notes))


def search_state(
    project: Project, settings: Settings, discovery: Discovery, snapshot: Snapshot, env: Mapping[str, str]
) -> Searched:
    """Return what must not be in the state of a work tree and is.

    Raises ``StatebakeError`` where state cannot be read any more: ``FOREIGN_FILE``, and what ``list_files`` raises.
    """
    at_hand = secrets_of(project, settings, env)
    searcher = state_searcher(project, discovery.defs_dir / STATE_DIR_NAME, at_hand, env)
    findings: list[Finding] = []
    for key in discovery.keys:
        found = snapshot.key_dirs.get(sanitize_key(key))
        component = discovery.components_of(key)[0]
        own = settings_for(settings, key, component.type).secrets
        if found is None or found.summary is None or own.mode == "off":
            continue
        place = Place(key, "", component.declared_at, own)
        try:
            files = [(file.path, file.source) for file in list_files(found.path)]
            record = found.path / RECORD_NAME
            hits = list(searcher.search_all(_streams([*files, *([(RECORD_NAME, record)] if record.is_file() else [])])))
        except OSError as error:
            raise unreadable_state(error, found.path) from error
        findings += judge(hits, partial(_at, place), mend="have the component leave it out")
    done = f"state searched for {_sought(at_hand)}"
    return Searched(tuple(findings), (done,), (*at_hand.ignored, *_first(searcher.unread)))


def _at(place: Place, path: str) -> Place:
    return replace(place, path=path)


def _text_hits(artifact: Artifact, searcher: Searcher) -> Iterator[Hit]:
    for where, text in artifact.image.facts.texts.items() if artifact.image else ():
        yield from searcher.search(where, io.BytesIO(text.encode("utf-8", "surrogateescape")))


def _file_hits(artifact: Artifact, searcher: Searcher) -> Iterator[Hit]:
    path = artifact.file
    if artifact.kind == "layout" and artifact.image is not None:
        for number, stream in layer_streams(path, artifact.image.facts.id):
            yield from searcher.search(f"layer {number + 1}", stream)
    elif path.is_dir():
        names = sorted(walk_directory(path, "an artifact").files)
        try:
            yield from searcher.search_all(_streams((name, path / name) for name in names))
        except OSError as error:
            raise unreadable("an artifact", f"it cannot be read ({error})", artifact.name) from error
    else:
        for hit in searcher.search_all(_streams([(path.name, path)])):
            yield replace(hit, path=hit.path.removeprefix(f"{path.name}!"))


def _engine_hits(
    engine: Engine, image: ReadImage, searcher: Searcher, clean: CleanLayers | None, owner: Owner
) -> Iterator[Hit]:
    """Yield what is in the layers of an image: in all of them, or, where only a few are new, in what these brought."""
    layers = image.facts.layers
    new = {layer.diff_id for layer in layers if clean is None or not clean.knows(layer.diff_id)}
    places = _places(image, new) if any(layer.diff_id not in new for layer in layers) else None
    by_place: dict[str, list[Hit]] = {}
    for place in places or ():
        with engine.files(image.facts.id, place, links=False) as stream:
            if stream is None:  # what was copied there is elsewhere
                places = None
                break
            by_place[place] = [_below(place, hit) for hit in searcher.search("", stream)]
    if places is not None:
        for place, diff_ids in places.items():
            yield from by_place[place]
            if clean is not None and all(map(owner.is_public, by_place[place])):
                clean.add(diff_ids)
        return
    with engine.saved(image.facts.id) as stream:
        saved = SavedImage(stream, image.facts.reference)
        found = {name: list(searcher.search("", content)) for name, content in saved.files()}
    numbers = saved.numbers()
    if bool(numbers) != bool(layers) or not numbers.keys() <= found.keys():
        raise unreadable("an image", "what the engine saves lacks some of its layers", image.facts.reference)
    for name in sorted(numbers, key=numbers.__getitem__):
        yield from (replace(hit, path=f"layer {numbers[name] + 1}{hit.path}") for hit in found[name])
    if clean is not None:  # a layer that an image has twice is one file
        names = [name for name in numbers if all(map(owner.is_public, found[name]))]
        clean.add(layers[numbers[name]].diff_id for name in names)


def _below(place: str, hit: Hit) -> Hit:
    """Return a hit by its path in the image, in what the engine gave of ``place``."""
    parent, inside = place.strip("/").rpartition("/")[0], hit.path.removeprefix("!")
    return replace(hit, path=f"{parent}/{inside}" if parent else inside)


def _places(image: ReadImage, new: Collection[str]) -> dict[str, list[str]] | None:
    """Return the directories that have all that the ``new`` layers brought, each with the digests of these layers.

    ``None`` where that cannot be told. A file that a later layer replaces would not be seen there any more, so of the
    first new layer and all above it no two may bring anything to one directory; but statebake's own state layer brings
    what no other layer has.
    """
    targets: dict[str, str] = {}
    state: dict[str, str] = {}
    for layer in dropwhile(lambda layer: layer.diff_id not in new, image.facts.layers):
        words = (layer.instruction or "").split()
        if words[-2:] == [STATE_LAYER, "/"] and len(image.states) == 1:
            state[image.states[0].path] = layer.diff_id
        elif words[:1] in (["COPY"], ["ADD"]) and words[-1].startswith("/"):
            target = words[-1].rstrip("/")
            if not target or target in targets or target.startswith("//") or posixpath.normpath(target) != target:
                return None
            targets[target] = layer.diff_id
        elif words[:1] != ["WORKDIR"]:
            return None
    if any(_is_below(one, other) for one, other in permutations(targets, 2)):
        return None
    read = {target: [diff_id] for target, diff_id in targets.items() if diff_id in new}
    for path, diff_id in state.items():
        if diff_id in new:
            read.setdefault(next((target for target in read if _is_below(path, target)), path), []).append(diff_id)
    return read


def _is_below(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory}/")


def _streams(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, BinaryIO, int]]:
    """Yield files, by what they are called, each open until the next one is asked for."""
    for name, path in files:
        with path.open("rb") as stream:
            yield name, stream, os.fstat(stream.fileno()).st_size


def _sought(at_hand: SecretsAtHand) -> str:
    names = len({secret.name for secret in at_hand.secrets})
    values = f"the value of {names} {'secret' if names == 1 else 'secrets'} and for " if names else ""
    return f"{values}credentials in well-known formats"


def _first(notes: list[str]) -> list[str]:
    more = len(notes) - _MOST_NOTES
    return [*notes[:_MOST_NOTES], *([f"{more} more files could not be unpacked to be searched."] if more > 0 else [])]
