"""Reading an artifact, whatever it is, without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from statebake.engine import open_engine
from statebake.errors import Code, StatebakeError
from statebake.model.image_reference import check_reference
from statebake.verify import ArtifactState, ReadImage, artifact_error, is_layout, read_image, read_layout, read_pex

_FILES = (".pex", ".pyz", ".tar", ".zip")
_BAKE = {"pex": "statebake bake pex", "layout": "statebake bake docker", "image": "statebake bake docker"}


@dataclass(frozen=True)
class Artifact:
    """An artifact, or the image for one platform in a layout.

    Attributes:
        name: as it was given.
        kind: ``image`` is one in the container engine.
        size: in bytes.
        states: its state directories.
        image: what else is known of an image.
    """

    name: str
    kind: Literal["pex", "layout", "image"]
    size: int
    states: tuple[ArtifactState, ...]
    image: ReadImage | None = None

    def error(self, state: ArtifactState) -> StatebakeError | None:
        """Return what is wrong with one of its state directories by what it says of itself, or ``None``."""
        return artifact_error(state, self.name, _BAKE[self.kind])


def read_artifact(name: str, env: Mapping[str, str], *, image: bool = False) -> tuple[Artifact, ...]:
    """Return what ``name`` is: a file or directory, or else, or with ``image``, an image in the container engine.

    An OCI image layout gives one for each platform. Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` where there is no
    state in it or it cannot be read, ``IMAGE_NOT_FOUND``, ``BAD_REFERENCE``, and the errors of an engine that cannot
    be used.
    """
    path = Path(name)
    if image or not (path.exists() or _looks_like_file(name)):
        check_reference(name, where="the image that was given")
        read = read_image(open_engine(env), name, find_layers=True)
        found = [Artifact(name, "image", read.facts.size, read.states, read)]
    elif path.exists() and is_layout(path):
        found = [Artifact(name, "layout", read.facts.size, read.states, read) for read in read_layout(path)]
    else:
        states = read_pex(path)
        found = [Artifact(name, "pex", path.stat().st_size, states)]
    artifacts = [_with_state(artifact) for artifact in found]
    if not any(artifact.states for artifact in artifacts):
        kind = "PEX" if found[0].kind == "pex" else "image"
        raise StatebakeError(
            Code.NOT_AN_ARTIFACT,
            f"This {kind} carries no state.",
            where=name,
            next_step=f"bake it: {_BAKE[found[0].kind]}",
        )
    return tuple(artifacts)


def _with_state(artifact: Artifact) -> Artifact:
    states = tuple(state for state in artifact.states if not state.empty)
    return Artifact(artifact.name, artifact.kind, artifact.size, states, artifact.image)


def _looks_like_file(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith((*_FILES, "/"))
