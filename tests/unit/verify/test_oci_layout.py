"""Reading the state in OCI image layouts."""

from __future__ import annotations

import json
import os
import sys

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import is_layout, read_layout
from support.layers import LayoutMaker, Member, digest, tar

STATE = "app/.local_defs_state"
LAYERS = (
    tar([Member("etc/os-release", content=b"x"), Member(f"{STATE}/old/state", content=b"1")]),
    tar([Member(f"{STATE}/.wh..wh..opq"), Member(f"{STATE}/a/state", content=b"2")]),
    tar([Member("tmp/x", content=b"3")]),
)


@pytest.fixture
def layout(tmp_path):
    """A layout that is to be filled."""
    return LayoutMaker(tmp_path / "layout")


def refused(path) -> str:
    with pytest.raises(StatebakeError) as caught:
        read_layout(path)
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    assert str(path) in caught.value.where
    return caught.value.message


def blob_of(path, descriptor):
    return path / "blobs" / descriptor["digest"].replace(":", "/")


@pytest.mark.parametrize("zipped", [True, False])
def test_an_image(layout, tmp_path, zipped):
    """A directory and a tar archive of one give the same: the layers applied, and the one that has the state."""
    history = [
        {"created_by": "ADD rootfs"},
        {"created_by": "ENV A=b", "empty_layer": True},
        {"created_by": "COPY state /app # buildkit"},
        {"created_by": "RUN /bin/sh -c true # buildkit"},
    ]
    manifest = layout.image(
        LAYERS, zipped=zipped, history=history, created="2026-01-01T00:00:00Z", config={"Labels": {"a": "b"}}
    )
    path = layout.finish(manifest)
    [image] = read_layout(path)
    assert (image.facts.id, image.facts.platform, image.facts.labels) == (manifest["digest"], "linux/amd64", {"a": "b"})
    assert [state.path for state in image.states] == [f"/{STATE}"]
    assert list(image.states[0].directories) == ["a"]
    assert image.layers == {f"/{STATE}": 1}
    assert [layer.instruction for layer in image.facts.layers] == ["ADD rootfs", "COPY state /app", "RUN true"]
    [packed] = read_layout(layout.as_tar(tmp_path / "layout.tar"))
    assert (packed.states[0].directories, packed.layers) == (image.states[0].directories, image.layers)
    assert is_layout(path)
    assert is_layout(tmp_path / "layout.tar")


def test_several_platforms(layout):
    """An index gives one image for each platform; attestations and what is no image are left out."""
    one, other = layout.image(LAYERS), layout.image(LAYERS[:1], arch="arm64")
    attestation = {**layout.image(()), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    chart = layout.blob(
        json.dumps({"config": layout.blob(b"{}", "application/vnd.cncf.helm.config.v1+json"), "layers": []}).encode(),
        "application/vnd.oci.image.manifest.v1+json",
    )
    images = read_layout(layout.finish(layout.index(one, other, attestation), chart, one))
    assert [image.facts.platform for image in images] == ["linux/amd64", "linux/arm64"]
    assert [list(image.states[0].directories) for image in images] == [["a"], ["old"]]


def test_hard_links_to_other_files(layout):
    """A hard link may lead out of the state, into its own layer or one below, and to another link."""
    layers = (
        tar([Member("data/one", content=b"1"), Member("data/two", "link", target="data/one")]),
        tar([Member("other", content=b"2"), Member(f"{STATE}/a/state", "link", target="other")]),
        tar([Member(f"{STATE}/a/more", "link", target="data/two")]),
    )
    plain = tar([Member(f"{STATE}/a/state", content=b"2"), Member(f"{STATE}/a/more", content=b"1")])
    one, other = layout.image(layers), layout.image((plain,))
    linked, copied = read_layout(layout.finish(one, other))
    assert linked.states[0].directories == copied.states[0].directories
    lost = layout.image((tar([Member(f"{STATE}/a/state", "link", target="gone")]),))
    assert "which is not there" in refused(layout.finish(lost))


def test_blobs_are_verified(layout):
    """A blob with other content than its digest says is refused, be it JSON or a layer."""
    manifest = layout.image(LAYERS)
    path = layout.finish(manifest)
    blob = blob_of(path, manifest)
    blob.write_bytes(blob.read_bytes() + b" ")
    assert "other content than its digest" in refused(path)
    layer = layout.blob(tar([Member(f"{STATE}/b/state")]), "x")
    image = layout.image(LAYERS[:1], zipped=False)
    blob_of(path, {"digest": digest(LAYERS[0])}).write_bytes(blob_of(path, layer).read_bytes())
    assert "other content than its digest" in refused(layout.finish(image))


def test_a_layer_that_unpacks_to_something_else(layout):
    """The configuration's digest of a layer, by which engines know it, is checked as well."""
    manifest = layout.image(LAYERS[:1], rootfs={"type": "layers", "diff_ids": [digest(b"x")]})
    assert "other content than its digest" in refused(layout.finish(manifest))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: (path / "index.json").write_text("{"), "index.json is not JSON"),
        (lambda path: (path / "index.json").write_text("[]"), "no JSON object"),
        (lambda path: (path / "index.json").write_text('{"manifests": []}'), "it has no image"),
        (lambda path: (path / "index.json").unlink(), "no file index.json"),
        (lambda path: (path / "index.json").write_text('{"manifests": [{"digest": "../../x"}]}'), "is no digest"),
        (
            lambda path: (path / "index.json").write_text(f'{{"manifests": [{{"digest": "sha256:{"0" * 64}"}}]}}'),
            "it has no file blobs/sha256/0000",
        ),
    ],
)
def test_a_broken_layout(layout, change, why):
    """What is missing or cannot be read is named."""
    path = layout.finish(layout.image(LAYERS))
    change(path)
    assert why in refused(path)


