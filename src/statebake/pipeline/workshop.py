"""Where images are built: an engine and a builder, asked what they can while the project is imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from statebake.engine import Builder, Engine, choose_builder, open_engine
from statebake.pipeline import Target


@dataclass(frozen=True)
class Workshop:
    """An engine, and what builds images for it."""

    engine: Engine
    builder: Builder


def open_workshops(targets: Sequence[Target], env: Mapping[str, str]) -> Mapping[Path, Future[Workshop]]:
    """Begin to ask the engine what it can, while the code of ``targets`` is imported; by their directories.

    What builds is imported meanwhile as well. What goes wrong is raised by the results: ``ENGINE_MISSING``,
    ``ENGINE_UNREACHABLE``, ``ENGINE_DENIED``, and ``BAD_SETTING`` for a builder that there is not.
    """
    pool = ThreadPoolExecutor(2, thread_name_prefix="engine")
    pool.submit(importlib.import_module, "statebake.pipeline.building")
    found = {target.project.directory: pool.submit(_open_workshop, target, env) for target in targets}
    pool.shutdown(wait=False)
    return found


def _open_workshop(target: Target, env: Mapping[str, str]) -> Workshop:
    engine = open_engine(env)
    return Workshop(engine, choose_builder(engine, env, name=target.settings.docker.builder))
