"""Development: fetched at each load, committed as a whole, and the last good state as a fallback."""

import asyncio
import json
import warnings

import pytest

from statebake import load_defs
from statebake.errors import Code, StatebakeError
from statebake.model.record import read_record
from statebake.model.tree import summarize_dir
from statebake.runtime.dev import is_dev


@pytest.fixture
def dev(project, monkeypatch):
    monkeypatch.setenv("STATEBAKE_DEV", "1")
    return project


@pytest.mark.parametrize(
    ("value", "on"),
    [(None, False), ("", False), ("0", False), ("false", False), ("1", True), ("true", True), ("True", True)],
)
def test_the_switch(value, on):
    """STATEBAKE_DEV is on with 1 and true, and off with 0, false, nothing and when it is unset."""
    assert is_dev({} if value is None else {"STATEBAKE_DEV": value}) is on


def test_nonsense_in_the_switch():
    """Any other value is refused rather than guessed at."""
    with pytest.raises(StatebakeError) as caught:
        is_dev({"STATEBAKE_DEV": "maybe"})
    assert caught.value.code is Code.BAD_SETTING


def test_each_load_fetches_once_per_key(dev):
    """Components with one key share one fetch per load, and each builds from it."""
    dev.declare("one", "two", defs_state="{key: shared}", path="a/defs.yaml")
    dev.declare("three", path="b/defs.yaml")
    assert list(dev.load()) == ["one=new", "two=new", "three=new"]
    assert dev.fetched == ["one", "three"]
    dev.load()
    assert dev.fetched == ["one", "three", "one", "three"]


def test_what_is_written(dev):
    """A fetch leaves the key directory with its record, the ignore file, and nothing in staging."""
    dev.write("../../pyproject.toml", "")
    dev.declare("one", "two", defs_state="{key: 'C[x/y]'}")
    dev.load()
    key_dir = dev.state_path("C[x/y]").parent
    record = read_record(key_dir)
    assert (record.key, record.digest) == ("C[x/y]", summarize_dir(key_dir).digest)
    assert [(ref.type, ref.declared_at) for ref in record.components] == [
        (f"{dev.name}.components.Thing", f"{dev.name}/defs/defs.yaml:{line}") for line in (1, 6)
    ]
    assert record.host == "native 0.1.0"
    state_dir = key_dir.parent
    assert (state_dir / ".gitignore").read_text() == "*\n"
    assert [path.name for path in (state_dir / ".staging").iterdir()] == ["lock"]


def test_the_same_content_keeps_its_time(dev):
    """A refetch of the same bytes keeps fetched_at, new bytes do not, and a broken record is replaced."""
    dev.declare("one", path="defs.yaml")
    dev.load()
    path = dev.state_path("Thing[one]").parent / ".statebake.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "fetched_at": "2001-01-01T00:00:00Z"}))
    dev.load()
    assert read_record(path.parent).fetched_at == "2001-01-01T00:00:00Z"
    dev.declare("one", path="defs.yaml", content="newer")
    dev.load()
    assert read_record(path.parent).fetched_at > "2002"
    path.write_text("nonsense")
    dev.load()
    assert read_record(path.parent).key == "Thing[one]"


def test_refresh_if_dev_off_only_reads(dev):
    """A component that opts out reads what is there, and misses what is not."""
    dev.declare("one", defs_state="{refresh_if_dev: false}")
    assert dev.load_error().code is Code.MISSING_STATE
    dev.put_state("Thing[one]")
    assert list(dev.load()) == ["one=old"]
    assert dev.fetched == []


def test_one_sharer_that_wants_a_refresh_is_enough(dev):
    """Of two components with one key, the one that did not opt out fetches."""
    dev.declare("one", defs_state="{key: shared, refresh_if_dev: false}", path="a/defs.yaml")
    dev.declare("two", defs_state="{key: shared}", path="b/defs.yaml")
    assert list(dev.load()) == ["one=new", "two=new"]
    assert dev.fetched == ["two"]


