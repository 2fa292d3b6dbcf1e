"""``load_defs`` outside development: state is read, and what is missing is named."""

import importlib
from collections import namedtuple
from pathlib import Path

import pytest

from statebake.errors import Code
from statebake.runtime.definitions import flatten


def test_definitions(project):
    """The result iterates over everything built, in order, and knows who built it."""
    project.declare("one", path="a/defs.yaml")
    project.declare("two", path="b/defs.yaml")
    project.put_state("Thing[one]", "1")
    project.put_state("Thing[two]", "2")
    defs = project.load()
    assert list(defs) == list(defs) == ["one=1", "two=2"] == list(defs.of_type(str))
    assert defs.of_type(int) == ()
    assert [(it.key, it.declared_at, it.defs) for it in defs.components] == [
        ("Thing[one]", "a/defs.yaml:1", ("one=1",)),
        ("Thing[two]", "b/defs.yaml:1", ("two=2",)),
    ]
    assert defs.components[0].component.name == "one"
    assert project.fetched == []


def test_a_module_object_and_a_package_without_defs(project):
    """The package may be given as a module, and is its own defs dir when it has no defs directory."""
    project.declare("one", path="../things/defs.yaml")
    project.defs.rmdir()
    state = project.package / ".local_defs_state" / "Thing__one__" / "state"
    state.parent.mkdir(parents=True)
    state.write_text("1")
    defs = importlib.import_module("statebake").load_defs(importlib.import_module(project.name))
    assert [it.declared_at for it in defs.components] == ["things/defs.yaml:1"]


def test_a_package_that_cannot_be_imported(project):
    """PROJECT_IMPORT says what went wrong and where."""
    file = project.write("../__init__.py", "#\n1 / 0\n")
    error = project.load_error()
    assert (error.code, error.where) == (Code.PROJECT_IMPORT, f"{file}:2")
    assert "ZeroDivisionError" in error.message


def test_a_module_is_no_package(project):
    """A plain module has no definitions, and the error says which package to load."""
    project.name += ".components"
    error = project.load_error()
    assert (error.code, error.where) == (Code.PROJECT_IMPORT, str(project.package / "components.py"))
    assert error.next_step == f"load_defs({project.name.partition('.')[0]!r})"


def test_the_first_failure_is_raised_and_the_others_are_counted(project):
    """Of several broken declarations the first is raised; its text lists the others."""
    project.declare("fine", path="a/defs.yaml")
    project.write("b/defs.yaml", "type: nonsense.Thing\n---\ntype: nonsense.Thing\n")
    project.write("c/defs.yaml", "type: [\n")
    error = project.load_error()
    assert (error.code, error.where) == (Code.BAD_TYPE, f"{project.defs}/b/defs.yaml:1")
    assert error.detail == "2 more declarations failed:\n[SB202] b/defs.yaml:3\n[SB201] c/defs.yaml:2"


@pytest.mark.parametrize("baked", [False, True])
def test_missing_state(project, baked):
    """MISSING_STATE names the key, the file expected, the declaration, and what to do."""
    file = project.declare("one", path="a/defs.yaml")
    if baked:
        project.bake()
    error = project.load_error()
    assert (error.code, error.where) == (Code.MISSING_STATE, f"{file}:1")
    assert "'Thing[one]'" in error.message
    assert str(project.state_path("Thing[one]")) in error.message
    assert error.next_step.endswith("statebake bake") if baked else error.next_step == "statebake refresh"


def test_an_empty_marker_is_no_state(project):
    """A 0-byte state, with at most a record beside it, is EMPTY_STATE."""
    file = project.declare("one")
    path = project.put_state("Thing[one]", "")
    (path.parent / ".statebake.json").write_text("{}")
    (path.parent / "empty").touch()
    (path.parent / "project").mkdir()
    error = project.load_error()
    assert (error.code, error.where) == (Code.EMPTY_STATE, f"{file}:1")
    (path.parent / "project" / "deep").mkdir()
    path.unlink()
    path.mkdir()
    assert project.load_error().code is Code.EMPTY_STATE


def test_what_counts_as_state(project):
    """A directory with a file in it, and an empty marker beside a filled directory, are state."""
    path = project.put_state("Thing[one]", "")
    (path.parent / "project").mkdir()
    (path.parent / "project" / "manifest").touch()
    project.declare("one")
    assert project.load_error().code is Code.EMPTY_STATE  # nothing but empty files
    (path.parent / "project" / "manifest").write_text("{}")
    assert list(project.load()) == ["one="]
    directory = project.state_path("Thing[two]")
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "file").touch()
    project.declare("two")
    error = project.load_error()  # it is present: Thing's own read_text() of a directory fails
    assert error.code is Code.BUILD_DEFS


def test_a_failing_build(project):
    """BUILD_DEFS names component, key and declaration, and keeps the original; a generator may fail late."""
    project.write(
        "../late.py",
        """
        from PKG.components import Thing

        class Late(Thing):
            def build_defs_from_state(self, context, state_path):
                yield 1
                raise ZeroDivisionError("too late")
        """,
    )
    file = project.write("defs.yaml", "type: PKG.late.Late\nattributes: {name: one}\n")
    project.put_state("Thing[one]")
    error = project.load_error()
    assert (error.code, error.where) == (Code.BUILD_DEFS, f"{file}:1")
    for part in ("late.Late", "'Thing[one]'", "ZeroDivisionError: too late"):
        assert part in error.message
    assert isinstance(error.__cause__, ZeroDivisionError)


