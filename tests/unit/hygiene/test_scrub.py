"""Taking credentials out of git's files."""

from __future__ import annotations

import os

import pytest

from statebake.hygiene import scrub
from support.trees import write_tree

URL = "https://user:" + "t0ken" * 4 + "@git.example.com/team/shop.git"
CLEAN = "https://git.example.com/team/shop.git"
CONFIG = '[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/x/*\n{more}'
HEADER = '[http "https://git.example.com/"]\n\textraheader = AUTHORIZATION: basic ' + "QUJD" * 6 + "\n"


def git(url: str, more: str = "") -> dict[str, str]:
    return {
        "project/.git/HEAD": "ref: refs/heads/main\n",
        "project/.git/config": CONFIG.format(url=url, more=more),
        "project/.git/objects/ab/cd": "x",
        "project/.git/FETCH_HEAD": f"{'0' * 40}\t\tbranch 'main' of {url}\n",
        "project/.git/logs/HEAD": f"{'0' * 40} {'1' * 40} A <a@b> 1 +0000\tclone: from {url}\n",
        "project/.gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = {url}\n',
    }


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_remotes(tmp_path):
    """Credentials go from every file in which git writes a remote, and nothing else changes."""
    files = {"state": "{}", "project/models/a.sql": f"-- {URL}\n"}
    write_tree(tmp_path, {**files, **git(URL, HEADER)})
    changed = scrub(tmp_path)
    assert tree(tmp_path) == {**files, **git(CLEAN, '[http "https://git.example.com/"]\n')}
    assert changed == (
        "project/.git/FETCH_HEAD",
        "project/.git/config",
        "project/.git/logs/HEAD",
        "project/.gitmodules",
    )
    assert scrub(tmp_path) == ()


@pytest.mark.parametrize(
    "url",
    [
        "git@git.example.com:team/shop.git",
        "ssh://git@git.example.com/team/shop.git",
        "ssh://git@git.example.com:22/shop.git",
        "git+ssh://git@git.example.com",
    ],
)
def test_ssh_remotes_stay(tmp_path, url):
    """An address of SSH with a user has no secret, and no way in without the user."""
    write_tree(tmp_path, git(url))
    assert scrub(tmp_path) == ()


@pytest.mark.parametrize("user", ["git:", "git@shop:", ""])
def test_passwords_of_ssh_remotes(tmp_path, user):
    """A password goes from an address of SSH too, and so does a user that is longer than a name."""
    write_tree(tmp_path, git(f"ssh://{user}{'t0ken' * 4}{'' if user else '@x'}@git.example.com/shop.git"))
    scrub(tmp_path)
    assert "t0ken" not in "".join(tree(tmp_path).values())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", ["\n\t", " "])
def test_headers_on_several_lines(tmp_path, begin, end):
    """A header goes with the lines that continue it, and the next setting stays."""
    header = f"[http]{begin}extraheader = \\{end}AUTHORIZATION: \\{end}basic {'QUJD' * 6}\\\\{end}\tsslVerify = true\n"
    write_tree(tmp_path, git(CLEAN, header))
    scrub(tmp_path)
    config = (tmp_path / "project/.git/config").read_text()
    assert "QUJD" not in config
    assert "AUTHORIZATION" not in config
    assert config.endswith("\tsslVerify = true\n")


def test_only_git_directories(tmp_path):
    """A file called config elsewhere is not git's."""
    write_tree(tmp_path, {"config": URL, "a/config": URL, "a/HEAD": "x"})
    assert scrub(tmp_path) == ()


def test_a_hard_link_elsewhere(tmp_path):
    """The checkout that state was linked from keeps its own remote."""
    source = tmp_path / "source"
    staged = tmp_path / "staged"
    write_tree(source, git(URL))
    write_tree(staged, git(URL))
    (staged / "project/.git/config").unlink()
    os.link(source / "project/.git/config", staged / "project/.git/config")
    assert "project/.git/config" in scrub(staged)
    assert URL in (source / "project/.git/config").read_text()
    assert URL not in (staged / "project/.git/config").read_text()


def test_odd_trees(tmp_path):
    """No link is followed, no FIFO is opened, and what is no tree is left to others to refuse."""
    outside = tmp_path / "outside"
    write_tree(outside, git(URL))
    staged = tmp_path / "staged"
    write_tree(staged, {"x/.git/HEAD": "", "x/.git/objects/a": ""})
    os.mkfifo(staged / "x/.git/config")
    (staged / "linked").symlink_to(outside)
    (staged / "x/.gitmodules").symlink_to(outside / "project/.gitmodules")
    assert scrub(staged) == ()
    assert tree(outside) == git(URL)
    assert scrub(tmp_path / "nothing") == ()
    (tmp_path / "link").symlink_to(outside)
    assert scrub(tmp_path / "link") == ()
