"""Reading the state in tar archives and stacks of layers."""

from __future__ import annotations

import io
import tarfile

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from statebake.model.tree import summarize_dir
from statebake.verify.layers import StateTree
from statebake.verify.tar import look_at_tar, read_layer, read_tar
from support.layers import Member, tar
from support.trees import write_tree

STATE = "app/defs/.local_defs_state"


def read(*members: Member, root: str = "", form: int = tarfile.PAX_FORMAT):
    return read_tar(io.BytesIO(tar(members, form=form)), "app:1", root=root)


def stacked(*layers):
    """Return the state directories that a stack of layers leaves."""
    tree = StateTree("an image", "app:1")
    for number, members in enumerate(layers):
        tree.layer = number
        read_layer(tree, io.BytesIO(tar(members)))
    return tree


def refused(call, *parts, **options) -> str:
    with pytest.raises(StatebakeError) as caught:
        call(*parts, **options)
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    if "its state has a symbolic link" in caught.value.message:
        assert caught.value.next_step == "put a copy of the file in its place, and make the artifact again"
    return caught.value.message


def names(states) -> dict[str, int]:
    """Return how many files each key directory of the one state directory has."""
    [state] = states
    return {name: summary.files for name, summary in state.directories.items()}


def test_a_sound_archive(tmp_path, build):
    """Every key is digested as in the work tree, whatever lies around it."""
    root = write_tree(tmp_path / "key", {"state": "1", "project/a": "2"})
    record = build.record("Dbt[a]", digest=summarize_dir(root).digest).without_volatile()
    manifest = Manifest(project="shop", tool="t", host="h", revision=None, keys=(record,))
    [state] = read(
        Member("./app/", "dir"),
        Member("app/x.py", content=b"1"),
        Member(f"{STATE}/", "dir"),
        Member(f"{STATE}/Dbt__a__/project/a", content=b"2"),
        Member(f"{STATE}/Dbt__a__/state", content=b"1"),
        Member(f"{STATE}/Dbt__a__/.statebake.json", content=b"{}"),
        Member(f"{STATE}/statebake-manifest.json", content=manifest.dumps().encode()),
        Member(f"{STATE}/.gitignore", content=b"*"),
        Member("usr/bin/x", "symlink", target="y"),
    )
    assert (state.path, state.manifest, state.has_ignore_file, state.unexpected) == (f"/{STATE}", manifest, True, ())
    assert state.keys[0].summary.digest == record.digest


def test_state_without_a_manifest(build):
    """The keys are those of the records; a directory without a record, or with another key's, is named."""
    record = build.record("a")
    text = __import__("json").dumps(record.to_json()).encode()
    [state] = read(
        Member(f"{STATE}/a/state", content=b"1"),
        Member(f"{STATE}/a/.statebake.json", content=text),
        Member(f"{STATE}/b/state", content=b"1"),
        Member(f"{STATE}/c/.statebake.json", content=text),
    )
    assert state.manifest is None
    assert [key.record.key for key in state.keys] == ["a"]
    assert state.unexpected == ("b", "c")
    assert set(state.directories) == {"a", "b", "c"}


def test_the_part_of_an_archive(tmp_path):
    """An archive of the directory alone is read with the path that it comes from."""
    [state] = read(Member(".local_defs_state/a/state", content=b"1"), root="/app/defs")
    assert state.path == f"/{STATE}"


def test_long_names_of_both_formats():
    """Names longer than tar's own field come through, in the pax format and in GNU's."""
    name = f"{STATE}/a/{'x' * 120}/{'y' * 120}"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        [state] = read(Member(name, content=b"1"), Member(f"{STATE}/a/state", content=b"1"), form=form)
        assert state.directories["a"].files == 2


def test_hard_links():
    """A hard link inside of the state has its target's content; one that leads nowhere is refused."""
    once, twice = (
        read(Member(f"{STATE}/a/state", content=b"1"), other)
        for other in (
            Member(f"{STATE}/a/x", content=b"1"),
            Member(f"{STATE}/a/x", "link", target=f"{STATE}/a/state"),
        )
    )
    assert once == twice
    assert "is a hard link to 'elsewhere'" in refused(
        read, Member("elsewhere", content=b"1"), Member(f"{STATE}/a/x", "link", target="elsewhere")
    )


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (Member(f"{STATE}/a/x", "symlink", target="state"), "a symbolic link"),
        (Member(STATE, "symlink", target="/other"), "a symbolic link"),
        (Member(f"{STATE}/a/x", "fifo"), "no regular file"),
        (Member(f"{STATE}/../x", content=b"1"), "leaves it"),
        (Member("../x"), "leaves it"),
        (Member(f"{STATE}/a/new\nline"), "a name that no state has"),
    ],
)
def test_what_is_no_state(member, why):
    """Links, special files, and names that leave or that lie are refused."""
    assert why in refused(read, member)


def test_two_entries_of_one_name():
    """Of two files of one name different readers might take different ones."""
    two = [Member(f"{STATE}/a/state", content=text) for text in (b"1", b"2")]
    assert "two entries" in refused(read, *two)


def test_behind_a_symbolic_link():
    """State that lies behind a link is seen by some engines and not by others."""
    members = (Member("app", "symlink", target="other"), Member(f"{STATE}/a/state", content=b"1"))
    assert "goes through 'app'" in refused(read, *members)