def test_a_build_that_needs_an_unset_variable(project):
    """A build that uses an unset variable raises UNSET_VARIABLE itself, not BUILD_DEFS."""
    project.write(
        "../needy.py",
        """
        from PKG.components import Thing

        class Needy(Thing):
            def build_defs_from_state(self, context, state_path):
                return self.token + "x"
        """,
    )
    file = project.write("defs.yaml", "type: PKG.needy.Needy\nattributes: {name: one, token: '{{ env.NO_SUCH }}'}\n")
    project.put_state("Thing[one]")
    error = project.load_error()
    assert (error.code, error.where) == (Code.UNSET_VARIABLE, f"{file}:1")


@pytest.mark.parametrize("key", ["..", "''", "' '", '"a\\nb"', "k" * 300, ".staging"])
def test_keys_that_cannot_be_a_path(project, key):
    """A key that cannot name a directory is BAD_KEY before anything is read."""
    file = project.declare("''", defs_state=f"{{key: {key}}}" if key != "''" else "{}")
    project.write(
        "../components.py",
        (project.package / "components.py").read_text().replace("Thing[{self.name}]", "{self.name}"),
    )
    error = project.load_error()
    assert (error.code, error.where) == (Code.BAD_KEY, f"{file}:1")


def test_two_keys_with_one_directory(project):
    """Keys that would read each other's state are refused."""
    project.declare("x/y", path="a/defs.yaml")
    file = project.declare("x?y", path="b/defs.yaml")
    error = project.load_error()
    assert (error.code, error.where) == (Code.KEY_COLLISION, f"{file}:1")


def test_versioned_storage_is_not_built_in(project):
    """VERSIONED_STATE_STORAGE says that it cannot be read and what to use."""
    file = project.declare("one", defs_state="{management_type: VERSIONED_STATE_STORAGE}")
    error = project.load_error()
    assert (error.code, error.where) == (Code.STORE_NOT_BUILT_IN, f"{file}:1")
    assert "LOCAL_FILESYSTEM" in error.next_step


LEGACY = "{management_type: LEGACY_CODE_SERVER_SNAPSHOTS}"


def test_legacy_snapshots_live_for_one_load(project):
    """They are fetched at each load, once per key, into a directory that is gone afterwards."""
    project.write(
        "../where.py",
        """
        from PKG.components import Thing

        class Where(Thing):
            def build_defs_from_state(self, context, state_path):
                assert state_path.read_text() == "new"
                return state_path
        """,
    )
    legacy = LEGACY.replace("{", "{key: shared, ")
    one = "type: PKG.where.Where\nattributes: {name: one, defs_state: " + legacy + "}\n"
    project.write("defs.yaml", one + "---\n" + one.replace("one", "two"))
    first, second = project.load().of_type(Path)
    assert project.fetched == ["one"]
    assert first == second
    assert not first.parent.exists()
    assert not (project.defs / ".local_defs_state").exists()
    project.load()
    assert project.fetched == ["one", "one"]


def test_legacy_snapshots_that_fail(project):
    """A fetch that writes nothing is FETCH_WROTE_NOTHING, for there is no last good state."""
    file = project.declare("one", defs_state=LEGACY, content="''")
    error = project.load_error()
    assert (error.code, error.where) == (Code.FETCH_WROTE_NOTHING, f"{file}:1")


def test_legacy_snapshots_cannot_be_baked(project, monkeypatch):
    """In an artifact they are MISSING_STATE that says why, whatever the environment says."""
    file = project.declare("one", defs_state=LEGACY)
    project.bake()
    monkeypatch.setenv("STATEBAKE_DEV", "1")
    error = project.load_error()
    assert (error.code, error.where) == (Code.MISSING_STATE, f"{file}:1")
    assert "LEGACY_CODE_SERVER_SNAPSHOTS" in error.message
    assert project.fetched == []


def test_a_load_writes_nothing(project):
    """Outside development a load creates no file, so a package on a read-only file system loads."""
    project.declare("one")
    project.put_state("Thing[one]")
    before = sorted(project.root.rglob("*"))
    assert list(project.load()) == ["one=old"]
    assert [it for it in sorted(project.root.rglob("*")) if "__pycache__" not in it.parts] == before


def test_flatten():
    """Iterables are their items and None is nothing; text, mappings and named tuples are one object."""
    point = namedtuple("Point", "x y")(1, 2)
    assert flatten(None) == ()
    for several in ([1, 2], (1, 2), {1: 0, 2: 0}.keys(), (it for it in (1, 2)), range(1, 3)):
        assert flatten(several) == (1, 2)
    for one in ("ab", b"ab", {"a": 1}, point, 7):
        assert flatten(one) == (one,)
    assert flatten([[1], None]) == ([1], None)
