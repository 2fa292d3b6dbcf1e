"""Whose files are where in an artifact."""

from __future__ import annotations

import json

import pytest

from statebake.config import Settings
from statebake.engine.image import ImageFacts, Layer
from statebake.hygiene import Hit
from statebake.model.manifest import Manifest
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.owner import Owner
from statebake.verify.artifact import ArtifactState
from statebake.verify.oci_layout import ReadImage
from statebake.verify.surroundings import Surroundings

SITE = "opt/venv/lib/python3.11/site-packages"
WHEEL = "py3-none-any.whl"
FROM_DIRECTORY = json.dumps({"url": "file:///x", "dir_info": {}})


def owner(kind: str, state: str = "", around: Surroundings | None = None, **more: object) -> Owner:
    """Return whose files are where in an artifact with state at ``state``, of a project called ``my-shop``."""
    image = None
    if kind == "image":
        layers = (Layer("sha256:0", 1, "COPY a /a"),)
        image = ReadImage(ImageFacts("x", "sha256:x", (), (), "linux/amd64", None, 1, "", {}, layers), (), {})
    states = (ArtifactState(state, None, (), (), True),) if state else ()
    manifest = Manifest(project="my-shop", tool="", host="", keys=(), revision=None)
    return Owner(Artifact("x", kind, 1, states, around or Surroundings(), image, **more), manifest, Settings())


def is_public(found: Owner, path: str) -> bool:
    """Return whether a token there is public; the value of a secret at hand is nowhere."""
    assert not found.is_public(Hit(path, 0, "TOKEN", "the value of TOKEN", "TOKEN"))
    return found.is_public(Hit(path, 0, "github-token", "a GitHub token"))


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
def test_in_an_image(path, public):
    """A credential is only counted in what came with the system or another package, and never in state."""
    assert is_public(owner("image"), f"layer 1!{path}") is public


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("shop/x.py", False),
        ("my_shop-0.1.dist-info/METADATA", False),
        ("my_shop.pth", False),
        ("shopping/x.py", True),
        ("shopping-1.dist-info/METADATA", True),
        ("my_lib/x.py", False),
        ("my_lib.cpython-311-x86_64-linux-gnu.so", False),
        ("my_lib-1.dist-info/METADATA", False),
        ("baked/x.py", False),
        ("too_deep/x.py", True),
        ("my/x.py", True),
    ],
)
def test_in_an_environment(path, public):
    """The package with the state is the project's own, and its metadata; so is what came from no index, and its."""
    origins = {f"{SITE}/my-lib-1.dist-info/direct_url.json": FROM_DIRECTORY}
    origins[f"{SITE}/too_deep-1.dist-info/direct_url.json"] = "[" * 100_000
    state, around = f"{SITE}/shop/defs/.local_defs_state", Surroundings(origins=origins)
    found = owner("environment", state, around, from_source=frozenset({"baked"}))
    assert is_public(found, f"{SITE}/{path}") is public


@pytest.mark.parametrize(
    ("path", "public"),
    [
        (f"shop-0.1-{WHEEL}/shop/x.py", False),
        (f"shop-0.1-{WHEEL}/helpers/x.py", False),
        (f"shop-0.1-{WHEEL}/shop-0.1.dist-info/METADATA", False),
        (f"shopping-1-{WHEEL}/shop/x.py", True),
        (f"spaced_lib-1-{WHEEL}/x.py", False),
        (f"last-1-{WHEEL}!x.py", False),
        (f"hashed-1-{WHEEL}/x.py", True),
        (f"archived-1-{WHEEL}/x.py", True),
        (f"baked-1-{WHEEL}/x.py", False),
    ],
)
def test_in_a_pex(path, public):
    """The whole distribution with the state is the project's own, and those of which it was told a directory."""
    told = (
        "not a requirement",
        "Spaced.Lib[more] @ file:///home/me/my projects/lib ; python_version > '3'",
        f"hashed @ file:///x/hashed-1-{WHEEL}#sha256=00",
        "archived @ file:///x/archived-1.tar.gz",
        "last @ git+https://u:p@x/y@main",
    )
    state, around = f".deps/shop-0.1-{WHEEL}/shop/defs/.local_defs_state", Surroundings(requirements=told)
    assert is_public(owner("pex", state, around, from_source=frozenset({"baked"})), f".deps/{path}") is public