@pytest.mark.parametrize("cut", [100, 600, 1100])
def test_a_damaged_archive(cut):
    """An archive that ends too early is refused, not read as a smaller one."""
    whole = tar([Member(f"{STATE}/a/state", content=b"1" * 1000)])
    assert "cannot be read as a tar archive" in refused(read_tar, io.BytesIO(whole[:cut]), "app:1")


def test_finding_state_directories():
    """Only the outermost of nested ones is named."""
    archive = tar(
        [Member("a/.local_defs_state/k/.local_defs_state/x"), Member("b/.local_defs_state", "dir"), Member("c")]
    )
    assert look_at_tar(io.BytesIO(archive), "x")[0] == ("/a/.local_defs_state", "/b/.local_defs_state")


def test_a_layer_hides():
    """Whiteouts take away what lies below, wherever they stand in the layer, and nothing of the layer itself."""
    lower = [Member(f"{STATE}/{key}/state", content=b"1") for key in "abc"]
    assert names(stacked(lower, [Member(f"{STATE}/.wh.a")]).states()) == {"b": 1, "c": 1}
    assert names(stacked(lower, [Member("app/.wh.defs"), Member(f"{STATE}/d/state")]).states()) == {"d": 1}
    assert names(stacked(lower, [Member(f"{STATE}/d/state"), Member(f"{STATE}/.wh..wh..opq")]).states()) == {"d": 1}
    assert stacked(lower, [Member(".wh.app")]).states() == ()
    assert stacked(lower, [Member(".wh..wh..opq")]).states() == ()


def test_a_layer_replaces():
    """A file in place of a directory hides all below it; a directory in place of a file takes its place."""
    lower = [Member(f"{STATE}/a/state", content=b"1"), Member(f"{STATE}/a/x/y", content=b"1")]
    assert names(stacked(lower, [Member(f"{STATE}/a/x", content=b"2")]).states()) == {"a": 2}
    assert stacked(lower, [Member("app", content=b"2")]).states() == ()
    upper = [Member(f"{STATE}/a/state", "dir"), Member(f"{STATE}/a/state/z", content=b"1")]
    assert names(stacked(lower, upper).states()) == {"a": 2}
    assert names(stacked(lower, [Member(f"{STATE}/a/state", content=b"22")]).states()) == {"a": 2}


def test_who_may_pass_and_read():
    """What not everybody may pass or read is told with its owner, as the last layer left it."""
    lower = [
        Member("root/", "dir", mode=0o700),
        Member("opened/", "dir", mode=0o700),
        Member("app/", "dir", mode=0o711),
        Member("app/defs.yaml", content=b"1", mode=0o600),
        Member("app/x.py", content=b"1", mode=0o600),
    ]
    assert look_at_tar(io.BytesIO(tar([*lower, Member(f"{STATE}/a/state", content=b"1")])), "app:1")[1].closed == {
        "/root": 0,
        "/opened": 0,
        "/app/defs.yaml": 0,
    }
    tree = stacked(lower, [Member("opened/", "dir", mode=0o755)])
    assert tree.surroundings().closed == {"/root": 0, "/app/defs.yaml": 0}


def test_more_closed_directories_than_any_image_has(monkeypatch):
    """What is remembered of an image has a limit."""
    monkeypatch.setattr("statebake.verify.layers._MOST_NODES", 2)
    members = [Member(f"{number}/", "dir", mode=0o700) for number in range(3)]
    assert "more than 2 directories" in refused(stacked, members)


def test_a_link_that_a_layer_takes_away():
    """What would be refused does no harm where a later layer has something else in its place."""
    lower = [Member(f"{STATE}/a/x", "symlink", target="y"), Member("srv", "symlink", target="app")]
    upper = [Member(f"{STATE}/a/.wh.x"), Member(f"{STATE}/a/state"), Member(".wh.srv"), Member(f"srv/{STATE}/b/state")]
    assert [state.path for state in stacked(lower, upper).states()] == [f"/{STATE}", f"/srv/{STATE}"]


def test_which_layer_the_state_is_in():
    """It is the topmost that brought a file of it."""
    tree = stacked([Member(f"{STATE}/a/state")], [Member(f"{STATE}/b/state")], [Member("x")])
    assert tree.layer_of(f"/{STATE}") == 1
    assert tree.layer_of("/x/.local_defs_state") is None


def test_whiteouts_are_names_elsewhere():
    """In an archive of a file system a file may be called so."""
    [state] = read(Member(f"{STATE}/a/state"), Member(f"{STATE}/a/.wh.state", content=b"1"))
    assert state.directories["a"].files == 2


class _Endless(io.RawIOBase):
    """An archive with one large file, of which nothing is kept."""

    def __init__(self, size: int) -> None:
        info = tarfile.TarInfo(f"{STATE}/a/state")
        info.size = size
        self.parts = iter([info.tobuf(), *[bytes(1 << 16)] * (size >> 16), bytes(1024)])
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self.rest:
            part = next(self.parts, None)
            if part is None:
                return b""
            self.rest = part
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken


def test_constant_memory():
    """The size of a file does not show in the memory that reading it takes."""
    import tracemalloc

    tracemalloc.start()
    try:
        [state] = read_tar(_Endless(64 << 20), "x")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert state.directories["a"].bytes == 64 << 20
    assert peak < 8 << 20