def test_an_artifact_never_fetches(dev):
    """With a manifest beside the state nothing is fetched, whatever the environment says, even nonsense."""
    dev.declare("one")
    dev.put_state("Thing[one]")
    dev.bake()
    assert list(dev.load()) == ["one=old"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STATEBAKE_DEV", "maybe")
        assert list(dev.load()) == ["one=old"]
    assert dev.fetched == []


FAILURES = {
    "raises": ("raise LookupError('down')", Code.FETCH_RAISED, "LookupError: down"),
    "raises after writing": (
        "state_path.write_text('half'); raise LookupError('down')",
        Code.FETCH_RAISED,
        "LookupError: down",
    ),
    "exits": ("raise SystemExit(3)", Code.FETCH_RAISED, "SystemExit: 3"),
    "writes nothing": ("pass", Code.FETCH_WROTE_NOTHING, "wrote no state"),
    "writes an empty file": ("state_path.touch()", Code.FETCH_WROTE_NOTHING, "wrote no state"),
    "leaves a link": (
        "state_path.write_text('x'); (state_path.parent / 'l').symlink_to('/etc')",
        Code.FETCH_LEFT_FOREIGN,
        "link that leaves",
    ),
    "needs a variable": ("self.token.strip()", Code.UNSET_VARIABLE, "NO_SUCH"),
}


@pytest.mark.parametrize(("body", "code", "says"), FAILURES.values(), ids=FAILURES)
def test_failed_fetches(dev, body, code, says):
    """A failed fetch warns while there is a last good state, which stays as it was, else it raises."""
    dev.write(
        "../failing.py",
        f"""
        from PKG.components import Thing

        class Failing(Thing):
            def write_state_to_path(self, state_path):
                {body}
        """,
    )
    file = dev.write("defs.yaml", "type: PKG.failing.Failing\nattributes: {name: one, token: '{{ env.NO_SUCH }}'}\n")
    error = dev.load_error()
    assert error.code is code
    assert says in error.message
    assert error.where == f"{file}:1"
    assert not dev.state_path("Thing[one]").parent.exists()

    path = dev.put_state("Thing[one]")
    with pytest.warns(RuntimeWarning, match="Thing.one.*serves") as caught:
        assert list(dev.load()) == ["one=old"]
    assert says in str(caught[0].message)
    assert (caught[0].filename, caught[0].lineno) == (str(file), 1)
    assert [it.name for it in path.parent.iterdir()] == ["state"]


def test_a_siblings_content_is_committed_too(dev):
    """What a component writes beside an empty marker is committed with it."""
    dev.write(
        "../beside.py",
        """
        from PKG.components import Thing

        class Beside(Thing):
            def write_state_to_path(self, state_path):
                state_path.touch()
                (state_path.parent / "project").mkdir()
                (state_path.parent / "project" / "manifest").write_text("m")

            def build_defs_from_state(self, context, state_path):
                return (state_path.parent / "project" / "manifest").read_text()
        """,
    )
    dev.write("defs.yaml", "type: PKG.beside.Beside\nattributes: {name: one}\n")
    assert list(dev.load()) == ["m"]


def test_loading_inside_a_running_loop(dev):
    """load_defs fetches from within a running loop, an async component too."""
    dev.write(
        "../later.py",
        """
        import asyncio

        from PKG.components import Thing

        class Later(Thing):
            async def write_state_to_path(self, state_path):
                await asyncio.sleep(0)
                state_path.write_text("later")
        """,
    )
    dev.write("defs.yaml", "type: PKG.later.Later\nattributes: {name: one}\n")

    async def main():
        return list(load_defs(dev.name))

    assert asyncio.run(main()) == ["one=later"]
    assert list(dev.load()) == ["one=later"]


def test_a_newer_record_is_not_overwritten(dev):
    """State with a record of a newer format is kept, with a warning that says so."""
    dev.declare("one")
    path = dev.put_state("Thing[one]")
    (path.parent / ".statebake.json").write_text('{"format": 99}')
    with pytest.warns(RuntimeWarning, match="Format 99"):
        assert list(dev.load()) == ["one=old"]


def test_development_is_quiet_when_all_is_well(dev):
    """A successful refresh warns of nothing."""
    dev.declare("one")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dev.load()
