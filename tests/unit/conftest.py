"""What every unit test has: no processes, repeatable properties, and short ways to make the model's values."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from statebake.errors import Code, StatebakeError
from statebake.model.discovery import Component, Discovery, Interpreter, LoadFailure
from statebake.model.record import ComponentRef, Record
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import TreeSummary

settings.register_profile("unit", deadline=None, database=None)
settings.load_profile("unit")

DIGEST = "sha256:" + "a" * 64


def _refuse(*args: object, **_: object) -> None:
    pytest.fail(f"A unit test must not start a process: {args}. Such a test belongs in tests/integration.")


class _NoPopen(subprocess.Popen):
    """Still a class, so that modules imported during a test can inherit from it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        _refuse(*args, **kwargs)


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", _NoPopen)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, _refuse, raising=False)


class Build:
    """Makes values whose every field has a default."""

    digest = DIGEST

    def component(self, key: str, number: int = 0, **fields) -> Component:
        given = {
            "id": number,
            "type": "shop.components.Text",
            "declared_at": f"src/shop/defs/things/defs.yaml:{number + 1}",
            "key": key,
            "management_type": DefsStateManagementType.LOCAL_FILESYSTEM,
        }
        return Component(**{**given, **fields})

    def discovery(self, *components: Component | str, failures: tuple[LoadFailure, ...] = ()) -> Discovery:
        return Discovery(
            host="native 0.1.0",
            python=Interpreter(path="/usr/bin/python3", version="3.12.1", tag="cpython-312-linux-x86_64-glibc-2.36"),
            defs_dir=Path("/project/src/shop/defs"),
            components=tuple(
                self.component(item, number) if isinstance(item, str) else item
                for number, item in enumerate(components)
            ),
            failures=failures,
        )

    def failure(self, declared_at: str = "src/shop/defs/broken/defs.yaml:1", *, secret: str = "") -> LoadFailure:
        error = StatebakeError(
            Code.COMPONENT_LOAD, f"Text raised KeyError: 'SHOP_URL'{secret}", next_step="export SHOP_URL=…"
        )
        return LoadFailure(declared_at=declared_at, type="shop.components.Text", error=error)

    def record(self, key: str = "Text[a]", **fields) -> Record:
        given = {
            "key": key,
            "components": (ComponentRef("shop.components.Text", "src/shop/defs/things/defs.yaml:1"),),
            "management_type": DefsStateManagementType.LOCAL_FILESYSTEM,
            "digest": DIGEST,
            "files": 1,
            "bytes": 5,
            "fetched_at": "2026-01-02T03:04:05Z",
            "origin": "fetched",
            "tool": "statebake 0.1.0",
            "host": "native 0.1.0",
            "checked_at": "2026-01-03T03:04:05Z",
            "duration_s": 0.5,
        }
        return Record(**{**given, **fields})

    def summary(self, **fields) -> TreeSummary:
        return TreeSummary(**{"digest": DIGEST, "files": 1, "bytes": 5, "empty": None, **fields})


@pytest.fixture
def build() -> Build:
    """Makers of the model's values."""
    return Build()
