"""The projects in ``tests/samples``: copied, refreshed, built with their own backends, and verified."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tomlkit

from statebake import pipeline
from statebake.model.finding import Severity
from statebake.pipeline.inspecting import find_artifact
from statebake.pipeline.truth import check_truth, expected_here, facts_here
from statebake.verify.cause import ProjectFacts
from statebake.verify.expected import Expected
from statebake.verify.truth import Truth
from support.cli import clean_env, run, statebake
from support.dagster import REPO

SAMPLES = REPO / "tests" / "samples"
UV = Path(sys.executable).parent / "uv"


@dataclass(frozen=True)
class Sample:
    """A copy of a sample, and the environment for what looks at it."""

    directory: Path
    env: Mapping[str, str | None]

    @classmethod
    def copy(cls, name: str, target: Path, env: Mapping[str, str | None] | None = None) -> Sample:
        """Copy a sample without what others have left in it, and refresh it."""
        left_out = shutil.ignore_patterns("__pycache__", ".local_defs_state", "dist", "build", "*.egg-info")
        shutil.copytree(SAMPLES / name, target, ignore=left_out)
        made = cls(target, env or {})
        made.refresh()
        return made

    def refresh(self, **env: str) -> None:
        """Fetch its state."""
        statebake("refresh", cwd=self.directory, env={**self.env, **env}).ok()

    def wheel(self) -> Path:
        """Build its wheel with its own backend, as ``python -m build --wheel`` does, and return it."""
        shutil.rmtree(self.directory / "build", ignore_errors=True)
        out = self.directory / "dist"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, self.directory]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # uv_build is one
        run(command, cwd=self.directory, env={"PATH": programs}).ok()
        [wheel] = out.glob("*.whl")
        return wheel

    def add(self, text: str) -> None:
        """Add what the next step of a finding says is to be added to ``pyproject.toml`` or set in a table of it."""
        path = self.directory / "pyproject.toml"
        if change := re.fullmatch(r"set in \[(.+)\] of pyproject\.toml: (.+)", text):
            document = tomlkit.parse(path.read_text())
            table: Any = document["tool"]
            for name in change[1].split(".")[1:]:
                table = table[name]
            table.update(tomlkit.parse(change[2]))
            path.write_text(tomlkit.dumps(document))
            return
        advice = text.removeprefix("add to pyproject.toml:").strip()
        table, bracket, rest = advice.partition("] ")
        lines = f"{table}]\n{rest}" if bracket and "\n" not in table else advice
        path.write_text(f"{path.read_text()}\n{lines}\n")

    def known(self) -> tuple[Expected, ProjectFacts]:
        """Return what the work tree has, and what is known of the project, by its own interpreter."""
        env = clean_env(self.env)

        async def look(opened: pipeline.OpenProject) -> tuple[Expected, ProjectFacts]:
            snapshot, _ = pipeline.check_state(opened)
            return expected_here(opened, snapshot), facts_here(opened, snapshot)

        targets = pipeline.find_targets([self.directory], {}, env, self.directory)
        [found] = pipeline.side_by_side(targets, env, look)
        if isinstance(found, Exception):
            raise found
        return found

    def verify(self, artifact: Path | str, *, against: bool = True, image: bool = False) -> Truth:
        """Return what a truth check finds, against the work tree or only with the project at hand."""
        expected, facts = self.known()
        [found] = find_artifact(str(artifact), clean_env(self.env), image=image, look_around=True)
        return check_truth(
            found,
            against=expected if against else None,
            project=expected,
            facts=facts,
            now=datetime.now(timezone.utc),
        )


def errors(truth: Truth) -> list[tuple[str, str | None, str, str]]:
    """Return every error's code, key, message and next step."""
    return [
        (finding.code.value, finding.key, finding.message, finding.next_step or "")
        for finding in truth.findings
        if finding.severity is Severity.ERROR
    ]
