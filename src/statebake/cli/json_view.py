"""``--format json``: one document on standard output; what ends a command on standard error as well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statebake import __version__
from statebake.cli.echo import echo
from statebake.cli.image_view import inputs_json, report_json, written_json
from statebake.cli.json_text import FORMAT, dump_json
from statebake.cli.view import View
from statebake.errors import StatebakeError
from statebake.model.outcome import KeyOutcome
from statebake.progress import Observer
from statebake.redact import redactor

if TYPE_CHECKING:
    from statebake.bake.code_form import CodeForm
    from statebake.check import CheckReport, StatusRow
    from statebake.check.garbage import CollectionPlan, Leftover
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


class JsonView(View):
    """Collects everything and prints it once, so that the output is always one whole document."""

    def __init__(self, env: Mapping[str, str]) -> None:
        super().__init__(env)
        self._document: dict[str, Any] = {"format": FORMAT, "statebake": __version__}
        self._projects: dict[Path, dict[str, Any]] = {}
        self._refreshes: dict[Path, dict[str, KeyOutcome | None]] = {}  # how each key ended, if it has

    def observer(self, target: Target) -> Observer:
        return _Progress(self, self._refreshes.get(target.project.directory, {}))

    def work_on(self, targets: Sequence[Target]) -> None:
        super().work_on(targets)
        for target in targets:
            self._project(target)

    def warning(self, text: str) -> None:
        self._document.setdefault("warnings", []).append(text)

    def refresh_started(self, target: Target, plan: RefreshPlan) -> None:
        self._project(target)["findings"] = [_finding(item) for item in plan.findings]
        self._refreshes[target.project.directory] = dict.fromkeys(fetch.key for fetch in plan.fetches)

    def refresh_plan(self, target: Target, plan: RefreshPlan) -> None:
        self._project(target)["findings"] = [_finding(item) for item in plan.findings]
        self._project(target)["refresh_plan"] = {
            "fetches": [
                {"key": fetch.key, "type": fetch.component.type, "declared_at": fetch.component.declared_at}
                for fetch in plan.fetches
            ],
            "skipped": [{"key": item.key, "reason": item.note} for item in plan.skipped],
            "blocked": [{"key": item.key, "error": error_json(item.error)} for item in plan.blocked],
        }

    def bake_inputs(self, target: Target, inputs: BakeInputs) -> None:
        self._project(target)["bake_plan"] = {
            "output": str(inputs.output),
            "entry_point": inputs.entry_point,
            "source_files": inputs.sources,
            "code": _code(inputs.code),
            "dependencies_from": str(inputs.dependencies.path),
        }

    def refresh_report(self, target: Target, report: RefreshReport, discovery_s: float) -> None:
        total = round(discovery_s + report.fetch_s, 3)
        timing = {"discovery_s": discovery_s, "fetch_s": report.fetch_s, "total_s": total}
        self._project(target)["timing"] = timing
        self._project(target)["refresh"] = {
            "keys": [_outcome(item) for item in report.keys],
            "not_loaded": [error_json(failure.error) for failure in report.bystanders],
            "notes": list(report.notes),
        }

    def status(self, target: Target, discovery: Discovery, rows: Sequence[StatusRow], report: CheckReport) -> None:
        project = self._project(target)
        project["host"] = discovery.host
        project["python"] = {"path": discovery.python.path, "version": discovery.python.version}
        project["keys"] = [
            {
                "key": row.key,
                "components": list(row.components),
                "strategy": row.strategy,
                "age_s": row.age_s,
                "bytes": row.bytes,
                "files": row.files,
                "digest": row.digest,
                "health": row.health,
            }
            for row in rows
        ]
        self.check_report(target, report)

    def check_report(self, target: Target, report: CheckReport) -> None:
        self._project(target)["check"] = {
            "ok": not report.errors,
            "keys": report.keys,
            "findings": [_finding(item) for item in report.findings],
        }

    def collected(self, target: Target, plan: CollectionPlan, *, dry_run: bool) -> None:
        self._project(target)["gc"] = {
            "dry_run": dry_run,
            "bytes": plan.bytes,
            "removed": [leftover_json(leftover) for leftover in plan.remove],
            "kept": [{**leftover_json(kept.leftover), "reason": kept.why} for kept in plan.keep],
        }

    def report_fields(self, fields: Mapping[str, Any]) -> None:
        self._document |= fields

    def bake_report(self, target: Target, report: BakeReport) -> None:
        if not self._passed(target, report.verified):
            return
        self._project(target)["pex"] = {
            "output": str(report.output),
            "bytes": report.size,
            "manifest": json.loads(report.manifest.dumps()),
            "code": _code(report.code),
            "dependencies": {
                "from": str(report.dependencies.path),
                "locked": report.dependencies.locked,
                "reused": report.dependencies_reused,
            },
        }

    def image_inputs(self, target: Target, inputs: ImageInputs) -> None:
        self._project(target)["image_plan"] = inputs_json(inputs)

    def build_inputs(self, target: Target, inputs: ImageInputs, written: BuildInputs) -> None:
        self._project(target)["build"] = {**inputs_json(inputs), **written_json(written)}

    def image_report(self, target: Target, report: ImageReport) -> None:
        if not self._passed(target, report.verified):
            return
        self._project(target)["image"] = report_json(report)

    def _passed(self, target: Target, verified: Verified) -> bool:
        from statebake.cli.verified_view import verified_json

        self._project(target)["verification"] = verified_json(verified, self.env)
        return not verified.exit

    def dockerfile_text(self, target: Target, text: str) -> None:
        self._project(target)["dockerfile"] = {"text": text}

    def dockerfile_checked(self, target: Target, generated: GeneratedFiles) -> None:
        files = [{"path": str(file.path), "status": file.status.value} for file in generated.files]
        self._project(target)["dockerfile"] = {"files": files}

    def dockerfile_report(self, target: Target, report: DockerfileReport) -> None:
        plan = report.parts.plan
        self._project(target)["dockerfile"] = {
            "files": [
                {"path": str(file.path), "before": file.before.value, "kept": str(file.kept) if file.kept else None}
                for file in report.files
            ],
            "inputs": str(report.inputs),
            "context": str(plan.context),
            "base_image": plan.base_image,
            "builder": plan.builder,
            "command": list(plan.command),
            "state": plan.state_in_image,
            "dependencies_from": str(report.parts.dependencies.path),
        }

    def setup_plan(self, target: Target, setup: Setup) -> None:
        self.setup_report(target, setup, ())

    def setup_report(self, target: Target, setup: Setup, written: Sequence[Path]) -> None:
        from statebake.cli.setup_view import setup_json

        self._project(target)["setup"] = setup_json(setup, written, self.env)

    def setup_not_written(self, command: str) -> None:
        pass  # every project has what was written, which is nothing

    def artifacts(self, artifacts: Sequence[Artifact], now: datetime) -> None:  # noqa: ARG002
        self._document["artifact"] = artifacts[0].name
        self._document["kind"] = artifacts[0].kind
        images = [image_json(artifact) for artifact in artifacts if artifact.image is not None]
        self._document |= {"images": images} if images else {"states": states_json(artifacts[0])}

    def config(self, target: Target) -> None:
        from statebake.config import render_rows

        project = self._project(target)
        project["python"] = {"path": target.python, "from": target.python_origin}
        project["settings"] = {
            name: {"value": value, "from": origin} for name, value, origin in render_rows(target.config)
        }

    def error(self, error: StatebakeError, target: Target | None = None) -> None:
        from statebake.cli.console import open_console
        from statebake.cli.text_view import print_error

        print_error(error, open_console(self.env, stderr=True), self.env)
        (self._document if target is None else self._project(target))["error"] = error_json(error)

    def interrupted(self) -> None:
        """Print that it was interrupted, and of refreshes what has become of keys: half a check proves nothing."""
        for directory, keys in self._refreshes.items():
            ended = [_outcome(item) for item in keys.values() if item is not None]
            unfinished = [key for key, item in keys.items() if item is None]
            self._projects[directory].setdefault("refresh", {"keys": ended, "unfinished": unfinished})
        if not self._refreshes:
            self._projects.clear()
        self._document["interrupted"] = True
        self.finish()

    def finish(self) -> None:
        if self._projects:
            self._document["projects"] = list(self._projects.values())
        echo(dump_json(_clean(self._document, redactor(self.env))))

    def _project(self, target: Target) -> dict[str, Any]:
        directory = target.project.directory
        return self._projects.setdefault(directory, {"project": target.project.name, "directory": str(directory)})


def _code(form: CodeForm) -> dict[str, Any]:
    return {"as": "wheel" if form.as_wheel else "files", "why": form.why}


def _clean(value: Any, redact: Callable[[str], str]) -> Any:
    """Return ``value`` without secrets; the names of its fields are ours."""
    if isinstance(value, dict):
        return {name: _clean(item, redact) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, redact) for item in value]
    return value if isinstance(value, (int, float)) or value is None else redact(str(value))


class _Progress(Observer):
    """Hears the warnings of the stages, what is secret, and how keys end: all that is known after an interrupt."""

    def __init__(self, view: JsonView, keys: dict[str, KeyOutcome | None]) -> None:
        self._view = view
        self._keys = keys

    def fetch_ends(self, outcome: KeyOutcome) -> None:
        self._keys[str(outcome.key)] = outcome

    def warning(self, text: str) -> None:
        self._view.warnings([text])

    def hide(self, values: Iterable[str]) -> None:
        self._view.hide(values)


def _outcome(item: KeyOutcome) -> dict[str, Any]:
    return {
        "key": item.key,
        "outcome": item.outcome.value,
        "duration_s": item.duration_s,
        "attempts": item.attempts,
        "note": item.note,
        "kept": item.kept,
        "before": item.before.to_json() if item.before else None,
        "printed": item.printed,
        "pruned": item.pruned,
        "scrubbed": list(item.scrubbed),
        "warnings": [_finding(warning) for warning in item.warnings],
        "record": item.record.to_json() if item.record else None,
        "error": error_json(item.error) if item.error else None,
    }


def error_json(error: StatebakeError) -> dict[str, Any]:
    """Return an error as a JSON object."""
    return {
        "code": error.code.value,
        "message": error.message,
        "where": error.where,
        "next_step": error.next_step,
        "detail": error.detail,
    }


def leftover_json(leftover: Leftover) -> dict[str, Any]:
    """Return state that no component uses as a JSON object."""
    return {
        "directory": str(leftover.path),
        "key": leftover.record.key if leftover.record else None,
        "files": leftover.files,
        "bytes": leftover.bytes,
        "record": leftover.record.to_json() if leftover.record else None,
    }


def image_json(artifact: Artifact) -> dict[str, Any]:
    """Return what is known of an image, with its state directories, as a JSON object."""
    assert artifact.image is not None
    facts, layers = artifact.image.facts, artifact.image.layers
    state_layers = set(layers.values())
    return {
        "id": facts.id,
        "platform": facts.platform,
        "tags": list(facts.tags),
        "digests": list(facts.digests),
        "created": facts.created,
        "bytes": facts.size,
        "labels": dict(facts.labels),
        "layers": [
            {
                "diff_id": layer.diff_id,
                "bytes": layer.size,
                "instruction": layer.instruction,
                "state": number in state_layers,
            }
            for number, layer in enumerate(facts.layers)
        ],
        "states": states_json(artifact),
    }


def states_json(artifact: Artifact) -> list[dict[str, Any]]:
    """Return the state directories of an artifact as JSON objects."""
    return [
        {
            "path": state.path,
            "manifest": json.loads(state.manifest.dumps()) if state.manifest else None,
            "keys": [
                {
                    "key": key.record.key,
                    "digest": key.summary.digest if key.summary else None,
                    "files": key.summary.files if key.summary else None,
                    "bytes": key.summary.bytes if key.summary else None,
                    "proved": key.summary is not None and key.summary.digest == key.record.digest,
                }
                for key in state.keys
            ],
            "unexpected": [
                {"directory": name, "digest": found.digest if (found := state.directories.get(name)) else None}
                for name in state.unexpected
            ],
            "error": error_json(error) if (error := artifact.error(state)) else None,
        }
        for state in artifact.states
    ]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code.value,
        "severity": finding.severity.value,
        "key": finding.key,
        "message": finding.message,
        "where": finding.where,
        "next_step": finding.next_step,
    }
