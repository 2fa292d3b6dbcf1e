"""Walking a key directory: what is content, what is refused, what the digest depends on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.normalize import normalize
from statebake.model.tree import list_files, summarize, summarize_dir
from support.trees import write_tree


def refused(root: Path) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        list_files(root)
    assert caught.value.code is Code.FOREIGN_FILE
    with pytest.raises(StatebakeError):
        normalize(root)
    return caught.value


def test_the_digest_is_that_of_sha256sum(tmp_path):
    """The digest is the SHA-256 of ``sha256sum``'s lines, in bytewise order, a backslash escaped."""
    files = {"state/b": "1", "state/a": "", "state/B": "2", "back\\slash": "3", "é": "4", "-x": "5", "state.d/z": "6"}
    write_tree(tmp_path, files)
    lines = b""
    for name in sorted(files, key=str.encode):
        escaped = name.replace("\\", "\\\\")
        mark = "\\" if "\\" in name else ""
        lines += f"{mark}{hashlib.sha256(files[name].encode()).hexdigest()}  {escaped}\n".encode()
    summary = summarize_dir(tmp_path)
    assert summary.digest == "sha256:" + hashlib.sha256(lines).hexdigest()
    assert (summary.files, summary.bytes, summary.empty) == (7, 6, None)
    assert [file.path for file in list_files(tmp_path)] == sorted(files, key=str.encode)


def test_the_digest_is_pinned(tmp_path):
    """The digest of one tree is this for ever: recorded state would not be recognised any more."""
    write_tree(tmp_path, {"state": "hello\n", "project/manifest.json": "{}"})
    assert summarize_dir(tmp_path).digest == PINNED


PINNED = "sha256:a8bb0c4c1239ba90b4ef27c3008f325f0a94b540e20071888161ec52d61d756f"


def test_the_digest_knows_content_and_names_only(tmp_path):
    """Times, modes, empty directories and the record do not change the digest; a name or a byte does."""
    one, other = (write_tree(tmp_path / name, {"state/a": "1", "b": "2"}) for name in ("one", "other"))
    before = summarize_dir(one)
    os.utime(other / "b", (1, 1))
    (other / "b").chmod(0o400)
    (other / "state").chmod(0o700)
    (other / "empty/deeper").mkdir(parents=True)
    (other / ".statebake.json").write_text("{}")
    assert summarize_dir(other) == before
    (other / "b").chmod(0o600)
    (other / "b").write_text("3")
    assert summarize_dir(other).digest != before.digest
    (one / "b").rename(one / "c")
    assert summarize_dir(one).digest != before.digest


def test_only_the_keys_own_record_is_no_content(tmp_path):
    """A file called like the record deeper down is the component's, and is digested."""
    write_tree(tmp_path, {"state/a": "1", ".statebake.json": "{}", "state/.statebake.json": "{}"})
    assert [file.path for file in list_files(tmp_path)] == ["state/.statebake.json", "state/a"]


def test_a_tree_and_an_archive_are_digested_alike(tmp_path):
    """Files from anywhere that can be opened give the summary of the directory."""
    write_tree(tmp_path, {"state": "s", "project/a": "1"})
    from_elsewhere = [(file.path, file.size, file.source.open) for file in list_files(tmp_path)]
    opened = [(path, size, lambda opener=opener: opener("rb")) for path, size, opener in from_elsewhere]
    assert summarize(opened, state_is_dir=False) == summarize_dir(tmp_path)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"state": ""}, "an empty marker with no content beside it"),
        ({"state": "", "project/empty.sql": ""}, "an empty marker with no content beside it"),
        ({"state": "", ".statebake.json": "{}"}, "an empty marker with no content beside it"),
        ({"other": "1"}, "has no `state`"),
        ({}, "has no `state`"),
        ({"state": "", "project/manifest.json": "{}"}, None),
        ({"state": "1"}, None),
        ({"state/": "", "project/manifest.json": "{}"}, "an empty directory"),
        ({"state/": ""}, "an empty directory"),
        ({"state/a": ""}, None),
        ({"state/a": "1"}, None),
    ],
)
def test_what_is_no_content(tmp_path, files, why):
    """A missing or empty ``state`` is no content, but dbt's 0-byte marker is where its project is beside it."""
    for name in files:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
    write_tree(tmp_path, {name: text for name, text in files.items() if not name.endswith("/")})
    empty = summarize_dir(tmp_path).empty
    assert empty is None if why is None else why in empty


def test_links_inside_count_as_files(tmp_path):
    """A link that stays inside, relative or absolute, to a file or a directory, is what it points to."""
    write_tree(tmp_path / "linked", {"state/a": "1", "state/deep/b": "2"})
    plain = {
        f"{top}/{name}": text for top in ("state", "d") for name, text in [("a", "1"), ("c", "1"), ("deep/b", "2")]
    }
    write_tree(tmp_path / "plain", plain)
    (tmp_path / "linked/state/c").symlink_to("a")
    (tmp_path / "linked/d").symlink_to(tmp_path / "linked/state")
    assert summarize_dir(tmp_path / "linked") == summarize_dir(tmp_path / "plain")


