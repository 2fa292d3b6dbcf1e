"""Comparing what an artifact carries with what it must carry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from statebake.verify import ArtifactKey, ArtifactState, artifact_error, compare, compare_content
from statebake.verify.compare import mismatches

OTHER = "sha256:" + "b" * 64


@pytest.fixture
def expected(build):
    records = tuple(build.record(key).without_volatile() for key in ("a", "b"))
    return Manifest(project="shop", tool="statebake 0.1.0", host="native 0.1.0", revision=None, keys=records)


@pytest.fixture
def state(build, expected):
    """An artifact's state that is as expected."""
    return ArtifactState(
        path="shop/defs/.local_defs_state",
        manifest=expected,
        keys=tuple(ArtifactKey(record, build.summary()) for record in expected.keys),
        unexpected=(),
        has_ignore_file=True,
    )


def problem(states, expected) -> str:
    with pytest.raises(StatebakeError) as caught:
        compare(states, expected, "dist/shop.pex")
    assert caught.value.code is Code.ARTIFACT_MISMATCH
    assert caught.value.where == "dist/shop.pex"
    return caught.value.message


def test_the_same_is_accepted(state, expected):
    """An artifact that carries exactly the expected state passes."""
    compare([state], expected, "dist/shop.pex")
    assert mismatches(state) == []


def test_missing_state_is_told(state, expected):
    """A key without any file is named."""
    bad = replace(state, keys=(state.keys[0], replace(state.keys[1], summary=None)))
    assert mismatches(bad) == ["the state of b is missing"]
    assert "the state of b is missing" in problem([bad], expected)


def test_another_digest_is_told(state, build, expected):
    """A key with other content is named with both digests."""
    bad = replace(state, keys=(replace(state.keys[0], summary=build.summary(digest=OTHER)), state.keys[1]))
    assert mismatches(bad) == [f"the state of a has the digest {OTHER}, not {build.digest}"]
    assert OTHER in problem([bad], expected)


def test_a_directory_that_nobody_expects_is_told(state, expected):
    """State of a key that was not checked, an orphan for example, must not be carried."""
    assert "no expected key explains old" in problem([replace(state, unexpected=("old",))], expected)


def test_a_missing_ignore_file_is_told(state, expected):
    """Without the ignore file Dagster's load fails on a read-only file system."""
    assert "shop/defs/.local_defs_state/.gitignore is missing" in problem(
        [replace(state, has_ignore_file=False)], expected
    )


@pytest.mark.parametrize("change", [{"project": "other"}, {"revision": "0123"}, {"keys": ()}, {"tool": "statebake 9"}])
def test_another_manifest_is_told(state, expected, change):
    """An artifact whose manifest is another one passes in no part, however sound it is in itself."""
    bad = replace(state, manifest=replace(expected, **change))
    assert "the manifest in shop/defs/.local_defs_state is not the one that was baked" in problem([bad], expected)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_one_state_directory(state, expected, count):
    """No state directory, or a second one, is refused."""
    assert f"it has {count} state directories with a manifest, not one" in problem([state] * count, expected)


def test_every_problem_is_told(state, expected, build):
    """One error lists everything that is wrong."""
    keys = (replace(state.keys[0], summary=None), replace(state.keys[1], summary=build.summary(digest=OTHER)))
    message = problem([replace(state, keys=keys, unexpected=("old",), has_ignore_file=False)], expected)
    for part in ("the state of a is missing", OTHER, "explains old", ".gitignore is missing"):
        assert part in message


def content_state(state, **changes):
    """The state of an image without a manifest."""
    directories = {key.record.key: key.summary for key in state.keys}
    return replace(state, path="/srv/shop/defs/.local_defs_state", manifest=None, directories=directories, **changes)


def compare_here(states, expected, **options):
    path = "shop/defs/.local_defs_state"
    return compare_content(states, expected, path, "app:1", **{"needs_ignore_file": False, **options})


def test_content_without_a_manifest(state, expected):
    """Every state directory that may be the one that is loaded must have every key."""
    assert compare_here([content_state(state)], expected) == ()


def test_content_that_is_not_there(state, expected, build):
    """No such directory, a missing key, another digest and a missing ignore file are told, each with its place."""
    good = content_state(state)
    for states, options, words in (
        ([], {}, "it has no directory shop/defs/.local_defs_state"),
        ([replace(good, path="/app/.local_defs_state")], {}, "it has no directory"),
        ([replace(good, path="/app/workshop/defs/.local_defs_state")], {}, "it has no directory"),
        ([replace(good, directories={"a": build.summary()})], {}, "the state of b is missing in /srv/shop"),
        ([good, replace(good, path="/venv/shop/defs/.local_defs_state", directories={})], {}, "a is missing in /venv"),
        ([replace(good, directories={**good.directories, "b": build.summary(digest=OTHER)})], {}, OTHER),
        ([replace(good, has_ignore_file=False)], {"needs_ignore_file": True}, ".gitignore is missing"),
    ):
        with pytest.raises(StatebakeError) as caught:
            compare_here(states, expected, **options)
        assert caught.value.code is Code.ARTIFACT_MISMATCH
        assert words in caught.value.message


def test_what_is_odd_in_an_image(state, expected, build):
    """Further directories are named, and are no error."""
    good = content_state(state)
    more = replace(good, directories={**good.directories, "old": build.summary()})
    other = replace(good, path="/tests/.local_defs_state")
    assert [text.partition(" ")[0] for text in compare_here([more, other], expected)] == [
        "/srv/shop/defs/.local_defs_state/old",
        "/tests/.local_defs_state",
    ]


def test_records_say_what_should_be_there(state, build):
    """Without a manifest a key is compared with its own record; a directory without one is no mismatch."""
    good = content_state(state, unexpected=("x",))
    assert mismatches(good) == []
    bad = replace(good, keys=(replace(good.keys[0], summary=build.summary(digest=OTHER)),))
    assert OTHER in mismatches(bad)[0]
    assert "not what its records say" in artifact_error(bad, "app:1").message


@pytest.mark.parametrize(
    ("user", "owner", "readable"),
    [
        *[("", 5, True), ("root", 5, True), ("0:0", 5, True)],
        *[("1000", 1000, True), ("1000:1000", 1000, True), ("1000", 0, False), ("1000", 5, False)],
        *[("nobody", 0, False), ("nobody", 65534, True)],
    ],
)
def test_content_that_the_images_user_cannot_read(state, expected, user, owner, readable):
    """What only its owner may read must be owned by whom the image runs as; a name is somebody, but not root."""
    closed = content_state(state, owners={"/srv/shop/defs/.local_defs_state/a/state": owner})
    if readable:
        assert compare_here([closed], expected, user=user) == ()
        return
    with pytest.raises(StatebakeError) as caught:
        compare_here([closed], expected, user=user)
    assert f"a/state cannot be read by the user that the image runs as, {user}." in caught.value.message