def test_numbers_that_disagree(layout):
    """Layers and digests must be as many."""
    manifest = layout.image(LAYERS, rootfs={"type": "layers", "diff_ids": [digest(LAYERS[0])]})
    assert "3 layers, and the digests of 1" in refused(layout.finish(manifest))


def test_indexes_in_indexes(layout):
    """A few levels are read; an endless descent is not possible."""
    found = layout.image(LAYERS)
    for _ in range(3):
        found = layout.index(found)
    assert len(read_layout(layout.finish(found))) == 1
    for _ in range(5):
        found = layout.index(found)
    assert "nested too deeply" in refused(layout.finish(found))


def test_archives_that_are_no_layout(tmp_path):
    """Another tar archive is told by what it lacks; what an old docker writes, by what to do."""
    (tmp_path / "a.tar").write_bytes(tar([Member("x")]))
    assert "no file oci-layout" in refused(tmp_path / "a.tar")
    (tmp_path / "b.tar").write_bytes(tar([Member("manifest.json", content=b"[]")]))
    assert "skopeo copy" in refused(tmp_path / "b.tar")
    (tmp_path / "c.tar").write_bytes(tar([Member("oci-layout"), Member("index.json"), Member("./index.json")]))
    assert "two entries" in refused(tmp_path / "c.tar")


def test_zstd(layout, monkeypatch):
    """A layer that this Python cannot unpack is told, with what can."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    packed = b"\x28\xb5\x2f\xfd" + b"0" * 20
    manifest = layout.image((packed,), zipped=False)
    assert "zstandard" in refused(layout.finish(manifest))


@pytest.mark.parametrize(
    "index",
    ['{"manifests": [3]}', '{"manifests": {"a": 1}}', '{"manifests": [{"digest": 5, "annotations": []}]}', "[]"],
)
def test_json_that_is_no_layout(tmp_path, index):
    """JSON of other types than the specification's is refused, not stumbled over."""
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (tmp_path / "index.json").write_text(index)
    refused(tmp_path)


def test_a_fifo_in_a_layout(tmp_path):
    """What is no regular file is as good as missing; opening it might never end."""
    (tmp_path / "oci-layout").write_text("{}")
    os.mkfifo(tmp_path / "index.json")
    assert "it has no file index.json" in refused(tmp_path)
    os.mkfifo(tmp_path / "image.tar")
    assert "it is no file and no directory" in refused(tmp_path / "image.tar")


def test_a_layer_that_unpacks_to_too_much(layout):
    """Zeros that unpack to a thousand times their size are not read to their end."""
    bomb = tar([Member("zeros", content=bytes(300 << 20))])
    assert "unpacks to more than 100 times its size" in refused(layout.finish(layout.image((bomb,))))


def test_what_is_beside_the_state(layout):
    """Declarations, configuration and packages are found where the upper layers have left them."""
    lower = [
        Member("app/pyproject.toml", content=b"[tool.dg.project]"),
        Member("app/dg.toml", content=b"x"),
        Member("app/shop/defs/defs.yaml"),
        Member("app/shop/old/defs.yaml"),
        Member(f"{STATE}/a/state", content=b"1"),
    ]
    upper = [Member("app/.wh.dg.toml"), Member("app/shop/.wh.old"), Member("app/shop/__init__.py")]
    [image] = read_layout(layout.finish(layout.image((tar(lower), tar(upper)))))
    assert image.around.configs == {"/app/pyproject.toml": "[tool.dg.project]"}
    names = {"/app/pyproject.toml", "/app/shop/defs/defs.yaml", "/app/shop/__init__.py"}
    assert image.around.files == names
