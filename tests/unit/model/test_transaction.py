"""Changing the state on disk: the old one or the new one, whatever happens."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model import transaction
from statebake.model.transaction import commit_keys, open_staging, recover, replace_file, storage_error
from support.trees import read_tree, write_tree

ERRORS = [
    (errno.ENOSPC, Code.COMMIT_FAILED, "free some space"),
    (errno.EDQUOT, Code.COMMIT_FAILED, "free some space"),
    (errno.EIO, Code.COMMIT_FAILED, "look at the file system"),
    (errno.EROFS, Code.READ_ONLY, "--no-refresh"),
    (errno.EACCES, Code.READ_ONLY, "--no-refresh"),
    (errno.EPERM, Code.READ_ONLY, "--no-refresh"),
]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state directory with the state of the key ``a``."""
    return write_tree(tmp_path / ".local_defs_state", {"a/state": "old", "a/only-old": "1", ".gitignore": "*\n"})


@pytest.fixture(params=[True, False], ids=["exchange", "two renames"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to swap: with the kernel's exchange where there is one, and without."""
    if not request.param:
        without_exchange(monkeypatch)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "_exchange", lambda one, other: False)


def failing(number: int, call: int = 1):
    """Return a function that fails with ``number`` when it is called for the ``call``-th time."""
    calls = []

    def fail(*args, **_):
        calls.append(args)
        if len(calls) == call:
            raise OSError(number, os.strerror(number), str(args[0]) if args else None)

    return fail


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize("name", ["a", "b", "a.old", "x" * 255])
def test_a_commit_makes_the_staged_directory_the_state(state_dir, name):
    """A new key appears, an old one is replaced as a whole, and nothing of the work is left."""
    with open_staging(state_dir) as staging:
        write_tree(staging / name, {"state": "new", "sibling/x": "2"})
        commit_keys(state_dir, [staging / name])
    others = {} if name == "a" else {"a/state": b"old", "a/only-old": b"1"}
    assert read_tree(state_dir) == {
        ".gitignore": b"*\n",
        f"{name}/state": b"new",
        f"{name}/sibling/x": b"2",
        **others,
    }
    assert names_in(state_dir / ".staging") == ["lock"]


@pytest.mark.usefixtures("each_way")
def test_keys_whose_names_are_alike_do_not_meet(state_dir):
    """A key called like another one with a suffix is committed beside it."""
    with open_staging(state_dir) as staging:
        for name in ("a.old", "a", "a.old.old"):
            write_tree(staging / name, {"state": f"new {name}"})
        for name in ("a", "a.old", "a.old.old"):
            commit_keys(state_dir, [staging / name])
    names = ("a", "a.old", "a.old.old")
    assert {name: (state_dir / name / "state").read_text() for name in names} == {name: f"new {name}" for name in names}


def test_a_commit_is_given_up_before_anything_is_in_place(state_dir):
    """Nobody waits for thousands of files to be written out; of several keys all are as they were."""
    left = [None] * 3

    def pulse() -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()

    before = read_tree(state_dir)
    with open_staging(state_dir) as staging:
        for name in ("a", "b"):
            write_tree(staging / name, {"state": "new", "other": "new"})
        with pytest.raises(KeyboardInterrupt):
            commit_keys(state_dir, [staging / "a", staging / "b"], pulse)
        assert {path: data for path, data in read_tree(state_dir).items() if path in before} == before
        assert names_in(state_dir) == [".gitignore", ".staging", "a"]


def test_the_longest_name_is_replaced_without_an_exchange(state_dir, monkeypatch):
    """A key whose directory's name is as long as can be is replaced by two renames as well."""
    without_exchange(monkeypatch)
    name = "x" * 255
    write_tree(state_dir, {f"{name}/state": "old"})
    with open_staging(state_dir) as staging:
        write_tree(staging / name, {"state": "new"})
        commit_keys(state_dir, [staging / name])
    assert (state_dir / name / "state").read_text() == "new"


def test_an_opened_staging_directory(tmp_path):
    """The first refresh makes the directory with its ignore file, and the staging directory is empty."""
    state_dir = tmp_path / "defs/.local_defs_state"
    with open_staging(state_dir) as staging:
        assert staging.parent == state_dir / ".staging"
        assert list(staging.iterdir()) == []
        assert (state_dir / ".gitignore").read_text() == "*\n"
    assert not staging.exists()


def test_an_ignore_file_of_ones_own_is_left_alone(state_dir):
    """An ignore file that is there is not changed."""
    (state_dir / ".gitignore").write_text("*\n!keep\n")
    with open_staging(state_dir):
        pass
    assert (state_dir / ".gitignore").read_text() == "*\n!keep\n"


def test_staging_is_removed_when_the_work_fails(state_dir):
    """Whatever the work raises comes through, and its staging directory is gone."""

    def fail() -> None:
        with open_staging(state_dir) as staging:
            write_tree(staging, {"a/state": "half"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names_in(state_dir / ".staging") == ["lock"]
    assert (state_dir / "a/state").read_text() == "old"


def test_a_failed_second_rename_brings_the_old_state_back(state_dir, monkeypatch):
    """Without an exchange, a failure between the two renames leaves the old state in its place."""
    without_exchange(monkeypatch)
    rename = Path.rename
    with open_staging(state_dir) as staging:
        write_tree(staging / "a", {"state": "new"})

        def fail_for_the_staged(self: Path, target: Path):
            if self == staging / "a":
                raise OSError(errno.EIO, "Input/output error")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", fail_for_the_staged)
        with pytest.raises(StatebakeError) as caught:
            commit_keys(state_dir, [staging / "a"])
    assert caught.value.code is Code.COMMIT_FAILED
    assert "The old state is unchanged" in caught.value.message
    assert read_tree(state_dir / "a") == {"state": b"old", "only-old": b"1"}


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def killed_between_the_renames(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a process leaves that is killed when the old state is aside and the new one not yet in its place."""

    def die_at_the_second(self: Path, target: Path):
        if self.name == "a" and ".staging" in self.parts:
            raise Killed
        return rename(self, target)

    rename = Path.rename
    leftover = state_dir / ".staging" / "0123456789ab"
    write_tree(leftover, {"a/state": "new", "0.log": "printed"})
    with monkeypatch.context() as patch:
        without_exchange(patch)
        patch.setattr(Path, "rename", die_at_the_second)
        with pytest.raises(Killed):
            commit_keys(state_dir, [leftover / "a"])
    assert not (state_dir / "a").exists()


def test_a_kill_between_the_two_renames_is_undone_at_the_next_start(state_dir, monkeypatch):
    """The old state, moved aside by a process that was killed then, is the state again."""
    killed_between_the_renames(state_dir, monkeypatch)
    with open_staging(state_dir):
        assert read_tree(state_dir / "a") == {"state": b"old", "only-old": b"1"}
    assert names_in(state_dir / ".staging") == ["lock"]


@pytest.mark.usefixtures("each_way")
def test_a_kill_after_several_were_taken_back_brings_none_of_them(state_dir):
    """What a commit that failed has taken back stays old, however much of staging a kill lets be cleared."""
    staging = state_dir / ".staging" / "x"
    write_tree(staging, {"a/state": "new", "b/state": "new"})
    with pytest.raises(StatebakeError, match="The old state is unchanged"):
        commit_keys(state_dir, [staging / "a", staging / "b", staging / "deleted"])
    assert read_tree(state_dir / "a") == {"state": b"old", "only-old": b"1"}
    transaction.remove_tree(staging / "b")  # as far as the clearing came
    recover(state_dir)
    assert read_tree(state_dir) == {".gitignore": b"*\n", "a/state": b"old", "a/only-old": b"1"}


def test_recovery_never_puts_the_old_state_over_the_new_one(state_dir):
    """A process killed after the second rename left the old state in staging: the new one stays."""
    write_tree(state_dir, {".staging/0123456789ab/a.old/state": "older"})
    recover(state_dir)
    assert (state_dir / "a/state").read_text() == "old"
    assert not (state_dir / ".staging/0123456789ab").exists()


def test_recovery_removes_what_was_being_fetched(state_dir):
    """Half-fetched state, logs and scratch files of a killed process go; no key is touched."""
    write_tree(state_dir, {".staging/1/a/state": "half", ".staging/1/b/state": "half", ".staging/2.tmp": "x"})
    before = read_tree(state_dir)
    recover(state_dir)
    assert names_in(state_dir / ".staging") == []
    assert read_tree(state_dir) == before


def test_recovery_does_not_take_half_fetched_state_for_old_state(state_dir):
    """What was being fetched for a key whose name ends in ``.old`` becomes nobody's state."""
    write_tree(state_dir, {".staging/1/b.old/state": "half"})
    recover(state_dir)
    assert not (state_dir / "b").exists()


def test_one_at_a_time(state_dir):
    """A second refresh is refused with the process that holds the lock, and disturbs nothing."""
    with open_staging(state_dir) as staging:
        write_tree(staging, {"a/state": "half"})
        with pytest.raises(StatebakeError) as caught, open_staging(state_dir):
            pass
        assert caught.value.code is Code.LOCKED
        assert f"process {os.getpid()}" in caught.value.message
        assert (staging / "a/state").exists()
    with open_staging(state_dir):
        pass


def test_a_refused_second_refresh_leaves_the_firsts_scratch_files(tmp_path, monkeypatch):
    """Before it has the lock, a process neither removes nor writes anything in staging but the lock."""
    state_dir = tmp_path / "state"
    (state_dir / ".staging").mkdir(parents=True)
    with (state_dir / ".staging/lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        holder.write("4711\n")
        holder.flush()
        written = []
        monkeypatch.setattr(transaction, "replace_file", lambda path, *_: written.append(path))
        with pytest.raises(StatebakeError) as caught, open_staging(state_dir):
            pass
        assert caught.value.code is Code.LOCKED
        assert "process 4711" in caught.value.message
        assert written == []


@pytest.mark.parametrize(("number", "code", "hint"), ERRORS)
def test_what_a_failed_call_means(number, code, hint):
    """A failed system call becomes a code, its reason in words, and a next step that fits it."""
    error = storage_error(OSError(number, os.strerror(number), "/there"), Path("/here"))
    assert error.code is code
    assert os.strerror(number) in error.message
    assert hint in error.next_step
    assert error.where in {"/here", "/there"}


@pytest.mark.parametrize(("number", "code", "_hint"), ERRORS)
def test_a_failed_fsync_fails_the_commit(state_dir, monkeypatch, number, code, _hint):
    """State that may not be durable is not committed, and the old one is still there."""
    with open_staging(state_dir) as staging:
        write_tree(staging / "a", {"state": "new"})
        monkeypatch.setattr(os, "fsync", failing(number))
        with pytest.raises(StatebakeError) as caught:
            commit_keys(state_dir, [staging / "a"])
    assert caught.value.code is code
    assert (state_dir / "a/state").read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_file_system_that_cannot_lock_is_an_error_with_a_code(state_dir, monkeypatch, number):
    """Where locks do not work (some network file systems), the refresh fails with a code instead of going on."""
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with pytest.raises(StatebakeError), open_staging(state_dir):
        pass


def test_no_space_for_the_locks_text_is_an_error_with_a_code(state_dir, monkeypatch):
    """A full disk shows first when the lock's holder is written."""
    monkeypatch.setattr(os, "pwrite", failing(errno.ENOSPC))
    with pytest.raises(StatebakeError) as caught, open_staging(state_dir):
        pass
    assert caught.value.code is Code.COMMIT_FAILED


def test_a_recovery_that_fails_is_an_error_with_a_code(state_dir, monkeypatch):
    """A rename that fails while an old state is brought back is the user's to know, with a code."""
    killed_between_the_renames(state_dir, monkeypatch)
    monkeypatch.setattr(Path, "rename", failing(errno.EIO))
    monkeypatch.setattr(os, "rename", failing(errno.EIO))
    with pytest.raises(StatebakeError) as caught, open_staging(state_dir):
        pass
    assert caught.value.code is Code.COMMIT_FAILED


@pytest.mark.parametrize(("number", "code", "_hint"), ERRORS)
def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch, number, code, _hint):
    """Where the state directory cannot even be made, the error says why."""
    monkeypatch.setattr(Path, "mkdir", failing(number))
    with pytest.raises(StatebakeError) as caught, open_staging(tmp_path / "state"):
        pass
    assert caught.value.code is code


def test_a_file_in_the_directorys_place(tmp_path):
    """A file where the state directory should be is an error with a code."""
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StatebakeError) as caught, open_staging(tmp_path / "state"):
        pass
    assert caught.value.code is Code.COMMIT_FAILED


def test_a_replaced_file_is_whole(state_dir):
    """A file is replaced in one step, by way of staging, and nothing is left there."""
    staging = state_dir / ".staging"
    staging.mkdir()
    replace_file(state_dir / "a/state", "ü\n", staging)
    assert (state_dir / "a/state").read_bytes() == "ü\n".encode()
    assert list(staging.iterdir()) == []


def test_a_replacement_that_fails_leaves_the_file(state_dir, monkeypatch):
    """When the new text cannot be made durable, the old file is still there."""
    staging = state_dir / ".staging"
    staging.mkdir()
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StatebakeError) as caught:
        replace_file(state_dir / "a/state", "new", staging)
    assert caught.value.code is Code.COMMIT_FAILED
    assert (state_dir / "a/state").read_text() == "old"


def test_exchange_is_refused_for_what_is_not_there(tmp_path):
    """A real failure of the exchange is an error, not a reason to try the other way."""
    (tmp_path / "a").mkdir()
    if not transaction._exchange(tmp_path / "a", tmp_path / "a"):
        pytest.skip("this system cannot exchange two directories")
    with pytest.raises(OSError, match="No such file"):
        transaction._exchange(tmp_path / "a", tmp_path / "missing")


def test_readers_see_the_old_or_the_new(state_dir):
    """A reader that opens the state by its path while another thread commits 300 times always finds one whole state."""
    probe = [state_dir / ".probe-1", state_dir / ".probe-2"]
    for path in probe:
        path.mkdir()
    if not transaction._exchange(*probe):
        pytest.skip("this system cannot exchange two directories")
    contents = {"old", *(f"{number:04}" * 1000 for number in range(300))}
    problems: list[object] = []
    reads = 0
    done = threading.Event()

    def read() -> None:
        nonlocal reads
        while not done.is_set():
            try:
                text = (state_dir / "a/state").read_text()
            except OSError as error:
                problems.append(error)
            else:
                if text not in contents:
                    problems.append(text[:20])
            reads += 1

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with open_staging(state_dir) as staging:
            for number in range(300):
                scratch = staging / str(number)
                write_tree(scratch, {"a/state": f"{number:04}" * 1000})
                commit_keys(state_dir, [scratch / "a"])
    finally:
        done.set()
        reader.join()
    assert problems == []
    assert reads > 100
    assert (state_dir / "a/state").read_text() == "0299" * 1000
