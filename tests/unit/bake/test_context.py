"""What of a build context is sent, and what makes it large."""

from __future__ import annotations

import os

import pytest

from statebake.bake.image.context import find_ignore_file, read_context, read_rules, walk_context
from statebake.bake.image.ignore_rules import parse_rules
from statebake.errors import Code, StatebakeError
from support.trees import write_tree


def sparse(root, sizes):
    """Make files of these sizes, which take no room."""
    for name, size in sizes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.truncate(path, size)
    return root


def sent(root, text="", only=None):
    return sorted(file.path for file in walk_context(root, parse_rules(text), only))


def test_the_ignore_file_of_the_dockerfile_comes_first(tmp_path):
    """``<Dockerfile>.dockerignore`` is taken before the context's own, wherever the Dockerfile is."""
    context, elsewhere = tmp_path / "context", tmp_path / "elsewhere"
    write_tree(tmp_path, {"context/a": "", "elsewhere/.dockerignore": "", "elsewhere/Dockerfile.app": ""})
    assert find_ignore_file(context, elsewhere / "Dockerfile.app") is None
    write_tree(context, {".dockerignore": ""})
    assert find_ignore_file(context, elsewhere / "Dockerfile.app") == context / ".dockerignore"
    write_tree(elsewhere, {"Dockerfile.app.dockerignore": ""})
    assert find_ignore_file(context, elsewhere / "Dockerfile.app") == elsewhere / "Dockerfile.app.dockerignore"


def test_an_ignore_file_that_is_a_link(tmp_path):
    """A link is followed as if its directory were the whole machine; a directory is no ignore file."""
    context = write_tree(tmp_path / "context", {"rules": "a", "b/more": "b"})
    write_tree(tmp_path, {"outside": "a"})
    (context / "b/link").symlink_to("../rules")
    ignore = context / ".dockerignore"
    for target, found in (
        ("rules", context / "rules"),
        ("../rules", context / "rules"),
        ("/rules", context / "rules"),
        ("b/link", context / "rules"),
        ("../outside", None),
        (tmp_path / "outside", None),
        ("gone", None),
        (".dockerignore", None),
        ("b", None),
    ):
        ignore.symlink_to(target)
        assert find_ignore_file(context, context / "Dockerfile") == found, target
        ignore.unlink()
    ignore.mkdir()
    assert find_ignore_file(context, context / "Dockerfile") is None


def test_reading_rules(tmp_path):
    """Without a file there are no rules; one that is not UTF-8 has rules; a bad line is told by the name given."""
    assert read_rules(None).rules == ()
    file = tmp_path / ".dockerignore"
    file.write_bytes(b"\xef\xbb\xbfa\r\n\xff\n")
    assert [rule.pattern for rule in read_rules(file).rules] == ["a", "\udcff"]
    file.write_bytes(b"!\n")
    with pytest.raises(StatebakeError) as caught:
        read_rules(file, "x/.dockerignore")
    assert caught.value.where == "x/.dockerignore:1"
    assert caught.value.code is Code.BAD_SETTING


def test_what_is_sent(tmp_path):
    """What no rule keeps out is sent, also out of a directory that is kept out itself."""
    write_tree(tmp_path, {"a": "1", "b/c": "2", "b/d/e": "3", ".venv/x": "", "src/k.py": ""})
    assert sent(tmp_path) == [".venv/x", "a", "b/c", "b/d/e", "src/k.py"]
    assert sent(tmp_path, "**/.*\nb\n!b/d\n") == ["a", "b/d/e", "src/k.py"]
    assert sent(tmp_path, "*\n!**/*.py") == ["src/k.py"]


def test_only_what_is_copied(tmp_path):
    """Of a context only the paths that are copied are sent; the context itself is all of it."""
    write_tree(tmp_path, {"a": "", "ab": "", "b/c/d": "", "b/cd": ""})
    assert sent(tmp_path, "", ["a", "b/c/"]) == ["a", "b/c/d"]
    assert sent(tmp_path, "b", ["b/c/d"]) == []
    assert sent(tmp_path, "", []) == []
    assert sent(tmp_path, "", ["a", "."]) == ["a", "ab", "b/c/d", "b/cd"]


def test_links(tmp_path):
    """A link is sent as a link, without what it points to; a second name of a file costs nothing."""
    context = sparse(tmp_path / "context", {"a": 1000})
    sparse(tmp_path / "other", {"b": 5000})
    (context / "link").symlink_to("../other")
    (context / "round").symlink_to(".")
    (context / "again").hardlink_to(context / "a")
    listing = read_context(context, parse_rules(""))
    assert sent(context) == ["a", "again", "link", "round"]
    assert (listing.files, listing.bytes) == (4, 1000)


def test_what_is_nearly_all_of_a_directory_is_named_instead(tmp_path):
    """The largest parts are named where they are, large single files too, but known directories as a whole."""
    sparse(
        tmp_path,
        {
            "data/raw/2024/a": 2_000_000,
            "data/raw/2025/b": 2_100_000,
            "data/small": 1000,
            ".venv/lib/python3.12/site-packages/torch.so": 600_000,
            "dump.sql": 900_000,
            "src/app.py": 100,
        },
    )
    listing = read_context(tmp_path, parse_rules(""))
    assert listing.bytes == 5_601_100
    assert [(part.path, part.bytes) for part in listing.largest] == [
        ("data/raw", 4_100_000),
        ("dump.sql", 900_000),
        (".venv", 600_000),
    ]
    assert [part.path for part in read_context(tmp_path, parse_rules("data\n.venv"), ["src"]).largest] == ["src/app.py"]


def test_an_empty_context(tmp_path):
    """Nothing is nothing."""
    listing = read_context(tmp_path, parse_rules(""))
    assert (listing.files, listing.bytes, listing.largest) == (0, 0, ())


def test_a_directory_that_cannot_be_read(tmp_path, monkeypatch):
    """What cannot be read is the engine's to complain about."""
    write_tree(tmp_path, {"a": "", "b/c": ""})
    scan = os.scandir

    def refuse(path):
        if path == tmp_path / "b":
            raise PermissionError
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert sent(tmp_path) == ["a"]
