"""The first half of the line: configuration, discovery, check. Each step takes and returns values."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from statebake import __version__
from statebake.check import (
    CheckReport,
    Snapshot,
    check,
    facts_of_project,
    policy_findings,
    read_snapshot,
)
from statebake.config import (
    Project,
    ResolvedConfig,
    Settings,
    choose_python,
    configure,
    find_projects,
    import_root,
    module_path,
)
from statebake.errors import StatebakeError
from statebake.hosts import Worker, discover_request, open_worker
from statebake.model.discovery import Discovery
from statebake.model.keys import STATE_DIR_NAME
from statebake.pipeline.hidden import hidden_variables
from statebake.pipeline.schemas import schema_findings, states_of_project
from statebake.process import run_interruptible

if TYPE_CHECKING:
    from statebake.refresh import Run

T = TypeVar("T")

TOOL = f"statebake {__version__}"


@dataclass(frozen=True)
class Target:
    """A project to work on, its settings, and the interpreter for its code (path, and who chose it)."""

    project: Project
    config: ResolvedConfig
    python: str
    python_origin: str

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self.config.settings


@dataclass(frozen=True)
class OpenProject:
    """A project that has been discovered, and how many seconds that took; its worker lives only while it is open."""

    target: Target
    worker: Worker
    state_dir: Path
    discovery_s: float

    @property
    def discovery(self) -> Discovery:
        """What was found in it."""
        return self.worker.discovery


def find_targets(dirs: Sequence[Path], flags: Mapping[str, object], env: Mapping[str, str], cwd: Path) -> list[Target]:
    """Return the projects in ``dirs``, or the one around ``cwd``, with their settings; raises ``StatebakeError``."""
    targets = []
    for project in find_projects(dirs, cwd):
        config = configure(project, flags, env, cwd=cwd)
        python = choose_python(project, config.settings, config.origins["python"], env)
        targets.append(Target(project, config, str(python.path), python.origin))
    return targets


@contextlib.asynccontextmanager
async def open_project(
    target: Target, env: Mapping[str, str], within_s: float | None = None
) -> AsyncIterator[OpenProject]:
    """Discover a project ``within_s`` seconds, and give it open.

    Raises ``StatebakeError`` as ``open_worker`` does, and ``OTHER_COPY``.
    """
    began = time.monotonic()
    request = discover_request(target.project, target.settings)
    async with open_worker(target.python, target.project.directory, request, env, within_s) as worker:
        import_root(target.project.directory, worker.discovery.defs_dir)
        state_dir = worker.discovery.defs_dir / STATE_DIR_NAME
        yield OpenProject(target, worker, state_dir, round(time.monotonic() - began, 3))


def side_by_side(
    targets: Sequence[Target],
    env: Mapping[str, str],
    work: Callable[[OpenProject], Awaitable[T]],
    *,
    run: Run | None = None,
) -> list[T | StatebakeError]:
    """Open every project, each in its own interpreter, do ``work``, and return what it returned or raised.

    ``run`` has the deadline, which counts for discovery as well, and where projects wait for each other. An interrupt
    ends all that runs and raises ``KeyboardInterrupt``; a second one ends the process at once.
    """

    async def one(target: Target, opening: asyncio.Semaphore) -> T | StatebakeError:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with opening:
                    opened = await stack.enter_async_context(open_project(target, env, run.left_s() if run else None))
                return await work(opened)
        except StatebakeError as error:
            return error
        finally:
            if run is not None:
                run.over_for(target.project.directory)

    async def every() -> list[T | StatebakeError]:
        opening = asyncio.Semaphore(max(2, os.cpu_count() or 1))  # importing is work for the processor
        tasks = [asyncio.create_task(one(target, opening)) for target in targets]
        await asyncio.gather(*tasks, return_exceptions=True)  # it waits for all, after an interrupt as well
        return [task.result() for task in tasks]

    return run_interruptible(every())


def hidden_of(targets: Sequence[Target], env: Mapping[str, str]) -> dict[str, str]:
    """Return the further variables that must not be shown; see ``hidden_variables``."""
    return hidden_variables([(target.project, target.settings) for target in targets], env)


def read_ahead(targets: Sequence[Target]) -> Mapping[Path, Future[Snapshot]]:
    """Begin to read the state of ``targets`` where it most likely is, while their code is imported; by directory."""
    found = {}
    with_defs = [(target.project.directory, target.settings.defs_module) for target in targets]
    pool = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    for directory, module in with_defs:
        if module is not None and (path := module_path(directory, module)) is not None and path.is_dir():
            state_dir = path / STATE_DIR_NAME
            found[state_dir] = pool.submit(read_snapshot, state_dir)
    pool.shutdown(wait=False)
    return found


def check_state(
    opened: OpenProject, ahead: Mapping[Path, Future[Snapshot]] | None = None
) -> tuple[Snapshot, CheckReport]:
    """Return the state as it is, or as it was when it was read ``ahead``, and what is wrong with it.

    It is held to all that the settings ask for: to the policy, and to the schemas of its keys.
    """
    early = (ahead or {}).get(opened.state_dir)
    snapshot = early.result() if early else read_snapshot(opened.state_dir)
    return snapshot, judge_state(opened.target.config, opened.discovery, snapshot)


def judge_state(config: ResolvedConfig, discovery: Discovery, snapshot: Snapshot) -> CheckReport:
    """Return what is wrong with state that was read, by all that the settings ask for."""
    settings = config.settings
    report = check(discovery, snapshot, settings.allow_runtime_fetch, settings.allow_differences)
    facts = facts_of_project(discovery, snapshot)
    where = config.origins["policy.require_keys"]
    broken = policy_findings(facts, settings, datetime.now(timezone.utc), where=where)
    return report.plus([*broken, *schema_findings(states_of_project(discovery, snapshot, settings))])
