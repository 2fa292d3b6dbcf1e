"""Pruning a staged key directory: whole trees before and after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.refresh.prune import Pruned, prune
from support.trees import read_tree, write_tree

# What dagster-dbt leaves beside `state`, and what it reads when it loads and runs.
DBT = {
    "state": "",
    "project/dbt_project.yml": "name: shop\nmodel-paths: [models]\n",
    "project/profiles.yml": "shop: {}",
    "project/packages.yml": "packages: []",
    "project/package-lock.yml": "packages: []",
    "project/.gitignore": "*\n!.gitignore\n",
    "project/.dbtignore": "x",
    "project/models/orders.sql": "select 1",
    "project/models/logs/clicks.sql": "select 2",
    "project/models/target/run/x.sql": "select 3",
    "project/seeds/raw.csv": "id",
    "project/target/manifest.json": "{}",
    "project/target/partial_parse.msgpack": "x",
    "project/target/semantic_manifest.json": "{}",
    "project/target/managed_state/manifest.json": "{}",
    "project/dbt_packages/utils/dbt_project.yml": "name: utils",
    "project/dbt_packages/utils/macros/.gitkeep": "",
    "project/dbt_packages/utils/macros/a.sql": "{% macro a() %}",
}
BY_PRODUCTS = {
    "project/.venv/pyvenv.cfg": "home = /usr/bin",
    "project/.venv/lib/python3.12/site-packages/dbt/include/global_project/dbt_project.yml": "name: dbt",
    "project/venv/pyvenv.cfg": "home = /usr/bin",
    "project/venv/bin/python": "x",
    "project/.git/config": "url = https://token@example.com/x",
    "project/logs/dbt.log": "log",
    "project/target/compiled/shop/orders.sql": "select 1",
    "project/target/run/shop/orders.sql": "create table",
    "project/.env": "TOKEN=1",
    "project/.env.local": "TOKEN=2",
    "project/.envrc": "export TOKEN=3",
    "project/.user.yml": "id: 1",
    "project/.DS_Store": "x",
    "project/.ruff_cache/x": "x",
    "project/.vscode/settings.json": "{}",
    "project/dbt_packages/utils/.git": "gitdir: ../x",
    "project/dbt_packages/utils/logs/dbt.log": "log",
    "project/dbt_packages/utils/target/compiled/a.sql": "x",
}


def pruned(root: Path, files: dict[str, str], patterns: list[str], gone: set[str]) -> Pruned:
    """Prune a tree of ``files``, compare all that is left with all but ``gone``, and return the report."""
    write_tree(root, files)
    expected = {name: content for name, content in read_tree(root).items() if name not in gone}
    size = sum(len(content) for name, content in read_tree(root).items() if name in gone)
    report = prune(root, patterns)
    assert read_tree(root) == expected
    assert (report.files, report.bytes) == (len(gone), size)
    assert list(root.parent.iterdir()) == [root]
    return report


@pytest.fixture
def root(tmp_path):
    """Where a staged key directory would be."""
    return tmp_path / "staging" / "key"


def test_the_by_products_of_dbt_go_and_the_rest_stays(root):
    """By default a dbt project and its packages lose what no load or run reads, and nothing else."""
    report = pruned(root, DBT | BY_PRODUCTS, [], set(BY_PRODUCTS))
    assert report.examples == (
        "project/.DS_Store",
        "project/.env",
        "project/.env.local",
        "project/.envrc",
        "project/.git/",
    )


def test_without_by_products_nothing_goes(root):
    """A clean project is as it was, and the report says nothing."""
    assert pruned(root, DBT, [], set()) == Pruned(0, 0, ())


def test_defaults_are_for_dbt_projects_only(root):
    """A key directory without a dbt project keeps what would be a by-product in one."""
    files = {name.replace("dbt_project.yml", "other.yml"): text for name, text in (DBT | BY_PRODUCTS).items()}
    pruned(root, files, [], set())


def test_the_checkout_around_a_project(root):
    """A project that lies deep in a clone of a repository does not keep the clone's credentials."""
    files = {
        "state": "",
        "project/.git/config": "url = https://token@example.com/x",
        "project/.env": "TOKEN=1",
        "project/logs/kept": "1",
        "project/target/run/kept": "1",
        "project/dbt/shop/dbt_project.yml": "name: shop",
        "project/dbt/shop/logs/dbt.log": "log",
        "project/dbt/other/.env": "kept",
    }
    pruned(root, files, [], {"project/.git/config", "project/.env", "project/dbt/shop/logs/dbt.log"})


