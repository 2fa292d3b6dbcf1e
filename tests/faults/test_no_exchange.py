"""A file system that cannot exchange two directories: state is replaced by two renames."""

from __future__ import annotations

import shutil

import pytest

from support.cli import run
from support.versions import Versions
from support.whole import keys_in

pytestmark = pytest.mark.needs("strace")


def without_exchange(project: Versions, error: str) -> list[str]:
    """Refresh where every exchange ends with this error, and return the trace of all renames."""
    log = project.directory.parent / "trace"
    inject = ["-e", "trace=rename,renameat,renameat2", "-e", f"inject=renameat2:error={error}"]
    argv = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-o", log, *inject, *project.command]
    run(argv, cwd=project.directory, env=project.env, timeout=60).ok()
    return log.read_text(errors="replace").splitlines()


@pytest.mark.parametrize("error", ["EINVAL", "ENOSYS", "EOPNOTSUPP", "EXDEV"])
def test_a_refresh_without_exchange(project: Versions, error: str) -> None:
    """Every key is replaced although no exchange works, and the old ones are gone."""
    trace = without_exchange(project, error)
    assert sum("INJECTED" in line for line in trace) == len(project.old), "the fault did not come"
    assert keys_in(project.state_dir) == project.new
    project.assert_whole()
    project.assert_nothing_left()
    project.assert_next_refresh()


def test_a_writer_without_another_way_is_caught(project: Versions) -> None:
    """The control: a rename alone does not replace a directory, so the second way is needed and was taken."""
    place = project.state_dir / "Text__0__"
    other = shutil.copytree(place, project.state_dir.parent / "other")
    with pytest.raises(OSError, match="not empty"):
        other.rename(place)
