"""What is done to a wheel or sdist, decided from the names in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from statebake.bake.state_files import StateFile
from statebake.bake.wheel.contents import Contents, sdist_changes, wheel_changes
from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest

STATE = "shop/defs/.local_defs_state"
YAML = StateFile("shop/defs/a/defs.yaml", source=Path("defs.yaml"))
DG = '[tool.dg.project]\nroot_module = "shop"\n'


def contents(**fields) -> Contents:
    given = {
        "package": "shop/defs",
        "import_root": "src",
        "has_code": True,
        "manifest": Manifest("shop", "statebake 1", "native 1", None, ()),
        "state": (StateFile(f"{STATE}/.gitignore", text="*\n"), StateFile(f"{STATE}/K/state", text="x")),
        "declarations": (YAML,),
        "declaration_names": ("defs.yaml",),
        "config_dir": "shop",
        "declared": frozenset({YAML.path, "shop/defs/linked/defs.yaml"}),
    }
    return Contents(**{**given, **fields})


def added(names, configs=None, **fields) -> list[str]:
    changes = wheel_changes(contents(**fields), set(names), configs or {}, "inner")
    assert list(changes.added) == sorted(changes.added, key=lambda file: file.path)
    return [file.path for file in changes.added]


def test_what_is_added():
    """State always, declarations and configuration where they are not there yet."""
    state = [f"{STATE}/.gitignore", f"{STATE}/K/state"]
    assert added(["shop/defs/__init__.py"]) == [*state, YAML.path]
    assert added(["shop/defs/__init__.py", YAML.path]) == state
    assert added(["shop/defs/__init__.py", YAML.path], config=DG) == [*state, "shop/pyproject.toml"]


@pytest.mark.parametrize(
    ("configs", "place"),
    [
        ({"pyproject.toml": DG}, None),
        ({"dg.toml": '[project]\nroot_module = "shop"'}, None),
        ({"shop/pyproject.toml": DG}, None),
        ({"shop/defs/dg.toml": '[project]\nroot_module = "shop"'}, None),
        ({"shop/pyproject.toml": '[tool.dg.project]\ndefs_module = "shop.defs"'}, None),
        ({"other/pyproject.toml": DG}, "shop/pyproject.toml"),
        ({"pyproject.toml": DG.replace("shop", "other")}, "shop/pyproject.toml"),
        ({"shop/pyproject.toml": "[other]"}, "pyproject.toml"),
        ({"shop/pyproject.toml": "not toml ["}, "pyproject.toml"),
    ],
)
def test_configuration(configs, place):
    """The project's configuration that Dagster finds from the package is left, and no other file is overwritten; what
    is put in lies with the package, for the top becomes that of all wheels that are installed together.
    """
    names = ["shop/defs/__init__.py", *configs]
    found = [path for path in added(names, configs, config=DG) if path.endswith("pyproject.toml")]
    assert found == ([place] if place else [])


def test_no_room_for_the_configuration():
    """Where both places are taken by something else, nothing is overwritten."""
    configs = {"pyproject.toml": "", "shop/pyproject.toml": ""}
    with pytest.raises(StatebakeError) as caught:
        added(["shop/defs/__init__.py", *configs], configs, config=DG)
    assert caught.value.code is Code.LEFT_OUT_BY_BACKEND


@pytest.mark.parametrize("root", ["shop-1.data/purelib/", "shop-1.data/platlib/"])
def test_data_directories(root):
    """A package that a wheel has in its data directory gets its state there."""
    names = [f"{root}shop/defs/__init__.py", "shop-1.dist-info/RECORD"]
    assert added(names, config=DG) == [
        *(f"{root}{path}" for path in (f"{STATE}/.gitignore", f"{STATE}/K/state", YAML.path, "shop/pyproject.toml"))
    ]


@pytest.mark.parametrize(
    "names",
    [[], ["shop/__init__.py"], [f"{STATE}/K/state", YAML.path], ["shop/defs/"], ["src/shop/defs/__init__.py"]],
)
def test_code_that_is_missing(names):
    """State is not put beside a package that is not there."""
    with pytest.raises(StatebakeError) as caught:
        added(names)
    assert caught.value.code is Code.LEFT_OUT_BY_BACKEND
    assert "The package shop.defs itself is not in the wheel that inner made." in caught.value.message


def test_code_with_another_name():
    """Where a setting gives packages other names, that is named as the cause, with what helps."""
    with pytest.raises(StatebakeError) as caught:
        added([], moved="[tool.setuptools] package-dir says where packages are")
    assert caught.value.message.endswith("that inner made: [tool.setuptools] package-dir says where packages are.")
    assert "the name that it is imported by" in (caught.value.next_step or "")


def test_definitions_without_code():
    """A defs directory with nothing but declarations needs its package only, and backends leave it out."""
    assert YAML.path in added(["shop/__init__.py"], has_code=False)


@pytest.mark.parametrize("root", ["", "shop-1.data/purelib/"])
@pytest.mark.parametrize("path", ["shop/defs/defs.yaml", "shop/defs/gen/deep/defs.yaml"])
def test_declarations_that_nobody_checked(root, path):
    """What the build itself declares is refused with its name: in each place of a wheel, and in an sdist."""
    with pytest.raises(StatebakeError) as caught:
        added(["shop/defs/__init__.py", YAML.path, f"{root}{path}"])
    assert (caught.value.code, caught.value.where) == (Code.ARTIFACT_MISMATCH, f"{root}{path}")
    assert f"{path} is in the wheel that inner made, but was not in the project when" in caught.value.message
    assert "have the file made before the build and refresh" in caught.value.next_step
    names = {"shop-1/src/shop/defs/__init__.py", f"shop-1/src/{path}"}
    with pytest.raises(StatebakeError, match="is in the source distribution that inner made, but was not") as caught:
        sdist_changes(contents(), names, "shop-1", "inner")
    assert (caught.value.code, caught.value.where) == (Code.ARTIFACT_MISMATCH, f"shop-1/src/{path}")


@pytest.mark.parametrize(
    "path",
    [
        YAML.path,
        "shop/defs/linked/defs.yaml",
        "shop/defs/gen/component.yaml",
        "shop/defs/gen/my-defs.yaml",
        "shop/defs/defs.yaml/",
        "shop/defs/.hidden/defs.yaml",
        "shop/defs/__pycache__/defs.yaml",
        f"{STATE}/K/project/defs.yaml",
        "shop/other/defs.yaml",
        "tests/shop/defs/gen/defs.yaml",
    ],
)
def test_what_is_no_new_declaration(path):
    """A file that was there, that the framework does not read, or that is elsewhere, is no reason to refuse."""
    added(["shop/defs/__init__.py", path])
    sdist_changes(contents(), {"shop-1/src/shop/defs/__init__.py", f"shop-1/src/{path}"}, "shop-1", "inner")


def test_what_is_removed():
    """All in the state directory is removed, the directory or a link in its place too; what is like it is not."""
    changes = wheel_changes(contents(), {"shop/defs/__init__.py"}, {}, "inner")
    for path in (STATE, f"{STATE}/", f"{STATE}/K/old", f"{STATE}/.staging/lock"):
        assert changes.removes(path)
    for path in (f"{STATE}.py", "shop/defs/__init__.py", "other/.local_defs_state/K/state"):
        assert not changes.removes(path)


def test_sdist():
    """In an sdist everything is at its path in the project; files that a build reads are not overwritten."""
    files = (StateFile("dg.toml", text="a"), StateFile("statebake.toml", text="b"))
    names = {"shop-1/dg.toml", "shop-1/src/shop/x.py", "shop-1/src/shop/defs/__init__.py"}
    changes = sdist_changes(contents(project_files=files), names, "shop-1", "inner")
    assert [file.path for file in changes.added] == [
        f"shop-1/src/{STATE}/.gitignore",
        f"shop-1/src/{STATE}/K/state",
        f"shop-1/src/{YAML.path}",
        "shop-1/statebake.toml",
    ]
    flat = sdist_changes(contents(import_root=""), {"shop-1/shop/defs/__init__.py"}, "shop-1", "inner")
    assert flat.state_dir == f"shop-1/{STATE}"


@pytest.mark.parametrize("code", [{}, {"shop-1/shop/x.py"}, {f"shop-1/src/{STATE}/K/state", f"shop-1/src/{YAML.path}"}])
def test_code_that_is_missing_in_an_sdist(code):
    """A source distribution without the package, wherever it has its sources, is refused; one that moves it is not."""
    names = {"shop-1/pyproject.toml", *code}
    with pytest.raises(StatebakeError) as caught:
        sdist_changes(contents(), names, "shop-1", "inner")
    assert caught.value.code is Code.LEFT_OUT_BY_BACKEND
    assert "The package shop.defs itself is not in the source distribution that inner made." in caught.value.message
    sdist_changes(contents(), {*names, "shop-1/lib/shop/defs/x.py"}, "shop-1", "inner")


def test_a_large_state_in_an_sdist_without_code():
    """However many files of the state are there, all names are looked through once for each place of the package."""

    class Names(set):
        looks = 0

        def __iter__(self):
            self.looks += 1
            return super().__iter__()

    names = Names(f"shop-1/{start}/{STATE}/K/{number}" for start in ("src", "lib") for number in range(100))
    with pytest.raises(StatebakeError, match="is not in the source distribution"):
        sdist_changes(contents(), names, "shop-1", "inner")
    assert names.looks == 3
