"""Deciding what goes into a PEX."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statebake.bake import SourceFile, StateFile, build_manifest, plan_pex
from statebake.bake.code_form import CodeForm
from statebake.bake.dependency_source import DependencyKind, DependencySource
from statebake.bake.plan import entry_point_args
from statebake.bake.wheel.contents import Contents
from statebake.model.manifest import Manifest
from statebake.model.record import Record
from statebake.model.tree import TreeFile


@pytest.fixture
def plan(build):
    """Return a function that plans a PEX of two keys, the second without a record of its own."""

    def make(**fields):
        records = (build.record("Dbt[a]"), build.record("b", fetched_at=None, origin="unrecorded"))
        manifest = Manifest("shop", "t", "h", None, tuple(record.without_volatile() for record in records))
        given = {
            "output": Path("/project/dist/shop.pex"),
            "python": "/usr/bin/python3",
            "entry_point": "shop",
            "pex_args": ["--venv"],
            "code": CodeForm(as_wheel=False, why="it has no build backend"),
            "sources": (SourceFile(Path("/project/src/shop/__init__.py"), "shop/__init__.py"),),
            "defs_path": "shop/defs",
            "state": {
                "Dbt__a__": [
                    TreeFile("project/x.sql", Path("/s/Dbt__a__/project/x.sql"), 1),
                    TreeFile("state", Path("/s/Dbt__a__/state"), 0),
                ],
                "b": [TreeFile("state", Path("/s/b/state"), 5)],
            },
            "config": None,
            "manifest": manifest,
            "dependencies": DependencySource(DependencyKind.PYPROJECT, Path("/project/pyproject.toml")),
        }
        return plan_pex(**{**given, **fields})

    return make


def test_the_state_file_by_file(plan):
    """State goes in as it is on disk, with the ignore file, the manifest, and a record where there was one."""
    made = plan()
    assert [(file.path, str(file.source) if file.source else None) for file in made.state] == [
        ("shop/defs/.local_defs_state/.gitignore", None),
        ("shop/defs/.local_defs_state/Dbt__a__/.statebake.json", None),
        ("shop/defs/.local_defs_state/Dbt__a__/project/x.sql", "/s/Dbt__a__/project/x.sql"),
        ("shop/defs/.local_defs_state/Dbt__a__/state", "/s/Dbt__a__/state"),
        ("shop/defs/.local_defs_state/b/state", "/s/b/state"),
        ("shop/defs/.local_defs_state/statebake-manifest.json", None),
    ]
    by_path = {file.path: file for file in made.state}
    assert by_path["shop/defs/.local_defs_state/.gitignore"].text == "*\n"
    manifest = by_path["shop/defs/.local_defs_state/statebake-manifest.json"].text
    assert Manifest.loads(manifest, "x") == made.manifest
    record = json.loads(by_path["shop/defs/.local_defs_state/Dbt__a__/.statebake.json"].text)
    assert Record.from_json(record, "x") == made.manifest.keys[0]
    assert not {"checked_at", "duration_s"} & set(record)


def test_the_plan_says_what_was_given(plan):
    """What is not state goes through unchanged."""
    made = plan(config="[tool.dg]\n", host_args=["--for-it"])
    assert (made.output, made.python, made.host_args, made.pex_args) == (
        Path("/project/dist/shop.pex"),
        "/usr/bin/python3",
        ("--for-it",),
        ("--venv",),
    )
    assert made.config == "[tool.dg]\n"
    assert [file.path for file in made.sources] == ["shop/__init__.py"]


@pytest.mark.parametrize(
    ("defs_path", "state_dir"),
    [
        (".", ".local_defs_state"),
        ("shop", "shop/.local_defs_state"),
        ("a/b/defs", "a/b/defs/.local_defs_state"),
        (".hidden/defs", ".hidden/defs/.local_defs_state"),
    ],
)
def test_where_the_state_lies(plan, defs_path, state_dir):
    """State lies in the defs dir, also where that is the import root itself or begins with a dot."""
    made = plan(defs_path=defs_path)
    assert all(file.path.startswith(f"{state_dir}/") for file in made.state)


def test_an_artifact_without_keys_still_proves_itself(plan):
    """A project without state gets the ignore file and a manifest that expects nothing."""
    made = plan(state={}, manifest=Manifest("shop", "t", "h", None, ()))
    assert [Path(file.path).name for file in made.state] == [".gitignore", "statebake-manifest.json"]


def test_the_same_inputs_give_the_same_plan(plan):
    """Plans are values: equal inputs, equal plans, and the order of the files does not depend on the input's."""
    one, other = plan(), plan()
    assert one == other
    assert list(one.state) == sorted(one.state, key=lambda file: file.path)
    assert StateFile("a", text="x") == StateFile("a", text="x")


@pytest.mark.parametrize(
    ("entry_point", "args"),
    [
        ("shop", ("-m", "shop")),
        ("-m shop.cli", ("-m", "shop.cli")),
        ("-m   shop", ("-m", "shop")),
        ("shop.cli:main", ("-m", "shop.cli:main")),
    ],
)
def test_entry_points(entry_point, args):
    """A module, ``-m module`` and ``module:function`` are what ``pex -m`` takes."""
    assert entry_point_args(entry_point) == args


def test_the_manifest_of_checked_state(build):
    """Every key has its record without volatile fields, sorted; state without a record gets one that says so."""
    discovery = build.discovery("b", "a")
    summaries = {"a": build.summary(files=7, bytes=70), "b": build.summary()}
    records = {"a": None, "b": build.record("b", extra={"later": 1})}
    manifest = build_manifest(
        discovery, ["b", "a"], summaries, records, project="shop", tool="statebake 9", revision="0123"
    )
    assert (manifest.project, manifest.tool, manifest.host, manifest.revision) == (
        "shop",
        "statebake 9",
        "native 0.1.0",
        "0123",
    )
    first, second = manifest.keys
    assert (first.key, first.origin, first.fetched_at, first.files, first.bytes) == ("a", "unrecorded", None, 7, 70)
    assert first.components[0].declared_at == "src/shop/defs/things/defs.yaml:2"
    assert second == records["b"].without_volatile()


def test_a_wheel_brings_state_and_configuration(plan):
    """What the project's wheel has is not put beside it."""
    wheel = Contents("shop/defs", "src", has_code=True, manifest=plan().manifest, state=plan().state)
    made = plan(code=CodeForm(True, "asked for"), wheel=wheel, config="[tool.dg]\n", sources=())
    assert (made.wheel, made.state, made.config, made.sources) == (wheel, (), None, ())
