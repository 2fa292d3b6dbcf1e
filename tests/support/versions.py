"""A project whose state has an old and a new version, and what must hold after whatever happened to its refresh."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from support.cli import Result, statebake
from support.native import code_component, documents, native_project, state_dir
from support.processes import MARK, marked, signal_marked, start_statebake, wait_until
from support.whole import badly_recorded, keys_in, left_in_staging, torn

# Every file says which version it is of, so that a mixture of both is neither. A test's own code runs before.
FETCH = """
name, version, hook = {name!r}, Path({version!r}).read_text(), Path({hook!r})
if hook.exists():
    exec(hook.read_text())
state_path.mkdir(exist_ok=True)
for number in range({files}):
    (state_path / f"{{number}}.txt").write_text(f"{{version}} {{number}} {{name}}\\n" * 200)
(state_path.parent / "beside").mkdir()
(state_path.parent / "beside" / "it.txt").write_text(version)
"""


class Versions:
    """A native project with the keys ``Text[0]``, ``Text[1]``, …; it was refreshed to ``new`` and then to ``old``.

    Attributes:
        old, new: the key directories of both versions, as ``keys_in`` returns them.
        seconds: what a refresh takes.
        fetches: the code of every fetch, by the key's number.
        hook: Python code to run at the start of every fetch, where a test writes it; it has ``name``, ``version``,
            ``state_path``, ``os`` and ``Path``.
    """

    def __init__(self, root: Path, *, keys: int = 20, files: int = 10) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.version, self.hook = root / "version", root / "hook.py"
        self.mark = uuid.uuid4().hex
        self.env: dict[str, str | None] = {MARK: self.mark}
        self.fetches = [
            FETCH.format(name=str(key), version=str(self.version), hook=str(self.hook), files=files)
            for key in range(keys)
        ]
        yaml = documents(*(code_component(str(key), fetch) for key, fetch in enumerate(self.fetches)))
        self.directory = native_project(root / "shop", yaml)
        self.state_dir = state_dir(self.directory)
        self.command: list[str | Path] = [sys.executable, "-m", "statebake", "refresh", "--project", self.directory]
        self.seconds = 0.0
        self.new = self.refreshed("new")
        self.old = self.refreshed("old")
        assert len(self.old) == len(self.new) == keys
        self._saved = shutil.copytree(self.state_dir, root / "saved")
        self.version.write_text("new")

    def refreshed(self, version: str) -> dict[str, dict[str, bytes]]:
        """Refresh to a version and return the key directories."""
        self.version.write_text(version)
        started = time.monotonic()
        self.refresh().ok()
        self.seconds = time.monotonic() - started
        return keys_in(self.state_dir)

    def refresh(self, *args: str | Path, timeout: float = 60) -> Result:
        """Run ``statebake refresh ARGS``; whatever runs after the time is up ends, and the test fails."""
        try:
            return statebake("refresh", *args, cwd=self.directory, env=self.env, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            raise

    def start(self, *args: str | Path) -> subprocess.Popen[str]:
        """Start ``statebake refresh ARGS``."""
        return start_statebake("refresh", *args, cwd=self.directory, env=self.env)

    def restore(self, version: str = "new") -> None:
        """Put the old state back, as if nothing had happened since; the next refresh is one to ``version``."""
        for path in self.state_dir.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._saved, self.state_dir, dirs_exist_ok=True)
        self.version.write_text(version)

    def end(self) -> list[str]:
        """End every process that a refresh has left, and return their command lines."""
        return signal_marked(self.mark, signal.SIGKILL)

    def assert_no_process(self, within: float = 5) -> None:
        """No process of a refresh lives on: what it was told to end has ``within`` seconds for it."""
        try:
            wait_until(lambda: not marked(self.mark), "the refresh's processes to end", timeout=within)
        finally:
            self.end()

    def assert_whole(self) -> None:
        """Every key is wholly the old or the new one, with a record of just that content."""
        assert torn(self.state_dir, self.old, self.new) == []
        assert badly_recorded(self.state_dir) == []

    def assert_nothing_left(self) -> None:
        """No process lives on, and staging has nothing but the lock."""
        self.assert_no_process()
        assert left_in_staging(self.state_dir) == []
        assert {path.name for path in self.state_dir.iterdir()} <= {*self.old, ".gitignore", ".staging"}

    def assert_next_refresh(self) -> None:
        """The next refresh, without the hook, brings every key to the new version and clears what was left."""
        self.hook.unlink(missing_ok=True)
        assert self.refreshed("new") == self.new
        self.assert_whole()
        self.assert_nothing_left()
        statebake("check", cwd=self.directory, env=self.env).ok()
