"""The real Docker engines, the registry and buildah's kin, for tests; ``tests/lab`` starts and ends them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from lab import leases, settings
from lab.containers import Containers
from lab.engines import Engine
from lab.registry import Registry
from support.cli import Result, run

# What would lead a client away from the engine that a test means.
_DROPPED = ("BUILDKIT_", "BUILDX_", "DOCKER_")


@dataclass(frozen=True)
class Docker:
    """An engine that runs for as long as the test session."""

    engine: Engine
    pip_conf: Path
    uv_toml: Path

    @property
    def host(self) -> str:
        """Its ``DOCKER_HOST``."""
        return self.engine.host

    def env(self, **extra: str | None) -> dict[str, str | None]:
        """Return what the environment of ``docker`` or ``statebake`` needs to use it and no other; ``None``: unset."""
        dropped = {name: None for name in os.environ if name.startswith(_DROPPED)}
        return {**dropped, **_first_on_path(self.engine.environment), **extra}

    def run(
        self,
        *arguments: str | Path,
        cwd: Path = Path("/"),
        env: Mapping[str, str | None] | None = None,
        timeout: float = 300,
    ) -> Result:
        """Run ``docker ARGUMENTS``, its own client, and return how it ended."""
        return run(["docker", *arguments], cwd=cwd, env=self.env(**(env or {})), timeout=timeout)


@dataclass(frozen=True)
class Tools:
    """buildah, podman, skopeo and umoci with storage that has the base image; it is every test's."""

    containers: Containers

    def run(self, tool: str, *arguments: str | Path, cwd: Path = Path("/"), timeout: float = 300) -> Result:
        """Run one of them and return how it ended."""
        return run([tool, *arguments], cwd=cwd, env=_first_on_path(self.containers.environment), timeout=timeout)


@contextlib.contextmanager
def running_engine(kind: str) -> Iterator[Docker]:
    """Have an engine of this kind (``26``, ``containerd``, ``20.10``, ``small``) run, with whoever else wants it."""
    engine = Engine(kind)
    with leases.held(engine):
        yield Docker(engine, settings.pip_conf(), settings.uv_toml())


@contextlib.contextmanager
def running_registry() -> Iterator[str]:
    """Have a registry run, and yield its host and port."""
    registry = Registry()
    with leases.held(registry):
        yield registry.address


@contextlib.contextmanager
def ready_tools() -> Iterator[Tools]:
    """Have buildah and its kin ready."""
    containers = Containers()
    with leases.held(containers):
        yield Tools(containers)


def unique_name() -> str:
    """Return the name of an image that no other test has."""
    return f"{settings.OF_TESTS}/{uuid4().hex}"


def _first_on_path(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "PATH": os.pathsep.join([environment["PATH"], os.environ["PATH"]])}
