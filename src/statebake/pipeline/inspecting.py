"""Reading an artifact, whatever it is, without running it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from statebake.engine import open_engine
from statebake.errors import Code, StatebakeError
from statebake.model.image_reference import check_reference
from statebake.verify import (
    ArtifactState,
    ReadImage,
    Surroundings,
    artifact_error,
    is_layout,
    read_files,
    read_image,
    read_layout,
)
from statebake.verify.artifact import unreadable

Kind = Literal["wheel", "pex", "environment", "layout", "image"]

_FILES = (".pex", ".pyz", ".whl", ".tar", ".zip")
_BAKE: Mapping[Kind, str] = {
    "wheel": "python -m build --wheel",
    "pex": "statebake bake pex",
    "environment": "pip install --force-reinstall --no-deps .",
    "layout": "statebake bake docker",
    "image": "statebake bake docker",
}
_NAMES: Mapping[Kind, str] = {"pex": "PEX", "layout": "image"}


@dataclass(frozen=True)
class Artifact:
    """An artifact, or the image for one platform in a layout.

    Attributes:
        name: as it was given.
        kind: ``image`` is one in the container engine, ``environment`` what packages are installed into.
        size: in bytes.
        states: its state directories.
        around: what is beside them.
        image: what else is known of an image.
        at: the file itself, where it has not got its name yet.
        from_source: the normalized names of distributions that its bake took from a directory or a repository.
    """

    name: str
    kind: Kind
    size: int
    states: tuple[ArtifactState, ...]
    around: Surroundings = field(default_factory=Surroundings)
    image: ReadImage | None = None
    at: Path | None = None
    from_source: frozenset[str] = frozenset()

    @property
    def file(self) -> Path:
        """The file or directory that it is, unless it is an image."""
        return self.at or Path(self.name)

    @property
    def bake(self) -> str:
        """The command that makes such an artifact."""
        return _BAKE[self.kind]

    def error(self, state: ArtifactState) -> StatebakeError | None:
        """Return what is wrong with one of its state directories by what it says of itself, or ``None``."""
        return artifact_error(state, self.name, _BAKE[self.kind])


def read_artifact(name: str, env: Mapping[str, str], *, image: bool = False) -> tuple[Artifact, ...]:
    """Return what ``name`` is, as ``find_artifact`` does, where it carries state.

    Raises ``StatebakeError`` as that does, and ``NOT_AN_ARTIFACT`` where there is no state in it.
    """
    artifacts = find_artifact(name, env, image=image, find_layers=True)
    if not any(artifact.states for artifact in artifacts):
        kind = artifacts[0].kind
        raise StatebakeError(
            Code.NOT_AN_ARTIFACT,
            f"This {_NAMES.get(kind, kind)} carries no state.",
            where=name,
            next_step=f"bake it: {_BAKE[kind]}",
        )
    return artifacts


def find_artifact(
    name: str, env: Mapping[str, str], *, image: bool = False, find_layers: bool = False, look_around: bool = False
) -> tuple[Artifact, ...]:
    """Return what ``name`` is: a file or directory, or else, or with ``image``, an image in the container engine.

    An OCI image layout gives one for each platform. ``find_layers``: find out which layers of an engine's image the
    state is in; ``look_around``: every copy of the state in it, and what is beside them. Raises ``StatebakeError``:
    ``NOT_AN_ARTIFACT`` where it cannot be read, ``IMAGE_NOT_FOUND``, ``BAD_REFERENCE``, and the errors of an engine
    that cannot be used.
    """
    try:
        return _find(name, env, image=image, find_layers=find_layers, look_around=look_around)
    except OSError as error:  # of a file; what an engine does not answer is a StatebakeError
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else name
        why = f"it cannot be read ({error.strerror or error})"
        raise unreadable("an artifact", why, where, "make it readable, or name another one") from error


def _find(
    name: str, env: Mapping[str, str], *, image: bool, find_layers: bool, look_around: bool
) -> tuple[Artifact, ...]:
    path = Path(name)
    if image or not (path.exists() or _looks_like_file(name)):
        check_reference(name, where="the image that was given")
        read = read_image(open_engine(env), name, everywhere=look_around, find_layers=find_layers)
        found = [Artifact(name, "image", read.facts.size, read.states, read.around, read)]
    elif path.exists() and is_layout(path):
        found = [
            Artifact(name, "layout", read.facts.size, read.states, read.around, read) for read in read_layout(path)
        ]
    else:
        files = read_files(path)
        found = [Artifact(name, files.kind, files.size, files.states, files.around)]
    return tuple(without_empty(artifact) for artifact in found)


def without_empty(artifact: Artifact) -> Artifact:
    """Return an artifact without the directories that only have the name of a state directory."""
    return replace(artifact, states=tuple(state for state in artifact.states if not state.empty))


def _looks_like_file(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith((*_FILES, "/"))
