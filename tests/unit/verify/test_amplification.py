"""Small files that name one thing many times: what reading them costs has a limit, which is counted, not timed."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import sys
import tracemalloc
import zipfile

import pytest

from statebake.errors import Code, StatebakeError
from statebake.verify import blobs, oci_layout, read_files, read_layout
from statebake.verify import files as files_module
from statebake.verify import layers as layers_module
from statebake.verify.layers import StateTree
from statebake.verify.oci_layout import layer_streams
from statebake.verify.surroundings import Surroundings, root_above
from statebake.verify.tar import look_at_tar, read_layer
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

    def read_all():
        for number, stream in layer_streams(path, often["digest"]):
            read.append(number)
            while stream.read(1 << 16):
                pass

    assert "unpacks to more than 100 times its size" in refused(read_all)
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


LONG = [("a/" * 400_000 + "l", "800001 characters"), ("x" * 4097, "4097 characters"), ("é" * 2049, "2049 characters")]
DEEP = ("a/" * 256 + "l", "257 parts")


@pytest.mark.parametrize(("name", "why"), [*LONG, DEEP])
@pytest.mark.parametrize("kind", ["file", "symlink", "link", "dir"])
def test_long_names_in_layers(layout, name, why, kind):
    """A name that no file system takes is refused, whatever has it: a file, a link or a directory."""
    path = layout.finish(layout.image((tar([Member(name, kind, target="x")]),)))
    assert f"a name of {why}" in refused(read_layout, path)
    assert f"a name of {why}" in refused(look_at_tar, io.BytesIO(tar([Member(name, kind, target="x")])), "x")


def test_the_target_of_a_link_is_a_name(layout):
    """So is what a hard link leads to."""
    link = Member(f"{STATE}/a/state", "link", target=DEEP[0])
    assert "a name of 257 parts" in refused(read_layout, layout.finish(layout.image((tar([link]),))))


def test_the_longest_names(layout):
    """What a file system takes is read."""
    name = f"{STATE}/a/" + "x/" * 200 + "y" * 250
    [image] = read_layout(layout.finish(layout.image((tar([Member(name)]),))))
    assert image.states[0].directories["a"].files == 1


def test_long_names_in_an_archive_of_a_layout(tmp_path):
    """The archive that a layout is in has no such names either."""
    (tmp_path / "a.tar").write_bytes(tar([Member("oci-layout"), Member(DEEP[0])]))
    assert "a name of 257 parts" in refused(read_layout, tmp_path / "a.tar")


@pytest.mark.parametrize(("name", "why"), [("a/" * 30_000 + "l", "60001 characters"), *LONG[1:], DEEP])
@pytest.mark.parametrize("kind", ["x.pex", "x.whl", "wheel"])
def test_long_names_in_zip_files(tmp_path, name, why, kind):
    """Nor has a PEX, a wheel, or a wheel in a PEX."""
    info = {"x.whl": "shop-1.dist-info/WHEEL"}.get(kind, "PEX-INFO")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr(name, b"")
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr(info, "{}")
        archive.writestr(*(".deps/a.whl", inner.getvalue()) if kind == "wheel" else (name, b""))
    assert f"a name of {why}" in refused(read_files, tmp_path / "x")


def test_directories_take_no_more_memory_than_files():
    """Files with hundreds of directories above, each of which is known, cost little more than their names."""
    files = frozenset(f"{number}/" + "abcdefghi/" * 250 + "f.py" for number in range(500))
    around = Surroundings(files=files, roots=("", "7"))
    tracemalloc.start()
    try:
        assert around.package_dirs("8/abcdefghi/.local_defs_state") == ("8/abcdefghi",)
        assert around.package_dirs("abcdefghi/.local_defs_state") == ("7/abcdefghi",)
        assert around.package_dirs("8/abcdefgh/.local_defs_state") == ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@contextlib.contextmanager
def traced(module):
    """Give what returns how many lines of a module were run."""
    lines = 0

    def count(frame, event, arg):
        nonlocal lines
        lines += frame.f_code.co_filename == module.__file__
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield lambda: lines
    finally:
        sys.settrace(before)


def stacked(*layers: list[Member]) -> StateTree:
    """Return what a stack of layers leaves."""
    tree = StateTree("an image", "app:1")
    for number, members in enumerate(layers):
        tree.layer = number
        read_layer(tree, io.BytesIO(tar(members)))
    return tree


@pytest.mark.parametrize("hiding", [Member(".wh.d"), Member("d"), Member("d/.wh..wh..opq")])
@pytest.mark.parametrize("same", [True, False])
def test_what_is_hidden_many_times(hiding, same):
    """What a layer hides is gone through once, be it of the same layer or of one below."""
    links = [Member(f"d/{number}", "symlink", target="x") for number in range(200)]
    hidings = [hiding] * 200
    layers = ([*links, *hidings],) if same else (links, hidings)
    with traced(layers_module) as lines:
        tree = stacked(*layers)
    assert (tree.get("d/7") is None) is not same
    assert lines() < 50 * len(links + hidings)


def test_what_one_layer_hides_and_brings():
    """What is hidden more than once in a layer is hidden in the next one as well, with what came between."""
    lower = [Member(f"{STATE}/a/one"), Member(f"{STATE}/a/two")]
    middle = [Member(f"{STATE}/a/.wh..wh..opq"), Member(f"{STATE}/a/three"), Member(f"{STATE}/a/.wh..wh..opq")]
    [state] = stacked(lower, middle).states()
    assert state.directories["a"].files == 1
    [state] = stacked(lower, middle, [Member(f"{STATE}/a/four"), Member(f"{STATE}/a/.wh.three")]).states()
    assert state.directories["a"].files == 1
    assert stacked(lower, middle, [Member("app/.wh..wh..opq"), Member(".wh.app")]).states() == ()


def test_more_directories_than_any_image_has(monkeypatch):
    """What is kept in memory has a limit, whatever it comes from."""
    monkeypatch.setattr(layers_module, "_MOST_NODES", 1000)
    links = [Member(f"{number}/" + "a/" * 100 + "l", "symlink", target="x") for number in range(10)]
    assert "more than 1000 links" in refused(stacked, links)


def test_many_records_that_are_one(monkeypatch):
    """Hard links to one record count as often as they are parsed."""
    monkeypatch.setattr(layers_module, "_LARGEST_TEXTS", 10_000)
    first = Member(f"{STATE}/a/.statebake.json", content=b" " * 1000 + b"{}")
    links = [Member(f"{STATE}/b{number}/.statebake.json", "link", target=first.name) for number in range(20)]
    assert "records have more than 10000 bytes" in refused(lambda: stacked([first, *links]).states())


def test_state_directories_in_state_directories(counted):
    """Those that are nested more deeply than any is are not looked for."""
    deep = [Member(f"{STATE}/" + ".local_defs_state/" * 100 + str(number)) for number in range(20)]
    looked = counted(StateTree, "get")
    stacked(deep).states()
    assert len(looked) <= 4 * len(deep)


def test_dependencies_that_a_pex_only_names(tmp_path):
    """Only those that are there are looked in, and they have a largest number."""
    info = {"distributions": {f"a{number}": "" for number in range(10_000)}}
    names = [f".deps/a{number}/p/.local_defs_state/k/state" for number in range(2)]
    with zipfile.ZipFile(tmp_path / "x.pex", "w") as archive:
        for name, text in {"PEX-INFO": json.dumps(info), **dict.fromkeys(names, "1")}.items():
            archive.writestr(name, text)
    found = read_files(tmp_path / "x.pex")
    assert found.around.roots == ("", ".deps/a0", ".deps/a1")
    with zipfile.ZipFile(tmp_path / "x.pex", "a") as archive:
        for number in range(2, 5_001):
            archive.writestr(f".deps/a{number}/m.py", b"")
    assert "it has 5001 dependencies" in refused(read_files, tmp_path / "x.pex")


@pytest.mark.parametrize(
    ("path", "root"),
    [("a/b/c", "a/b"), ("a/x", "a"), ("a", ""), ("ab/c", ""), ("a/b", "a"), ("/a/b", "")],
)
def test_the_root_above(path, root):
    """It is the deepest one, found by what is above the path and not by going through all roots."""
    asked = []

    class Roots(frozenset):
        def __contains__(self, found):
            asked.append(found)
            return super().__contains__(found)

    assert root_above(path, Roots({"", "a", "a/b", *map(str, range(1000))})) == root
    assert len(asked) <= path.count("/") + 1
    assert root_above("x/y", {"a"}) is None


def test_state_that_several_dependencies_have(tmp_path):
    """Where files are merged, each state directory is looked for among the paths, not found by going through all."""
    count = 200
    roots = ["a", "b"]
    info = {"distributions": dict.fromkeys(roots, ""), "venv": True, "venv_site_packages_copies": True}
    with zipfile.ZipFile(tmp_path / "x.pex", "w") as archive:
        archive.writestr("PEX-INFO", json.dumps(info))
        for root in roots:
            for number in range(count):
                archive.writestr(f".deps/{root}/p{number}/.local_defs_state/k/{root}", root)
    with traced(files_module) as lines:
        found = read_files(tmp_path / "x.pex")
    assert {state.directories["k"].files for state in found.around.merged.values()} == {2}
    assert len(found.around.merged) == count
    assert lines() < 300 * len(roots) * count


def test_a_record_of_many_state_directories(tmp_path, counted):
    """The RECORD of a wheel is parsed once, however many state directories it is of."""
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("shop-1.dist-info/WHEEL", b"")
        archive.writestr("shop-1.dist-info/RECORD", "p0/.local_defs_state/k/state,,\n")
        for number in range(20):
            archive.writestr(f"p{number}/.local_defs_state/k/state", b"1")
    parsed = counted(csv, "reader")
    assert len(read_files(tmp_path / "x.whl").around.unlisted) == 19
    assert len(parsed) == 1
