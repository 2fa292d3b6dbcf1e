"""The artifact that is judged, and how messages speak of it; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from statebake.verify.artifact import ArtifactState
from statebake.verify.surroundings import Surroundings

_NAMES: Mapping[str, str] = {"pex": "PEX", "layout": "image"}
_BAKE: Mapping[str, str] = {
    "pex": "statebake bake pex",
    "layout": "statebake bake docker",
    "image": "statebake bake docker",
}


@dataclass(frozen=True)
class Subject:
    """An artifact, or the image for one platform in a layout.

    Attributes:
        name: as it was given.
        kind: ``wheel``, ``pex``, ``environment``, ``layout`` or ``image``.
        states: its state directories.
        around: what is beside them.
        user: as whom an image runs; empty for root.
        import_path: the directories that the configuration of an image puts first on the import path.
    """

    name: str
    kind: str
    states: tuple[ArtifactState, ...]
    around: Surroundings
    user: str = ""
    import_path: tuple[str, ...] = ()

    @property
    def the_own(self) -> str:
        """``the wheel``."""
        return f"the {_NAMES.get(self.kind, self.kind)}"

    @property
    def the(self) -> str:
        """``The wheel``, as a sentence begins."""
        return f"T{self.the_own[1:]}"

    @property
    def is_image(self) -> bool:
        """Whether it is one, in an engine or in a layout."""
        return self.kind in {"image", "layout"}

    @property
    def bake(self) -> str:
        """The command that bakes such an artifact, or one that takes its place."""
        return _BAKE.get(self.kind, "statebake bake pex")

    @property
    def again(self) -> str:
        """What makes such an artifact anew."""
        made = {"wheel": "build the wheel again", "environment": "install the project again"}
        return made.get(self.kind, f"bake it again: {self.bake}")

    def inside(self, path: str) -> str:
        """Return the place of what is in it."""
        return f"{self.name}!{path.lstrip('/') if not self.is_image else path}"
