"""The projects that the benchmarks refresh: written from nothing, in the layouts that users have."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path

SECONDS = "BENCHMARK_SECONDS"  # how long every fetch waits
BYTES = "BENCHMARK_BYTES"  # how much every fetch writes

_NATIVE = {
    "pyproject.toml": """
        [project]
        name = "bench"
        version = "1"
        dependencies = ["statebake"]
    """,
    "src/bench/__init__.py": "",
    "src/bench/defs/__init__.py": "",
    "src/bench/components.py": """
        import os
        import time
        from dataclasses import dataclass

        from statebake import DefsStateConfig, StateBackedComponent


        @dataclass
        class Slow(StateBackedComponent):
            name: str

            @property
            def defs_state_config(self):
                return DefsStateConfig(key=f"Slow[{self.name}]")

            def write_state_to_path(self, state_path):
                time.sleep(float(os.environ.get("BENCHMARK_SECONDS", "0")))
                left, chunk = int(os.environ.get("BENCHMARK_BYTES", "100")), os.urandom(1 << 20)
                with state_path.open("wb") as stream:
                    while left > 0:
                        left -= stream.write(chunk[:left])

            def build_defs_from_state(self, context, state_path):
                return state_path
    """,
}

_DAGSTER = {
    "pyproject.toml": """
        [project]
        name = "bench"
        version = "1"
        requires-python = ">=3.10"
        dependencies = ["dagster"]

        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"

        [tool.dg]
        directory_type = "project"

        [tool.dg.project]
        root_module = "bench"
    """,
    "src/bench/__init__.py": "",
    "src/bench/defs/__init__.py": "",
    "src/bench/definitions.py": """
        from pathlib import Path

        import dagster as dg


        @dg.definitions
        def defs():
            return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    """,
    "src/bench/components.py": """
        import os
        import time
        from dataclasses import dataclass

        import dagster as dg
        from dagster.components import DefsStateConfig, DefsStateConfigArgs


        @dataclass
        class Slow(dg.StateBackedComponent, dg.Resolvable):
            name: str

            @property
            def defs_state_config(self):
                args = DefsStateConfigArgs.local_filesystem()
                return DefsStateConfig.from_args(args, default_key=f"Slow[{self.name}]")

            def write_state_to_path(self, state_path):
                time.sleep(float(os.environ.get("BENCHMARK_SECONDS", "0")))
                state_path.write_text(self.name)

            def build_defs_from_state(self, context, state_path):
                return dg.Definitions()


        class Blocking(Slow):
            async def write_state_to_path(self, state_path):
                super().write_state_to_path(state_path)
    """,
}


@dataclass(frozen=True)
class BenchProject:
    """A project on disk, and the interpreter for its code."""

    directory: Path
    python: Path

    @property
    def state_dir(self) -> Path:
        """Where its state is."""
        return self.directory / "src/bench/defs/.local_defs_state"

    def forget(self) -> None:
        """Remove its state, so that a refresh begins with none."""
        shutil.rmtree(self.state_dir, ignore_errors=True)


def native_project(directory: Path, python: Path, count: int) -> BenchProject:
    """Write a project without Dagster that declares ``count`` components in one ``defs.yaml``."""
    documents = [f"type: bench.components.Slow\nattributes:\n  name: n{number:04}\n" for number in range(count)]
    _write(directory, {**_NATIVE, "src/bench/defs/defs.yaml": "---\n".join(documents)})
    return BenchProject(directory, python)


def dagster_project(directory: Path, python: Path, count: int, component: str = "Slow") -> BenchProject:
    """Write a Dagster project that declares ``count`` components, each in a directory of its own, as ``dg`` does."""
    text = "type: bench.components.{}\nattributes:\n  name: n{:04}\n"
    declared = {f"src/bench/defs/n{number:04}/defs.yaml": text.format(component, number) for number in range(count)}
    _write(directory, {**_DAGSTER, **declared})
    return BenchProject(directory, python)


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
