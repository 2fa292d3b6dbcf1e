"""Whose files are where in an image, and which directories have what its new layers brought."""

from __future__ import annotations

import pytest

from statebake.config import Settings
from statebake.engine.image import ImageFacts, Layer
from statebake.hygiene import Hit
from statebake.pipeline.hygiene import _Owner, _places
from statebake.pipeline.inspecting import Artifact
from statebake.verify.artifact import ArtifactState
from statebake.verify.oci_layout import ReadImage

STATE = "/app/a/.local_defs_state"


def _image(*instructions: str | None) -> ReadImage:
    layers = tuple(Layer(f"sha256:{number}", 1, text) for number, text in enumerate(instructions))
    facts = ImageFacts("shop:1", "sha256:x", (), (), "linux/amd64", None, 1, "", {}, layers)
    return ReadImage(facts, (ArtifactState(STATE, None, (), (), True),), {})


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("usr/lib/python3/dist-packages/x.py", True),
        ("usr/lib/git-core/x", True),
        ("usr/local/lib/python3.11/site-packages/acme/x.py", True),
        ("usr/local/lib/python3.11/site-packages/acme-1.dist-info/direct_url.json", False),
        ("usr/src/app/shop/config.py", False),
        ("usr/lib/app/shop/.local_defs_state/one/state", False),
        ("app/shop/config.py", False),
    ],
)
def test_what_is_public(path, public):
    """A credential is only counted in what came with the system or another package, and never in state."""
    owner = _Owner(Artifact("shop:1", "image", 1, (), image=_image("COPY a /a")), None, Settings())
    assert owner.is_public(Hit(f"layer 1!{path}", 0, "github-token", "a GitHub token")) is public
    assert not owner.is_public(Hit(f"layer 1!{path}", 0, "TOKEN", "the value of TOKEN", "TOKEN"))


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
        (("RUN x", None), {1}, None),
        (("RUN x", "COPY a /app"), set(), {}),
        (("RUN x", "COPY a /app/a", "COPY /parts/layer/ /"), {2}, {STATE: ["sha256:2"]}),
        (("RUN x", "COPY a /app/a", "COPY /parts/layer/ /"), {1, 2}, {"/app/a": ["sha256:1", "sha256:2"]}),
    ],
)
def test_where_new_layers_are(instructions, new, expected):
    """They are read by directories only where no layer above them, known or not, could hide what they brought."""
    assert _places(_image(*instructions), {f"sha256:{number}" for number in new}) == expected
