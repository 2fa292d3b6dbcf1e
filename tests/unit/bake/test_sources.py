"""Which of a project's files go into an artifact."""

from __future__ import annotations

import pytest

from statebake.bake import collect_sources
from statebake.config import import_root
from statebake.errors import Code, StatebakeError
from support.trees import write_tree

SRC = {
    "pyproject.toml": "",
    "README.md": "",
    "src/shop/__init__.py": "",
    "src/shop/data/table.csv": "1",
    "src/shop/defs/__init__.py": "",
    "src/shop/defs/things/defs.yaml": "",
    "src/other.py": "",
}
NEVER = [
    "src/shop/defs/.local_defs_state/a/state",
    "src/shop/__pycache__/x.cpython-312.pyc",
    "src/shop/old.pyc",
    "src/shop.egg-info/PKG-INFO",
    "src/shop/.env",
    "src/shop/.env.local",
    "src/shop/.venv/bin/python",
    "src/shop/.git/config",
    "src/shop/.DS_Store",
    "src/shop/.ruff_cache/x",
]


def paths(project, defs="src/shop/defs", modules=("shop", "shop.defs"), packages=()):
    found = collect_sources(project, project / defs, modules, packages)
    assert [file.path for file in found] == sorted(file.path for file in found)
    for file in found:
        assert file.source.is_file()
    return [file.path for file in found]


def test_a_src_layout(tmp_path):
    """Everything under ``src`` goes in, data files too, and nothing beside it."""
    assert paths(write_tree(tmp_path, SRC)) == [
        "other.py",
        "shop/__init__.py",
        "shop/data/table.csv",
        "shop/defs/__init__.py",
        "shop/defs/things/defs.yaml",
    ]


def test_what_never_goes_in(tmp_path):
    """Caches, environments, secrets' usual files, and the state (which has a list of its own) stay out."""
    write_tree(tmp_path, {**SRC, **dict.fromkeys(NEVER, "x")})
    assert [path for path in paths(tmp_path) if f"src/{path}" in NEVER] == []
    assert len(paths(tmp_path)) == 5


def test_a_flat_layout(tmp_path):
    """Without ``src`` only the packages that the project names go in: the rest of the directory is not code."""
    write_tree(
        tmp_path,
        {
            "pyproject.toml": "",
            "shop/__init__.py": "",
            "shop/defs/x/defs.yaml": "",
            "jobs.py": "",
            "tests/test_x.py": "",
            "secrets.txt": "",
        },
    )
    assert paths(tmp_path, "shop/defs", ("shop", "shop.defs", "jobs")) == [
        "jobs.py",
        "shop/__init__.py",
        "shop/defs/x/defs.yaml",
    ]


def test_further_packages(tmp_path):
    """Further directories and files go in at the top, by their own names."""
    write_tree(tmp_path, {**SRC, "shared/lib/__init__.py": "", "config.toml": "", "shared/x.py": ""})
    found = paths(tmp_path, packages=["shared/lib", "config.toml"])
    assert {"lib/__init__.py", "config.toml"} < set(found)
    assert "x.py" not in found


def test_a_further_package_that_is_not_there(tmp_path):
    """A package that the settings name and that is not there is an error, not an artifact without it."""
    write_tree(tmp_path, SRC)
    with pytest.raises(StatebakeError, match="'shraed'") as caught:
        paths(tmp_path, packages=["shraed"])
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == str(tmp_path / "shraed")


def test_links(tmp_path):
    """A link to a directory is followed, one to a parent does not go round for ever, a dangling one is left out."""
    write_tree(tmp_path, {**SRC, "shared/x.py": ""})
    (tmp_path / "src/shop/shared").symlink_to("../../shared")
    (tmp_path / "src/shop/round").symlink_to("..")
    (tmp_path / "src/shop/gone").symlink_to("nowhere")
    found = paths(tmp_path)
    assert "shop/shared/x.py" in found
    assert "shop/gone" not in found
    assert len(found) < 50


def test_the_import_root(tmp_path):
    """The import root is ``src`` where the definitions are in it, else the project."""
    write_tree(tmp_path, {**SRC, "flat/defs/__init__.py": ""})
    assert import_root(tmp_path, tmp_path / "src/shop/defs") == tmp_path / "src"
    assert import_root(tmp_path, tmp_path / "flat/defs") == tmp_path


def test_the_import_root_through_a_link(tmp_path):
    """A project that is reached through a link is the same project."""
    project = write_tree(tmp_path / "real", SRC)
    (tmp_path / "link").symlink_to(project)
    assert import_root(tmp_path / "link", project / "src/shop/defs") == project / "src"


@pytest.mark.parametrize("place", ["elsewhere/shop/defs", "project/.venv/lib/python3.12/site-packages/shop/defs"])
def test_another_copy_of_the_project(tmp_path, place):
    """Definitions that are imported from outside, or from an installed copy, are refused: state would land there."""
    project = write_tree(tmp_path / "project", SRC)
    copy = write_tree(tmp_path / place, {"__init__.py": ""})
    with pytest.raises(StatebakeError) as caught:
        import_root(project, copy)
    assert caught.value.code is Code.OTHER_COPY
    assert caught.value.where == str(copy)
