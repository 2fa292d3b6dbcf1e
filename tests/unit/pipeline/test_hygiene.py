"""Which directories of an image have what its new layers brought, and which layers are clean."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from statebake.config import Settings
from statebake.engine.image import ImageFacts, Layer
from statebake.hygiene import Searcher, SecretsAtHand
from statebake.pipeline.clean_layers import CleanLayers
from statebake.pipeline.hygiene import _engine_hits, _places
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.owner import Owner
from statebake.verify.artifact import ArtifactState
from statebake.verify.oci_layout import ReadImage
from support.layers import Member, tar

STATE = "/app/a/.local_defs_state"
SITE = "/opt/lib/python3.11/site-packages"
TOKEN = b"token = ghp_a1B2c3D4e5F6g7H8i9J0" + b"k1L2m3N4o5P6q7R8"


def _image(*instructions: str | None) -> ReadImage:
    layers = tuple(Layer(f"sha256:{number}", 1, text) for number, text in enumerate(instructions))
    facts = ImageFacts("shop:1", "sha256:x", (), (), "linux/amd64", None, 1, "", {}, layers)
    return ReadImage(facts, (ArtifactState(STATE, None, (), (), True),), {})


@pytest.mark.parametrize(
    ("instructions", "new", "expected"),
    [
        (("RUN x", "COPY a /app/a", "WORKDIR /app"), {1}, {"/app/a": ["sha256:1"]}),
        (("RUN x", "COPY a /app/a", "COPY b /app/b"), {1}, {"/app/a": ["sha256:1"]}),
        (("RUN x", "COPY a /app/a", "COPY b /app/b"), {1, 2}, {"/app/a": ["sha256:1"], "/app/b": ["sha256:2"]}),
        (("RUN x", "COPY a /app", "COPY b /app"), {2}, {"/app": ["sha256:2"]}),
        (("RUN x", "COPY a /app", "COPY b /app"), {1}, None),
        (("RUN x", "COPY a /app/a", "COPY b /app"), {1}, None),
        (("RUN x", "COPY a /app", "RUN y"), {1}, None),
        (("RUN x", "COPY a /", "WORKDIR /app"), {1}, None),
        (("RUN x", "COPY a app"), {1}, None),
        (("RUN x", "COPY a /app/b/../c", "COPY b /app/c"), {1, 2}, None),
        (("RUN x", "COPY a //app", "COPY b /app"), {1, 2}, None),
        (("RUN x", None), {1}, None),
        (("RUN x", "COPY a /app"), set(), {}),
        (("RUN x", "COPY a /app/a", "COPY /parts/layer/ /"), {2}, {STATE: ["sha256:2"]}),
        (("RUN x", "COPY a /app/a", "COPY /parts/layer/ /"), {1, 2}, {"/app/a": ["sha256:1", "sha256:2"]}),
    ],
)
def test_where_new_layers_are(instructions, new, expected):
    """They are read by directories only where no layer above them, known or not, could hide what they brought."""
    assert _places(_image(*instructions), {f"sha256:{number}" for number in new}) == expected


class _FakeEngine:
    """Has a file at each of its places, and tells which it was asked for."""

    def __init__(self, **places: bytes | None) -> None:
        self.asked: list[str] = []
        self._files = {"/app": ("app/main.py", places["app"]), SITE: ("site-packages/south/main.py", places["south"])}

    @contextlib.contextmanager
    def files(self, _image: str, place: str, *, links: bool = True):
        assert not links
        self.asked.append(place)
        name, data = self._files[place]
        yield None if data is None else io.BytesIO(tar([Member(name, content=data)]))

    def saved(self, _image: str):
        raise InterruptedError("all is read")


def _search(cache_dir: Path, engine: _FakeEngine, package: str = "shop") -> tuple[list[str], CleanLayers]:
    """Search an image whose first layer is clean, and the others may be new; return the hits' paths and the marks."""
    image = _image("COPY base /base", "COPY a /app", f"COPY venv {SITE}")
    state = ArtifactState(f"{SITE}/{package}/.local_defs_state", None, (), (), True)
    owner = Owner(Artifact("shop:1", "image", 1, (state,), image=image), None, Settings())
    clean = CleanLayers(cache_dir, SecretsAtHand((), ()), owner.places)
    clean.add(["sha256:0"])
    return [hit.path for hit in _engine_hits(engine, image, Searcher([]), clean, owner)], clean


def test_layers_that_are_clean(tmp_path):
    """A layer is remembered when all in its directory was read, and nothing was found there but what others publish."""
    engine = _FakeEngine(app=TOKEN, south=TOKEN)
    hits, clean = _search(tmp_path, engine)
    assert (hits, engine.asked) == (["app/main.py", f"{SITE[1:]}/south/main.py"], ["/app", SITE])
    assert [clean.knows(f"sha256:{number}") for number in range(3)] == [True, False, True]


def test_a_layer_that_is_elsewhere(tmp_path):
    """What was copied to a link, or is not there, is looked for in the whole image."""
    with pytest.raises(InterruptedError, match="all is read"):
        _search(tmp_path, _FakeEngine(app=None, south=b""))


def test_whose_layer_is_clean(tmp_path):
    """A layer that is clean for one project is searched for another one, whose own package may be in there."""
    _search(tmp_path, _FakeEngine(app=b"", south=TOKEN), package="north")
    _search(tmp_path, again := _FakeEngine(app=b"", south=TOKEN), package="north")
    hits, clean = _search(tmp_path, _FakeEngine(app=b"", south=TOKEN), package="south")
    assert (again.asked, hits) == ([], [f"{SITE[1:]}/south/main.py"])
    assert not clean.knows("sha256:2")
