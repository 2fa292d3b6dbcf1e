"""Deciding what an image is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from statebake.bake.image.dependencies import ImageDependencies
from statebake.bake.image.inputs import Inputs, write_inputs
from statebake.bake.image.plan import Source
from statebake.bake.image.planning import image_sources, plan_image
from statebake.config import DockerSettings, Project
from statebake.errors import Code, StatebakeError
from statebake.hosts import ImageRun
from support.trees import read_tree, write_tree


def project(**table):
    return Project(
        directory=Path("/work/apps/shop"),
        name="shop",
        config_file=Path("/work/apps/shop/pyproject.toml"),
        workspace=None,
        host="native",
        dg=None,
        pyproject={"project": table},
    )


def plan(docker=None, **fields):
    given = {
        "run": ImageRun(("python", "-m", "shop"), environment={"A": "1"}),
        "python": "3.12",
        "import_root": "src",
        "defs_path": "src/shop/defs",
        "sources": [Source("src", is_dir=True)],
        "dependencies": ImageDependencies({}, Path("/work/apps/shop")),
        "config": False,
    }
    return plan_image(
        project(version="1.0", description="It sells."), docker or DockerSettings(), **{**given, **fields}
    )


def test_a_project_that_is_the_context():
    """Paths are relative to the context; the base image is that of the project's Python."""
    made = plan()
    assert (made.prefix, made.inputs, made.state_in_context) == ("", ".statebake", "src/shop/defs/.local_defs_state")
    assert made.state_in_image == "/app/src/shop/defs/.local_defs_state"
    assert made.base_image == "python:3.12-slim"
    assert (made.version, made.description) == ("1.0", "It sells.")
    assert made.builder == "buildkit"
    assert made.environment["PYTHONPATH"] == "/app/src"
    assert made.environment["A"] == "1"


def test_a_project_in_a_larger_context():
    """With local code beside it, the project has a prefix."""
    made = plan(dependencies=ImageDependencies({}, Path("/work"), ("libs/common",)))
    assert (made.prefix, made.inputs) == ("apps/shop/", "apps/shop/.statebake")
    assert made.local_dependencies == ("libs/common",)


def test_builders():
    """What the engine says counts, and the setting more."""
    assert plan(builder="docker-20.10").builder == "docker-20.10"
    assert plan(DockerSettings(builder_compat="buildah"), builder="docker-20.10").builder == "buildah"


def test_import_path():
    """What `packages` names can be imported by its last name, as in every artifact."""
    sources = [Source("src", is_dir=True), Source("lib/helpers", is_dir=True), Source("tool.py", is_dir=False)]
    assert plan(sources=sources).environment["PYTHONPATH"] == "/app/src:/app/lib:/app"
    flat = plan(import_root=".", sources=[Source("shop", is_dir=True)])
    assert flat.environment["PYTHONPATH"] == "/app"


def test_refresh():
    """A refresh in the build gets its secrets by name, each once; the classic builder has none."""
    docker = DockerSettings(refresh_secrets=("TOKEN", "TOKEN", "URL"))
    assert plan(docker).refresh is None
    assert plan(docker, refresh=True).refresh == ("TOKEN", "URL")
    with pytest.raises(StatebakeError, match="classic builder has none"):
        plan(builder="classic", refresh=True)


def test_sources(tmp_path):
    """A src layout is taken whole, a flat one by its own modules; `packages` come besides, each once."""
    root = write_tree(
        tmp_path.resolve(),
        {"src/shop/__init__.py": "", "src/more/__init__.py": "", "lib/helpers/__init__.py": "", "tool.py": "", "a": ""},
    )
    src = image_sources(root, root / "src", [root / "src" / "shop"], ["src/more", "lib/helpers", "tool.py"])
    assert src == (Source("src", True), Source("lib/helpers", True), Source("tool.py", False))
    flat = image_sources(root, root, [root / "lib", root / "tool.py"], ["lib/helpers"])
    assert flat == (Source("lib", True), Source("tool.py", False))
    for package in ("..", ".", "nowhere", "../x", "/etc", "lib/../lib"):
        with pytest.raises(StatebakeError) as caught:
            image_sources(root, root, [], [package])
        assert caught.value.code is Code.BAD_SETTING


def test_writing_inputs(tmp_path):
    """What a build reads is written, what an earlier one left of dependencies goes, and the rest stays."""
    write_inputs(tmp_path, Inputs({"dependencies/wheels/a.whl": b"a", "dependencies/requirements.txt": b"r"}))
    (tmp_path / ".statebake" / "statebake-manifest.json").write_text("{}")
    write_inputs(tmp_path, Inputs({"dependencies/requirements.txt": b"s"}))
    assert read_tree(tmp_path / ".statebake") == {
        ".gitignore": b"*\n",
        "dependencies/requirements.txt": b"s",
        "statebake-manifest.json": b"{}",
    }
    assert not (tmp_path / ".statebake" / "dependencies" / "wheels").exists()


def test_inputs_that_cannot_be_written(tmp_path):
    """A file where the directory should be is an error that names it."""
    (tmp_path / ".statebake").write_text("")
    with pytest.raises(StatebakeError) as caught:
        write_inputs(tmp_path, Inputs({}))
    assert caught.value.code is Code.OUTPUT_FAILED