def test_a_link_out_and_back_in_is_inside(tmp_path):
    """Only where a link ends counts."""
    write_tree(tmp_path / "key", {"state": "1"})
    (tmp_path / "key/again").symlink_to("../key/state")
    assert [file.path for file in list_files(tmp_path / "key")] == ["again", "state"]


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "../outside/file", "../key2/x", ".."])
def test_a_link_that_leaves_is_refused(tmp_path, target):
    """A link out of the key directory is refused, also to a directory whose name begins alike."""
    write_tree(tmp_path, {"key/state": "1", "outside/file": "2", "key2/x": "3"})
    (tmp_path / "key/link").symlink_to(target)
    error = refused(tmp_path / "key")
    assert f"a symbolic link that leaves the key directory, to {target}" in error.message
    assert error.where == str(tmp_path / "key/link")


def test_a_link_through_a_link_that_leaves_is_refused(tmp_path):
    """A link is followed to its end."""
    write_tree(tmp_path, {"key/state": "1", "outside": "2"})
    (tmp_path / "key/a").symlink_to("b")
    (tmp_path / "key/b").symlink_to("../outside")
    assert "leaves" in refused(tmp_path / "key").message


@pytest.mark.parametrize(
    ("target", "why"), [("missing", "to nothing"), ("link", "a loop"), (".", "back to one of its own parents")]
)
def test_a_link_to_nothing_or_round_in_a_circle_is_refused(tmp_path, target, why):
    """A link that dangles, points at itself, or at a parent, is refused, and told apart."""
    write_tree(tmp_path, {"state": "1"})
    (tmp_path / "link").symlink_to(target)
    assert why in refused(tmp_path).message


@pytest.mark.parametrize("links", [{"a": "b", "b": "a"}, {"a": "deep/b", "deep/b": "../a/x"}, {"a": "../key/a"}])
def test_links_that_lead_to_one_another_are_a_loop(tmp_path, links):
    """A loop is called one, however many links it has."""
    root = write_tree(tmp_path / "key", {"state": "1", "deep/x": "2"})
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert "a loop of symbolic links" in refused(root).message


def test_a_link_out_to_a_loop_is_a_loop(tmp_path):
    """A loop with one foot outside leads nowhere either."""
    root = write_tree(tmp_path / "key", {"state": "1"})
    (root / "a").symlink_to("../b")
    (tmp_path / "b").symlink_to("key/a")
    assert "a loop" in refused(root).message


@pytest.mark.parametrize("deeper", ["", "project/"])
def test_a_large_sparse_file_is_refused_unread(tmp_path, deeper):
    """A file of a terabyte without content is refused by its path; reading it would take hours."""
    path = tmp_path / f"{deeper}state"
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        stream.truncate(1_100_000_000_000)
    error = refused(tmp_path)
    assert "a sparse file of 1.1 TB" in error.message
    assert error.where == str(path)


def test_a_small_sparse_file_is_a_file(tmp_path):
    """Databases leave small holes; they are read as zeros."""
    with (tmp_path / "state").open("wb") as stream:
        stream.truncate(1 << 20)
    assert summarize_dir(tmp_path).bytes == 1 << 20


def test_few_blocks_without_a_hole_are_no_sparse_file(tmp_path, monkeypatch):
    """A compressed file has few blocks too, and is read."""
    monkeypatch.setattr("statebake.model.tree.SPARSE_BYTES", 1 << 16)
    (tmp_path / "state").write_bytes(b"x" * (1 << 17))
    os.truncate(tmp_path / "state", 1 << 22)
    assert "a sparse file of 4.2 MB" in refused(tmp_path).message
    monkeypatch.setattr(os, "lseek", lambda descriptor, start, how: 1 << 22)
    assert summarize_dir(tmp_path).bytes == 1 << 22


def test_a_fifo_is_refused_at_once(tmp_path):
    """A FIFO is refused by its path without being opened, which would wait for ever."""
    os.mkfifo(tmp_path / "state")
    error = refused(tmp_path)
    assert "a FIFO" in error.message
    assert error.where == str(tmp_path / "state")


def test_a_socket_is_refused(tmp_path, monkeypatch):
    """A socket is refused."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind("state")
        assert "a socket" in refused(tmp_path).message


def test_a_link_to_a_fifo_is_refused(tmp_path):
    """What a link points to must be a regular file as well."""
    write_tree(tmp_path, {"state": "1"})
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").symlink_to("fifo")
    assert "a FIFO" in refused(tmp_path).message


@pytest.mark.parametrize("name", [b"new\nline", b"tab\tbed", b"del\x7f", b"nel\xc2\x85", b"latin\xe9", b"cr\r"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_names_that_cannot_be(tmp_path, name, kind):
    """A name that an archive or a checksum list cannot carry is refused, and shown without its odd bytes."""
    path = tmp_path / os.fsdecode(name)
    if kind == "directory":
        path.mkdir()
    else:
        path.write_text("1")
    error = refused(tmp_path)
    assert "name" in error.message
    assert error.where.isprintable()
    error.where.encode()
