"""``--format text``: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from statebake.check.check import short
from statebake.cli import human
from statebake.cli.board import Board, Progress
from statebake.cli.console import columns, open_console
from statebake.cli.echo import echo
from statebake.cli.image_view import headline, inputs_lines, report_lines, written_lines
from statebake.cli.view import View
from statebake.errors import Code, StatebakeError
from statebake.model.finding import Severity
from statebake.model.outcome import Outcome
from statebake.progress import Observer
from statebake.redact import redact

if TYPE_CHECKING:
    from statebake.check import CheckReport, StatusRow
    from statebake.check.garbage import CollectionPlan
    from statebake.model.discovery import Discovery
    from statebake.model.finding import Finding
    from statebake.pipeline import Target
    from statebake.pipeline.baking import BakeInputs, BakeReport
    from statebake.pipeline.build_inputs import BuildInputs, ImageInputs
    from statebake.pipeline.building import ImageReport
    from statebake.pipeline.dockerfile import DockerfileReport, GeneratedFiles
    from statebake.pipeline.gate import Verified
    from statebake.pipeline.inspecting import Artifact
    from statebake.pipeline.setting_up import Setup
    from statebake.refresh import RefreshPlan, RefreshReport

_LONGEST_KEY = 255
_OK, _BAD, _ODD = ("✓ ", "green"), ("✗ ", "red"), ("! ", "yellow")


class TextView(View):
    """Renders for people; plain where there is no terminal."""

    def __init__(self, env: Mapping[str, str], *, verbose: bool = False) -> None:
        super().__init__(env)
        self._out = open_console(self.env)
        self._err = open_console(self.env, stderr=True)
        self._verbose = verbose
        self._board = Board(self._out)
        self._several = False
        self._told: set[tuple[Path, Code, str | None]] = set()
        self._noted: set[str] = set()

    def work_on(self, targets: Sequence[Target]) -> None:
        super().work_on(targets)
        self._several = len(targets) > 1

    def observer(self, target: Target) -> Observer:
        prefix = f"{target.project.name}: " if self._several else ""
        return Progress(self._board, self._err, prefix, self, verbose=self._verbose)

    def warning(self, text: str) -> None:
        self._err.print(Text(f"warning: {text}", style="yellow"))

    def refresh_started(self, target: Target, plan: RefreshPlan) -> None:
        python = f"{human.path(Path(target.python))} ({target.python_origin})"
        self._heading(target, f"refreshing {human.count(len(plan.fetches), 'key')} with {python}")
        for finding in plan.findings:
            self._finding(finding, target)

    def refresh_plan(self, target: Target, plan: RefreshPlan) -> None:
        self._heading(target, f"would fetch {human.count(len(plan.fetches), 'key')}")
        for fetch in plan.fetches:
            self._out.print(f"  {fetch.key}  by {fetch.component.type}  {fetch.component.declared_at}")
        for skipped in plan.skipped:
            self._out.print(f"  {skipped.key}  skipped: {_why_skipped(skipped.note, skipped.age_s)}")
        for finding in plan.findings:
            self._finding(finding, target)
        for blocked in plan.blocked:
            self._error(blocked.error, target)

    def bake_inputs(self, target: Target, inputs: BakeInputs) -> None:
        self._heading(target, f"would write {human.path(inputs.output)}")
        form = "as a wheel" if inputs.code.as_wheel else "as they are"
        files = human.count(inputs.sources, "file")
        self._out.print(f"  runs {inputs.entry_point}, with {files} of its own code, {form}: {inputs.code.why}")
        self._out.print(f"  dependencies from {human.path(inputs.dependencies.path)}")

    def refresh_report(self, target: Target, report: RefreshReport, discovery_s: float) -> None:
        with self._board.aside():
            self._refresh_report(target, report, discovery_s)

    def _refresh_report(self, target: Target, report: RefreshReport, discovery_s: float) -> None:
        for item in report.keys:
            if item.outcome is Outcome.SKIPPED and (self._verbose or item.age_s is None):
                note = _why_skipped(item.note or "", item.age_s)
                self._out.print(Text.assemble(("  - ", "yellow"), f"{item.key}  skipped: {note}"))
        for item in report.keys:
            if item.outcome is Outcome.STALE and item.error is not None and item.record and item.record.stale:
                age = human.age(item.record.stale.age_s)
                self._error(item.error, target, label="warning", style="bold yellow")
                self._err.print(f"  note: {item.key} keeps its state, confirmed {age} ago, and is marked as stale")
        for warning in (warning for item in report.keys for warning in item.warnings):
            self._finding(warning, target)
        for note in report.notes:
            self._noted.add(note)
            self._out.print(Text(f"  note: {note}", style="dim"))
        for item in report.failed:
            if item.error is not None:
                self._error(item.error, target)
                if item.key is not None:
                    kept = "its last good state is still there" if item.kept else "it has no state yet"
                    tried = f"tried {item.attempts} times; " if item.attempts > 1 else ""
                    self._err.print(f"  note: {human.clip(item.key, _LONGEST_KEY)}: {tried}{kept}")
        for failure in report.bystanders:
            self.warning(f"{failure.declared_at} is not needed here, but cannot be loaded: {failure.error.message}")
        counts = Counter(item.outcome for item in report.keys)
        parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
        nothing = "nothing to refresh" if report.known else "there are no state-backed components"
        text = f"{target.project.name}: {', '.join(parts) or nothing}"
        mark = _BAD if report.exit else _ODD if counts[Outcome.STALE] or not (parts or report.known) else _OK
        took = f"  {human.seconds(discovery_s + report.fetch_s)}" if parts else ""
        self._out.print(Text.assemble(mark, text, (took, "dim")))
        if counts[Outcome.HELD_BACK] and self._several:
            self._out.print("  next: mend what failed, then the same command again", style="dim")
        elif counts[Outcome.HELD_BACK]:
            again = "statebake refresh --failed --all-or-nothing"
            self._out.print(f"  next: {_in_project(again, target)}", style="dim")
        elif len(report.failed) > 1:
            self._out.print(f"  next: {_in_project('statebake refresh --failed', target)}", style="dim")

    def status(self, target: Target, discovery: Discovery, rows: Sequence[StatusRow], report: CheckReport) -> None:
        self._heading(target, f"{discovery.host}, Python {discovery.python.version} ({target.python_origin})")
        header = ("key", "health", "age", "size", "files", "digest", "strategy")
        lines = columns(
            header,
            [
                (
                    human.clip(row.key, _LONGEST_KEY),
                    Text(row.health, style="green" if row.health == "ok" else "red"),
                    human.age(row.age_s),
                    human.size(row.bytes),
                    "–" if row.files is None else str(row.files),
                    short(row.digest) if row.digest else "–",
                    row.strategy,
                )
                for row in rows
            ],
            right=("age", "size", "files"),
        )
        if rows:
            self._out.print(lines[0])
        for row, line in zip(rows, lines[1:], strict=True):
            self._out.print(line)
            for component in row.components:
                self._out.print(Text(f"  {component}", style="dim"))
            for finding in report.findings:
                if (finding.code, finding.key) == (Code.STALE_STATE, row.key):
                    self._out.print(Text(f"  {human.clip(redact(finding.message, self.env), 400)}", style="yellow"))
        for finding in report.findings:
            if finding.key is None:
                self._finding(finding, target)

    def check_report(self, target: Target, report: CheckReport) -> None:
        for finding in report.findings:
            self._finding(finding, target)
        mark = _BAD if report.errors else _OK if report.keys else _ODD
        text = human.verdict(len(report.errors), len(report.findings) - len(report.errors), report.keys)
        self._out.print(Text.assemble(mark, f"{target.project.name}: {text}"))

    def collected(self, target: Target, plan: CollectionPlan, *, dry_run: bool) -> None:
        from statebake.cli.garbage_view import garbage_lines

        for line in garbage_lines(target.project.name, plan, datetime.now(timezone.utc), dry_run=dry_run):
            self._out.print(line)

    def bake_report(self, target: Target, report: BakeReport) -> None:
        from statebake.cli.verified_view import not_written

        if not self._passed(target, report.verified, not_written(report.output)):
            return
        source = report.dependencies
        how = "reused" if report.dependencies_reused else "resolved"
        hint = "" if source.locked or not report.dependencies_reused else " (unlocked; --upgrade resolves again)"
        count = len(report.manifest.keys)
        proof = f"{human.count(count, 'key')}, every digest proved in the file" if count else "no keys"
        line = f"{target.project.name}: {human.path(report.output)}  {human.size(report.size)}, {proof}"
        self._out.print(Text.assemble(_OK if count else _ODD, line))
        self._how_verified(report.verified)
        form = "in its wheel" if report.code.as_wheel else "from its files"
        self._out.print(f"  code {form}: {report.code.why}")
        self._out.print(f"  dependencies from {source.path.name}, {how}{hint}")
        self._out.print(f"  next: statebake inspect {shlex.quote(human.path(report.output))}", style="dim")

    def image_inputs(self, target: Target, inputs: ImageInputs) -> None:
        self._heading(target, f"would build {', '.join(target.settings.docker.tags) or 'an image'}")
        for line in inputs_lines(inputs):
            self._out.print(line)

    def build_inputs(self, target: Target, inputs: ImageInputs, written: BuildInputs) -> None:
        keys = human.count(len(written.manifest.keys), "key") if written.manifest else "what a refresh needs"
        ready = (
            f"{human.path(written.directory)} and the build context are"
            if written.directory
            else "the build context is"
        )
        line = f"{target.project.name}: {ready} ready, with {keys}"
        self._out.print(Text.assemble(_OK, line))
        for line in written_lines(inputs, written):
            self._out.print(_in_project(line, target) or "", style="dim" if line.startswith("  next") else "")

    def image_report(self, target: Target, report: ImageReport) -> None:
        from statebake.cli.verified_view import not_named

        if not self._passed(target, report.verified, not_named(target.settings.docker.tags)):
            return
        mark = _OK if report.proof.manifest.keys else _ODD
        self._out.print(Text.assemble(mark, f"{target.project.name}: {headline(report)}"))
        self._how_verified(report.verified)
        for line in report_lines(report):
            self._out.print(line, style="dim" if line.startswith("  next") else "")

    def _passed(self, target: Target, verified: Verified, lost: str) -> bool:
        """Show what is wrong with what a bake has made, and return whether it passed; ``lost``: what became of it."""
        from statebake.cli.verified_view import failed_lines

        if verified.exit:
            for line in failed_lines(verified, self.env):
                self._out.print(line)
            self._out.print(Text.assemble(_BAD, f"{target.project.name}: {lost}"))
            return False
        for finding in verified.findings:
            if finding.key is None or (target.project.directory, finding.code, finding.key) not in self._told:
                self._finding(finding, target)
        return True

    def _how_verified(self, verified: Verified) -> None:
        from statebake.cli.verified_view import passed_lines

        for line in passed_lines(verified, self.env, noted=self._noted):
            self._out.print(line)

    def dockerfile_text(self, target: Target, text: str) -> None:  # noqa: ARG002
        echo(text.removesuffix("\n"))

    def dockerfile_checked(self, target: Target, generated: GeneratedFiles) -> None:
        names = " and ".join(human.path(file.path) for file in generated.files)
        self._out.print(Text.assemble(_OK, f"{target.project.name}: {names} are up to date"))

    def dockerfile_report(self, target: Target, report: DockerfileReport) -> None:
        written = [file for file in report.files if file.before.value != "current"]
        names = [human.path(file.path) for file in written] or ["nothing to change"]
        line = f"{target.project.name}: {' and '.join(names)}, dependencies from {report.parts.dependencies.path.name}"
        self._out.print(Text.assemble(_OK, line))
        for file in written:
            if file.kept is not None:
                self._out.print(f"  {human.path(file.path)} as it was is kept as {file.kept.name}")
        context = report.parts.plan.context
        if context != target.project.directory:
            self._out.print(f"  build context: {human.path(context)}")
        if report.parts.plan.refresh is None:
            next_step = shlex.join(["statebake", "bake", "docker", *report.call.file])
            self._out.print(f"  next: {next_step}", style="dim")

    def setup_plan(self, target: Target, setup: Setup) -> None:  # noqa: ARG002
        from statebake.cli.setup_view import change_lines, found_lines

        for line in (*found_lines(setup), *change_lines(setup, self.env)):
            self._out.print(line)

    def setup_report(self, target: Target, setup: Setup, written: Sequence[Path]) -> None:  # noqa: ARG002
        from statebake.cli.setup_view import next_steps, report_line

        self._out.print(Text.assemble(_OK, report_line(setup, written)))
        for step in next_steps(setup) if written else ():
            self._out.print(f"  next: {step}", style="dim")

    def setup_not_written(self, command: str) -> None:
        echo(f"Nothing was written. `{command}` writes it.")

    def artifacts(self, artifacts: Sequence[Artifact], now: datetime) -> None:
        from statebake.cli.artifact_view import artifact_lines

        for artifact in artifacts:
            for line in artifact_lines(artifact, now):
                self._out.print(line)
            for state in artifact.states:
                if error := artifact.error(state):
                    self._error(error)

    def config(self, target: Target) -> None:
        from statebake.config import render_rows

        self._heading(target, str(target.project.directory))
        rows = [*render_rows(target.config), ("(interpreter)", target.python, target.python_origin)]
        for line in columns(("setting", "value", "from"), rows):
            self._out.print(line)

    def error(self, error: StatebakeError, target: Target | None = None) -> None:
        if target is not None:
            self._out.print(Text.assemble(_BAD, f"{target.project.name}: not done"))
        self._error(error, target)

    def _error(
        self, error: StatebakeError, target: Target | None = None, label: str = "error", style: str = "bold red"
    ) -> None:
        if target is not None:
            error = StatebakeError(
                error.code,
                f"{target.project.name}: {error.message}" if self._several else error.message,
                where=error.where,
                next_step=_in_project(error.next_step, target),
                detail=error.detail,
            )
        print_error(error, self._err, self.env, label=label, style=style)

    def _heading(self, target: Target, note: str) -> None:
        self._out.print(Text.assemble((target.project.name, "bold"), f"  {note}"))

    def _finding(self, finding: Finding, target: Target) -> None:
        self._told.add((target.project.directory, finding.code, finding.key))
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        subject = f"{finding.key}: " if finding.key else ""
        label = f"{finding.severity.value}[{finding.code.value}]: "
        message = human.clip(redact(f"{subject}{finding.message}", self.env), 1000)
        self._err.print(Text.assemble((label, style), message))
        if finding.where:
            self._err.print(f"  at {finding.where}")
        if finding.next_step:
            self._err.print(f"  next: {_in_project(finding.next_step, target)}")


def print_error(
    error: StatebakeError, console: Console, env: Mapping[str, str], *, label: str = "error", style: str = "bold red"
) -> None:
    """Print an error: code, what happened, where, what was printed, and the next step.

    Secrets are taken out before a text is cut into lines or shortened: a part of one would not be recognized.
    """
    message = human.clip(redact(error.message, env), 1000)
    console.print(Text.assemble((f"{label}[{error.code.value}]: ", style), message))
    if error.where:
        console.print(f"  at {error.where}")
    for line in redact(error.detail or "", env).splitlines():
        console.print(f"  | {human.clip(line, 400)}", style="dim")
    if error.next_step:
        console.print(f"  next: {error.next_step}")


def _why_skipped(note: str, age_s: float | None) -> str:
    return note if age_s is None else f"{note}, confirmed {human.age(age_s)} ago"


def _in_project(next_step: str | None, target: Target) -> str | None:
    return None if next_step is None else human.in_project(next_step, target.project.directory)
