"""Small files that name one thing many times: what reading them costs has a limit, which is counted, not timed."""

from __future__ import annotations

import gzip
import json
import os

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import blobs, oci_layout, read_layout
from statebake.verify.oci_layout import layer_streams
from support.layers import LayoutMaker, Member, digest, tar

STATE = "app/.local_defs_state"
LAYER = tar([Member(f"{STATE}/a/state", content=b"1")])


@pytest.fixture
def layout(tmp_path):
    """A layout that is to be filled."""
    return LayoutMaker(tmp_path / "layout")


@pytest.fixture
def counted(monkeypatch):
    """Count the calls of a function, by the name that a module has it under."""

    def count(module, name):
        calls, real = [], getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **options: (calls.append(args), real(*args, **options))[1])
        return calls

    return count


def refused(call, *args) -> str:
    with pytest.raises(StatebakeError) as caught:
        call(*args)
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    return caught.value.message


def test_indexes_that_name_one_another_many_times(layout, counted):
    """Every index and manifest is parsed once to be listed, and an image's once more to be read."""
    found = layout.image((LAYER,))
    for _ in range(3):
        found = layout.index(*[found] * 20)
    path = layout.finish(*[found] * 20)
    parsed = counted(json, "loads")
    assert len(read_layout(path)) == 1
    assert len(parsed) == 1 + 3 + 1 + 2


def test_more_manifests_than_any_layout_has(layout, monkeypatch):
    """Their number has a limit."""
    monkeypatch.setattr(oci_layout, "_MOST_MANIFESTS", 3)
    images = [layout.image((LAYER,), arch=f"a{number}") for number in range(4)]
    assert len(read_layout(layout.finish(*images[:3]))) == 3
    assert "more than 3 manifests" in refused(read_layout, layout.finish(*images))


def test_a_layer_that_is_listed_many_times(layout, monkeypatch):
    """What an image unpacks to counts for the whole of it, in its state as in the search for secrets."""
    monkeypatch.setattr(blobs, "FREE_BYTES", 1 << 16)
    zeros = tar([Member("zeros", content=bytes(1 << 19))])
    once = layout.image([LAYER, os_layer := tar([Member("x", content=os.urandom(8_000))]), zeros])
    assert len(read_layout(layout.finish(once))) == 1
    often = layout.image([LAYER, os_layer, zeros, zeros, zeros])
    path = layout.finish(often)
    assert "unpacks to more than 100 times its size" in refused(read_layout, path)
    read = []
    with pytest.raises(StatebakeError, match="unpacks to more than 100 times its size"):
        for number, stream in layer_streams(path, often["digest"]):
            read.append(number)
            while stream.read(1 << 16):
                pass
    assert read == [0, 1, 2, 3]


def test_a_layer_that_many_images_have(layout, monkeypatch):
    """All images of a layout count together."""
    monkeypatch.setattr(blobs, "FREE_BYTES", 1 << 16)
    layer = tar([Member("x", content=os.urandom(8_000)), Member("zeros", content=bytes(1 << 19))])
    images = [layout.image([layer], arch=f"a{number}") for number in range(3)]
    assert len(read_layout(layout.finish(*images[:1]))) == 1
    assert "unpacks to more than 100 times its size" in refused(read_layout, layout.finish(*images))


def test_a_configuration_that_many_images_have(layout, monkeypatch):
    """What is parsed again counts again."""
    monkeypatch.setattr(blobs, "FREE_BYTES", 1 << 16)
    config = layout.blob(json.dumps({"a": "x" * 10_000}).encode(), "application/vnd.oci.image.config.v1+json")
    text = [json.dumps({"config": config, "layers": [], "number": number}).encode() for number in range(300)]
    images = [layout.blob(found, "application/vnd.oci.image.manifest.v1+json") for found in text]
    monkeypatch.setattr(blobs, "LARGEST_RATIO", 3)
    assert "unpacks to more than 3 times its size" in refused(read_layout, layout.finish(*images))


def test_more_layers_than_any_engine_takes(layout):
    """Their number has a limit, and none of them is read first."""
    manifest = layout.image([LAYER] * 513)
    (layout.root / "blobs" / digest(gzip.compress(LAYER, mtime=0)).replace(":", "/")).unlink()
    path = layout.finish(manifest)
    assert "it has 513 layers" in refused(read_layout, path)
    assert "it has 513 layers" in refused(lambda: list(layer_streams(path, manifest["digest"])))


def test_many_links_to_files_in_other_layers(layout, counted):
    """However many hard links lead out of the state, each layer is read twice more at most."""
    numbers = range(50)
    layers = (
        tar(Member(f"data/{number}", content=b"1") for number in numbers),
        tar(Member(f"more/{number}", "link", target=f"data/{number}") for number in numbers),
        tar(Member(f"{STATE}/a/{number}", "link", target=f"more/{number}") for number in numbers),
    )
    path = layout.finish(layout.image(layers))
    read = counted(oci_layout, "read_files")
    [image] = read_layout(path)
    assert image.states[0].directories["a"].files == 50
    assert len(read) <= 2 * len(layers)