def test_a_directory_that_looks_like_a_by_product(root):
    """`venv` is a name like any other where there is no virtual environment in it, and so are files of such names."""
    files = {
        "state": "1",
        "dbt_project.yml": "name: shop",
        "venv/models.sql": "1",
        "logs": "a file",
        "target/compiled": "a file",
        ".env/x": "in a directory",
        ".venv": "a file",
    }
    pruned(root, files, [], set())


@pytest.mark.parametrize(
    ("project", "kept"),
    [
        ("model-paths: [logs]", "logs/a.sql"),
        ("model-paths: ['logs/models']", "logs/models/a.sql"),
        ("macro-paths: ['./target/run/']", "target/run/a.sql"),
        ("seed-paths: ['target']", "target/compiled/a.csv"),
        ("packages-install-path: .venv/packages", ".venv/packages/a/x.sql"),
        ("snapshot-paths: logs", "logs/a.sql"),
    ],
)
def test_where_a_project_has_its_sources(root, project, kept):
    """What `dbt_project.yml` names as a place of sources or packages is no by-product."""
    pruned(root, {"state": "", "dbt_project.yml": project, kept: "1", ".git/x": "1"}, [], {".git/x"})


@pytest.mark.parametrize(
    "project",
    [
        "",
        "[]",
        "a: [",
        "'",
        "model-paths: ['.', 1]",
        "model-paths: {a: b}",
        "1: 2",
        "\0",
        "[" * 5000,
        "!!python/object:x",
    ],
)
def test_an_odd_dbt_project_file(root, project):
    """Whatever is in `dbt_project.yml`, pruning goes on: dbt says what is wrong with it."""
    pruned(root, {"state": "", "dbt_project.yml": project, "logs/x": "1"}, [], {"logs/x"})


def test_a_pattern_keeps_what_a_default_removes(root):
    """`!` takes defaults out again, one by one, and what is in them stays."""
    kept = {name for name in BY_PRODUCTS if name.startswith(("project/.venv/", "project/logs/"))} | {"project/.env"}
    patterns = ["!.venv/", "!/project/logs", "!.env"]
    pruned(root, DBT | BY_PRODUCTS, patterns, set(BY_PRODUCTS) - kept)


def test_a_pattern_removes_more(root):
    """Patterns remove what they match, relative to the key directory, from any state."""
    files = {"state/a.tmp": "1", "state/a.json": "2", "state/cache/b": "3", "cache/c": "4", "x/cache": "5", "x/y": "6"}
    report = pruned(
        root, files, ["# junk", "", "*.tmp", "/cache/", "x/*", "!x/y"], {"state/a.tmp", "cache/c", "x/cache"}
    )
    assert report.examples == ("cache/", "state/a.tmp", "x/cache")


def test_a_later_pattern_decides(root):
    """A default that was taken out can be put in again, and the last pattern of all decides."""
    files = {"state": "", "p/dbt_project.yml": "", "p/logs/a": "1", "p/.env": "2"}
    pruned(root, files, ["!logs", "!.env", ".env"], {"p/.env"})


def test_what_is_in_a_removed_directory_cannot_be_kept(root):
    """As in git, a directory that goes takes with it what a later pattern would keep."""
    pruned(root, {"state": "1", "a/b": "2", "a/c": "3"}, ["a/", "!a/b"], {"a/b", "a/c"})


def test_git_ignore_files_in_the_state_mean_nothing(root):
    """Only the user's patterns count: a project ignores its own `target`, where its manifest is."""
    files = {".gitignore": "*\n", "state": "1", "a/.gitignore": "b\n", "a/b": "2"}
    pruned(root, files, [], set())


