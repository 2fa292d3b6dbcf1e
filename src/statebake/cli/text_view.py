"""``--format text``: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from statebake.check.check import Severity, short
from statebake.check.status import parse_time
from statebake.cli import human
from statebake.cli.console import columns, open_console
from statebake.cli.redact import redact
from statebake.cli.view import View
from statebake.errors import StatebakeError
from statebake.progress import Observer
from statebake.refresh.report import Outcome

if TYPE_CHECKING:
    from statebake.check import CheckReport, Finding, StatusRow
    from statebake.model.discovery import Discovery
    from statebake.model.record import Record
    from statebake.pipeline import BakeInputs, BakeReport, Target
    from statebake.refresh import RefreshPlan, RefreshReport
    from statebake.verify import ArtifactState

_MARKS = {
    Outcome.UPDATED.value: ("✓", "green"),
    Outcome.UNCHANGED.value: ("=", "green"),
    Outcome.FAILED.value: ("✗", "red"),
}
_OK, _BAD, _ODD = ("✓ ", "green"), ("✗ ", "red"), ("! ", "yellow")


class TextView(View):
    """Renders for people; plain where there is no terminal."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__()
        self._env = env
        self._out = open_console(env)
        self._err = open_console(env, stderr=True)

    def observer(self, target: Target) -> Observer:  # noqa: ARG002
        return _Progress(self._out, self._err)

    def warning(self, text: str) -> None:
        self._err.print(Text(f"warning: {text}", style="yellow"))

    def refresh_started(self, target: Target, plan: RefreshPlan) -> None:
        python = f"{human.path(Path(target.python))} ({target.python_origin})"
        self._heading(target, f"refreshing {human.count(len(plan.fetches), 'key')} with {python}")

    def refresh_plan(self, target: Target, plan: RefreshPlan) -> None:
        self._heading(target, f"would fetch {human.count(len(plan.fetches), 'key')}")
        for fetch in plan.fetches:
            self._out.print(f"  {fetch.key}  by {fetch.component.type}  {fetch.component.declared_at}")
        for skipped in plan.skipped:
            self._out.print(f"  {skipped.key}  skipped: {skipped.reason}")
        for blocked in plan.blocked:
            self._error(blocked.error)

    def bake_inputs(self, target: Target, inputs: BakeInputs) -> None:
        self._heading(target, f"would write {human.path(inputs.output)}")
        self._out.print(f"  runs {inputs.entry_point}, with {human.count(inputs.sources, 'file')} of its own code")
        self._out.print(f"  dependencies from {human.path(inputs.dependencies.path)}")

    def refresh_report(self, target: Target, report: RefreshReport) -> None:
        for item in report.keys:
            if item.outcome is Outcome.SKIPPED:
                self._out.print(Text.assemble(("  - ", "yellow"), f"{item.key}  skipped: {item.note}"))
        for item in report.failed:
            if item.error is not None:
                self._error(item.error)
                if item.key is not None:
                    kept = "its last good state is still there" if item.kept else "it has no state yet"
                    self._err.print(f"  note: {item.key}: {kept}")
        for failure in report.bystanders:
            self.warning(f"{failure.declared_at} is not needed here, but cannot be loaded: {failure.error.message}")
        counts = Counter(item.outcome for item in report.keys)
        parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
        text = f"{target.project.name}: {', '.join(parts) or 'there are no state-backed components'}"
        self._out.print(Text.assemble(_BAD if report.failed else _OK if parts else _ODD, text))

    def status(self, target: Target, discovery: Discovery, rows: Sequence[StatusRow], report: CheckReport) -> None:
        self._heading(target, f"{discovery.host}, Python {discovery.python.version} ({target.python_origin})")
        header = ("key", "health", "age", "size", "files", "digest", "strategy")
        lines = columns(
            header,
            [
                (
                    row.key,
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
            if finding.key is None:
                self._finding(finding)

    def check_report(self, target: Target, report: CheckReport) -> None:
        for finding in report.findings:
            self._finding(finding)
        warned = len(report.findings) - len(report.errors)
        warnings = f", {human.count(warned, 'warning')}" if warned else ""
        if report.errors:
            mark = _BAD
            text = f"{human.count(len(report.errors), 'error')}{warnings} in {human.count(report.keys, 'key')}"
        elif report.keys:
            mark = _OK
            what = "has its state" if report.keys == 1 else "have their state"
            text = f"{human.count(report.keys, 'key')} {what}{warnings}"
        else:
            mark, text = _ODD, f"there are no keys{warnings}"
        self._out.print(Text.assemble(mark, f"{target.project.name}: {text}"))

    def bake_report(self, target: Target, report: BakeReport) -> None:
        source = report.dependencies
        how = "reused" if report.dependencies_reused else "resolved"
        hint = "" if source.locked or not report.dependencies_reused else " (unlocked; --upgrade resolves again)"
        count = len(report.manifest.keys)
        proof = f"{human.count(count, 'key')}, every digest proved in the file" if count else "no keys"
        line = f"{target.project.name}: {human.path(report.output)}  {human.size(report.size)}, {proof}"
        self._out.print(Text.assemble(_OK if count else _ODD, line))
        self._out.print(f"  dependencies from {source.path.name}, {how}{hint}")
        self._out.print(f"  next: statebake inspect {shlex.quote(human.path(report.output))}", style="dim")

    def artifact(self, path: Path, states: Sequence[ArtifactState], now: datetime) -> None:
        from statebake.verify import artifact_error

        for state in states:
            manifest = state.manifest
            self._out.print(Text(f"{human.path(path)}  {human.size(path.stat().st_size)}", style="bold"))
            facts = [f"project {manifest.project}", manifest.host, f"baked by {manifest.tool}"]
            if manifest.revision:
                commit, _, dirty = manifest.revision.partition("-")
                facts.append(f"revision {commit[:12]}{' with changes' if dirty else ''}")
            self._out.print(f"  {', '.join(facts)}\n  state in {state.path}")
            rows = []
            for key in state.keys:
                record, summary = key.record, key.summary
                fetched = (now - parse_time(record.fetched_at)).total_seconds() if record.fetched_at else None
                sound = summary is not None and summary.digest == record.digest
                rows.append(
                    (
                        record.key,
                        Text("ok" if sound else "differs" if summary else "missing", style="green" if sound else "red"),
                        human.age(fetched),
                        human.size(summary.bytes if summary else None),
                        str(summary.files) if summary else "–",
                        short(summary.digest) if summary else "–",
                        record.origin,
                    )
                )
            header = ("key", "proof", "age", "size", "files", "digest", "origin")
            for line in columns(header, rows, right=("age", "size", "files")):
                self._out.print(line)
            if error := artifact_error(state, str(path)):
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
        self._error(error)

    def _error(self, error: StatebakeError) -> None:
        print_error(error, self._err, self._env)

    def _heading(self, target: Target, note: str) -> None:
        self._out.print(Text.assemble((target.project.name, "bold"), f"  {note}"))

    def _finding(self, finding: Finding) -> None:
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        subject = f"{finding.key}: " if finding.key else ""
        label = f"{finding.severity.value}[{finding.code.value}]: "
        self._err.print(Text.assemble((label, style), f"{subject}{finding.message}"))
        if finding.where:
            self._err.print(f"  at {finding.where}")
        if finding.next_step:
            self._err.print(f"  next: {finding.next_step}")


class _Progress(Observer):
    """One line per event, as it happens: readable in a CI log."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._err = err

    def stage(self, title: str) -> None:
        self._err.print(f"{title} …", style="dim")

    def fetch_ended(self, key: str, outcome: str, record: Record | None, duration_s: float) -> None:
        mark, style = _MARKS[outcome]
        line = Text.assemble((f"  {mark} ", style), key, (f"  {outcome}", style), f"  {duration_s:.1f} s")
        if record:
            line.append(f"  {human.count(record.files, 'file')}, {human.size(record.bytes)}")
            line.append(f"  {short(record.digest)}", style="dim")
        self._out.print(line)


def print_error(error: StatebakeError, console: Console, env: Mapping[str, str]) -> None:
    """Print an error: code, what happened, where, what was printed, and the next step.

    Secrets are taken out before a text is cut into lines or shortened: a part of one would not be recognized.
    """
    message = human.clip(redact(error.message, env), 1000)
    console.print(Text.assemble((f"error[{error.code.value}]: ", "bold red"), message))
    if error.where:
        console.print(f"  at {error.where}")
    for line in redact(error.detail or "", env).splitlines():
        console.print(f"  | {human.clip(line, 400)}", style="dim")
    if error.next_step:
        console.print(f"  next: {error.next_step}")
