"""``--format text``: results on standard output, progress and errors on standard error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from statebake.check.check import Severity, short
from statebake.check.status import parse_time
from statebake.cli import human
from statebake.cli.redact import redact
from statebake.cli.view import View
from statebake.errors import StatebakeError
from statebake.progress import Observer
from statebake.refresh.report import Outcome

if TYPE_CHECKING:
    from statebake.check import CheckReport, Finding, StatusRow
    from statebake.model.discovery import Discovery
    from statebake.model.record import Record
    from statebake.pipeline import BakeReport, Target
    from statebake.refresh import RefreshPlan, RefreshReport
    from statebake.verify import ArtifactState

_MARKS = {
    Outcome.UPDATED.value: ("✓", "green"),
    Outcome.UNCHANGED.value: ("=", "green"),
    Outcome.FAILED.value: ("✗", "red"),
}


class TextView(View):
    """Renders for people; plain where there is no terminal."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def observer(self, target: Target) -> Observer:  # noqa: ARG002
        return _Progress(self._out, self._err)

    def warnings(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._err.print(Text(f"warning: {self._clean(text)}", style="yellow"))

    def refresh_started(self, target: Target, plan: RefreshPlan) -> None:
        python = f"{human.path(Path(target.python))} ({target.python_origin})"
        self._heading(target, f"refreshing {human.count(len(plan.fetches), 'key')} with {python}")

    def refresh_plan(self, target: Target, plan: RefreshPlan) -> None:
        self._heading(target, f"would fetch {human.count(len(plan.fetches), 'key')}")
        for fetch in plan.fetches:
            self._out.print(f"  {fetch.key}  by {fetch.component.type}  {fetch.component.declared_at}", markup=False)
        for skipped in plan.skipped:
            self._out.print(f"  {skipped.key}  skipped: {skipped.reason}", markup=False)
        for blocked in plan.blocked:
            self.error(blocked.error)

    def bake_plan(self, target: Target) -> None:
        output = target.settings.pex.output
        assert output is not None
        self._out.print(f"  would write {human.path(output)}", markup=False)

    def refresh_report(self, target: Target, report: RefreshReport) -> None:
        for item in report.keys:
            if item.outcome is Outcome.SKIPPED:
                self._out.print(Text.assemble(("  - ", "yellow"), f"{item.key}  skipped: {item.note}"))
        for item in report.failed:
            if item.error is not None:
                self.error(item.error)
                if item.key is not None:
                    kept = "its last good state is still there" if item.kept else "it has no state yet"
                    self._err.print(f"  note: {item.key}: {kept}", markup=False)
        for failure in report.bystanders:
            self.warnings([f"{failure.declared_at} is not needed here, but cannot be loaded: {failure.error.message}"])
        counts = Counter(item.outcome for item in report.keys)
        parts = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
        mark = ("✗ ", "red") if report.failed else ("✓ ", "green")
        text = f"{target.project.name}: {', '.join(parts) or 'there are no state-backed components'}"
        self._out.print(Text.assemble(mark, text))

    def status(self, target: Target, discovery: Discovery, rows: Sequence[StatusRow], report: CheckReport) -> None:
        self._heading(target, f"{discovery.host}, Python {discovery.python.version} ({target.python_origin})")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("key", "components", "strategy", "age", "size", "files", "digest", "health"):
            table.add_column(title, justify="right" if title in {"age", "size", "files"} else "left", no_wrap=True)
        for row in rows:
            table.add_row(
                Text(row.key),
                Text("\n".join(row.components)),
                row.strategy,
                human.age(row.age_s),
                human.size(row.bytes),
                "–" if row.files is None else str(row.files),
                short(row.digest) if row.digest else "–",
                Text(row.health, style="green" if row.health == "ok" else "red"),
            )
        if rows:
            _wide(self._out).print(table)
        else:
            self._out.print("  no state-backed components")
        for finding in report.findings:
            if finding.key is None:
                self._finding(finding)

    def check_report(self, target: Target, report: CheckReport) -> None:
        for finding in report.findings:
            self._finding(finding)
        warned = len(report.findings) - len(report.errors)
        warnings = f", {human.count(warned, 'warning')}" if warned else ""
        if report.errors:
            text = f"{human.count(len(report.errors), 'error')}{warnings} in {human.count(report.keys, 'key')}"
            self._out.print(Text.assemble(("✗ ", "red"), f"{target.project.name}: {text}"))
        else:
            what = "has its state" if report.keys == 1 else "have their state"
            text = f"{human.count(report.keys, 'key')} {what}{warnings}"
            self._out.print(Text.assemble(("✓ ", "green"), f"{target.project.name}: {text}"))

    def bake_report(self, target: Target, report: BakeReport) -> None:
        source = report.dependencies
        how = "reused" if report.dependencies_reused else "resolved"
        hint = "" if source.locked or not report.dependencies_reused else " (unlocked; --upgrade resolves again)"
        keys = human.count(len(report.manifest.keys), "key")
        facts = f"{human.size(report.size)}, {keys}, every digest proved in the file"
        self._out.print(Text.assemble(("✓ ", "green"), f"{target.project.name}: {human.path(report.output)}  {facts}"))
        self._out.print(f"  dependencies from {source.path.name}, {how}{hint}", markup=False)
        self._out.print(f"  next: statebake inspect {human.path(report.output)}", markup=False, style="dim")

    def artifact(self, path: Path, states: Sequence[ArtifactState], now: datetime) -> None:
        from statebake.verify import mismatches

        for state in states:
            manifest = state.manifest
            self._out.print(Text(f"{human.path(path)}  {human.size(path.stat().st_size)}", style="bold"))
            facts = [f"project {manifest.project}", manifest.host, f"baked by {manifest.tool}"]
            if manifest.revision:
                facts.append(
                    f"revision {manifest.revision[:12]}{'-dirty' if manifest.revision.endswith('-dirty') else ''}"
                )
            self._out.print(f"  {', '.join(facts)}\n  state in {state.path}", markup=False)
            table = Table(box=None, pad_edge=False, header_style="bold")
            for title in ("key", "age", "size", "files", "digest", "origin", "proof"):
                table.add_column(title, justify="right" if title in {"age", "size", "files"} else "left", no_wrap=True)
            for key in state.keys:
                record, summary = key.record, key.summary
                fetched = (now - parse_time(record.fetched_at)).total_seconds() if record.fetched_at else None
                sound = summary is not None and summary.digest == record.digest
                table.add_row(
                    Text(record.key),
                    human.age(fetched),
                    human.size(summary.bytes if summary else None),
                    str(summary.files) if summary else "–",
                    short(summary.digest) if summary else "–",
                    record.origin,
                    Text("ok" if sound else "differs" if summary else "missing", style="green" if sound else "red"),
                )
            _wide(self._out).print(table)
            for problem in mismatches(state):
                self._err.print(Text(f"error: {problem}", style="red"))

    def config(self, target: Target) -> None:
        from statebake.config import render_rows

        self._heading(target, str(target.project.directory))
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("setting", "value", "from"):
            table.add_column(title, no_wrap=True)
        for name, value, origin in render_rows(target.config):
            table.add_row(Text(name), Text(self._clean(value)), Text(origin))
        table.add_row(Text("(interpreter)"), Text(target.python), Text(target.python_origin))
        _wide(self._out).print(table)

    def error(self, error: StatebakeError) -> None:
        print_error(error, self._env, self._err)

    def _heading(self, target: Target, note: str) -> None:
        self._out.print(Text.assemble((target.project.name, "bold"), f"  {note}"))

    def _finding(self, finding: Finding) -> None:
        style = "red" if finding.severity is Severity.ERROR else "yellow"
        subject = f"{finding.key}: " if finding.key else ""
        text = Text.assemble(
            (f"{finding.severity.value}[{finding.code.value}]: ", style), self._clean(f"{subject}{finding.message}")
        )
        self._err.print(text)
        if finding.where:
            self._err.print(f"  at {self._clean(finding.where)}", markup=False)
        if finding.next_step:
            self._err.print(f"  next: {self._clean(finding.next_step)}", markup=False)

    def _clean(self, text: str) -> str:
        return redact(text, self._env)


class _Progress(Observer):
    """One line per event, as it happens: readable in a CI log."""

    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._err = err

    def stage(self, title: str) -> None:
        self._err.print(f"{title} …", markup=False, style="dim")

    def fetch_ended(self, key: str, outcome: str, record: Record | None, duration_s: float) -> None:
        mark, style = _MARKS[outcome]
        line = Text.assemble((f"  {mark} ", style), key, (f"  {outcome}", style), f"  {duration_s:.1f} s")
        if record:
            line.append(f"  {human.count(record.files, 'file')}, {human.size(record.bytes)}")
            line.append(f"  {short(record.digest)}", style="dim")
        self._out.print(line)


def print_error(error: StatebakeError, env: Mapping[str, str], console: Console | None = None) -> None:
    """Print an error: code, what happened, where, what was printed, and the next step."""
    console = console or Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble((f"error[{error.code.value}]: ", "bold red"), redact(error.message, env)))
    if error.where:
        console.print(f"  at {redact(error.where, env)}", markup=False)
    for line in redact(error.detail or "", env).splitlines():
        console.print(f"  | {line}", markup=False, style="dim")
    if error.next_step:
        console.print(f"  next: {redact(error.next_step, env)}", markup=False)


def _wide(console: Console) -> Console:
    """Return a console that never cuts a table where the output is no terminal."""
    return console if console.is_terminal else Console(file=console.file, highlight=False, width=400)