@pytest.mark.parametrize("pattern", ["*", "state", "/state", "state/", "**", "s*"])
def test_state_itself_stays(root, pattern):
    """No pattern removes `state`, which is what the component was asked for."""
    pruned(root / "file", {"state": "1"}, [pattern], set())
    (root / "directory/state").mkdir(parents=True)
    prune(root / "directory", [pattern])
    assert (root / "directory/state").is_dir()


def test_what_is_in_state_can_go(root):
    """`state` is a place like any other for a pattern about what is in it, also where it is itself a dbt project."""
    files = {"state/dbt_project.yml": "", "state/.git/x": "1", "state/models/a.sql": "2", "state/models/b.sql": "3"}
    pruned(root, files, ["a.sql"], {"state/.git/x", "state/models/a.sql"})


def test_links_are_removed_and_not_followed(root, tmp_path):
    """A link goes where its name goes; what it leads to, inside or outside, stays."""
    outside = write_tree(tmp_path / "outside", {"x/pyvenv.cfg": "1", "x/a.tmp": "2"})
    write_tree(root, {"state": "", "dbt_project.yml": "", "real/x": "3"})
    for name in (".venv", "venv", "logs", "a.tmp", ".env", ".git"):
        (root / name).symlink_to(outside / "x")
    (root / "kept").symlink_to(outside)
    (root / "inside").symlink_to("real")
    assert prune(root, ["*.tmp", "inside"]).files == 7
    assert sorted(path.name for path in root.iterdir()) == ["dbt_project.yml", "kept", "real", "state"]
    assert read_tree(outside) == {"x/pyvenv.cfg": b"1", "x/a.tmp": b"2"}


def test_a_pattern_for_directories_does_not_match_a_link(root):
    """As in git, a link to a directory is no directory."""
    write_tree(root, {"state": "1", "d/x": "2"})
    (root / "link").symlink_to("d")
    prune(root, ["link/"])
    assert (root / "link").is_symlink()


def test_whatever_is_left_there_can_be_removed(root):
    """FIFOs, and directories that cannot be listed or changed, are no hindrance."""
    write_tree(root, {"state": "1", "junk/deep/x": "2", "d/e/a.tmp": "3"})
    os.mkfifo(root / "junk/fifo")
    for name in ("junk/deep", "junk", "d/e", "d"):
        (root / name).chmod(0)
    assert prune(root, ["junk", "*.tmp"]).files == 3
    assert read_tree(root) == {"state": b"1"}


def test_a_deep_tree(root):
    """A tree that is too deep for state, or for the stack, is no reason to fail here."""
    write_tree(root, {"state": "1"})
    place = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=place)
        deeper = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = deeper
    os.close(place)
    assert prune(root, ["/d/d/"]).examples == ("d/d/",)
    assert read_tree(root) == {"state": b"1"}


@pytest.mark.parametrize("what", ["nothing", "a file", "a link"])
def test_what_is_no_directory_is_left_to_others(root, tmp_path, what):
    """A fetch that removed or replaced its directory is judged elsewhere."""
    root.parent.mkdir()
    outside = write_tree(tmp_path / "outside", {"x": "1"})
    if what == "a file":
        root.write_text("1")
    elif what == "a link":
        root.symlink_to(outside)
    assert prune(root, ["*"]) == Pruned()
    assert read_tree(outside) == {"x": b"1"}


@pytest.mark.parametrize("pattern", ["!", "/", "!/", "//", "a\\", "[a", "a\nb", "a\0"])
def test_a_pattern_that_is_none(root, pattern):
    """A pattern that could never match is an error that names it, before anything is removed."""
    write_tree(root, {"state": "1", "a": "2"})
    with pytest.raises(StatebakeError) as caught:
        prune(root, ["a", pattern])
    assert caught.value.code is Code.BAD_SETTING
    assert repr(pattern) in caught.value.message
    assert read_tree(root) == {"state": b"1", "a": b"2"}
