"""What the commands tell a view; one class per ``--format`` renders it."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statebake.check import CheckReport, StatusRow
    from statebake.check.garbage import CollectionPlan
    from statebake.errors import StatebakeError
    from statebake.model.discovery import Discovery
    from statebake.pipeline import Target
    from statebake.pipeline.baking import BakeInputs, BakeReport
    from statebake.pipeline.build_inputs import BuildInputs, ImageInputs
    from statebake.pipeline.building import ImageReport
    from statebake.pipeline.dockerfile import DockerfileReport, GeneratedFiles
    from statebake.pipeline.inspecting import Artifact
    from statebake.pipeline.setting_up import Setup
    from statebake.progress import Observer
    from statebake.refresh import RefreshPlan, RefreshReport


class View(ABC):
    """Renders the results of a command, project by project."""

    @abstractmethod
    def observer(self, target: Target) -> Observer:
        """Return what the stages report to."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)  # what has the secrets that must not be shown; it grows when projects are known
        self._warned: set[str] = set()

    @abstractmethod
    def warning(self, text: str) -> None:
        """Show what the user should look at although nothing failed."""

    def warnings(self, texts: Sequence[str]) -> None:
        """Show warnings, each once, however many projects it is about."""
        for text in texts:
            if text not in self._warned:
                self._warned.add(text)
                self.warning(text)

    def work_on(self, targets: Sequence[Target]) -> None:
        """Learn which projects there are, and what is secret in them, before anything is shown of them."""
        from statebake.pipeline import hidden_of

        self.env.update(hidden_of(targets, self.env))

    def hide(self, values: Iterable[str]) -> None:
        """Learn what else is secret."""
        for value in values:
            self.env[f"SECRET {len(self.env)}"] = value

    @abstractmethod
    def refresh_started(self, target: Target, plan: RefreshPlan) -> None:
        """Show that a refresh begins."""

    @abstractmethod
    def refresh_plan(self, target: Target, plan: RefreshPlan) -> None:
        """Show what a refresh would do."""

    @abstractmethod
    def bake_inputs(self, target: Target, inputs: BakeInputs) -> None:
        """Show what a bake would write, and from what."""

    @abstractmethod
    def refresh_report(self, target: Target, report: RefreshReport, discovery_s: float) -> None:
        """Show how a refresh ended; ``discovery_s``: the seconds that discovery took before it."""

    @abstractmethod
    def status(self, target: Target, discovery: Discovery, rows: Sequence[StatusRow], report: CheckReport) -> None:
        """Show every key."""

    @abstractmethod
    def check_report(self, target: Target, report: CheckReport) -> None:
        """Show what a check found."""

    def report_fields(self, fields: Mapping[str, Any]) -> None:  # noqa: B027 - most views have shown them by then
        """Learn what the JSON document of the command's reports says, once all of them are known."""

    @abstractmethod
    def collected(self, target: Target, plan: CollectionPlan, *, dry_run: bool) -> None:
        """Show what unused state was removed, or with ``dry_run`` would be, and what stays."""

    @abstractmethod
    def bake_report(self, target: Target, report: BakeReport) -> None:
        """Show what a bake made, or what is wrong with it where it did not pass its verification."""

    @abstractmethod
    def image_inputs(self, target: Target, inputs: ImageInputs) -> None:
        """Show what image would be built, and from what."""

    @abstractmethod
    def build_inputs(self, target: Target, inputs: ImageInputs, written: BuildInputs) -> None:
        """Show what was written for a build that somebody else does."""

    @abstractmethod
    def image_report(self, target: Target, report: ImageReport) -> None:
        """Show what image was built, or what is wrong with it where it did not pass its verification."""

    @abstractmethod
    def dockerfile_text(self, target: Target, text: str) -> None:
        """Show a Dockerfile."""

    @abstractmethod
    def dockerfile_checked(self, target: Target, generated: GeneratedFiles) -> None:
        """Show that the generated files are what they should be."""

    @abstractmethod
    def dockerfile_report(self, target: Target, report: DockerfileReport) -> None:
        """Show which generated files were written."""

    @abstractmethod
    def setup_plan(self, target: Target, setup: Setup) -> None:
        """Show what was found in a project, and what would be written."""

    @abstractmethod
    def setup_report(self, target: Target, setup: Setup, written: Sequence[Path]) -> None:
        """Show that a project is set up: which files were written for that."""

    @abstractmethod
    def setup_not_written(self, command: str) -> None:
        """Show that nothing was written, and the command that does it."""

    @abstractmethod
    def artifacts(self, artifacts: Sequence[Artifact], now: datetime) -> None:
        """Show what an artifact carries: for several platforms, what it carries for each."""

    @abstractmethod
    def config(self, target: Target) -> None:
        """Show the settings and their origins."""

    @abstractmethod
    def error(self, error: StatebakeError, target: Target | None = None) -> None:
        """Show the error that ended the command, or the work on one of several projects."""

    def interrupted(self) -> None:  # noqa: B027 - most views have shown everything by then
        """Show what was done before the command was interrupted, where it is only known at the end."""

    def finish(self) -> None:  # noqa: B027 - most views have shown everything by then
        """Show what is only known at the end."""


@contextlib.contextmanager
def open_view(output_format: str, env: Mapping[str, str], *, verbose: bool = False) -> Iterator[View]:
    """Give the view for ``--format``; an error that ends the command goes through it as well.

    ``text`` and ``json`` show results themselves; with any other format standard output is left to a report.
    """
    from statebake.errors import StatebakeError

    view: View
    if output_format == "json":
        from statebake.cli.json_view import JsonView

        view = JsonView(env)
    elif output_format != "text":
        from statebake.cli.quiet_view import QuietView

        view = QuietView(env)
    else:
        from statebake.cli.text_view import TextView

        view = TextView(env, verbose=verbose)
    try:
        yield view
    except StatebakeError as error:
        view.error(error)
        view.finish()
        raise ShownError(error) from error
    except KeyboardInterrupt:
        view.interrupted()
        raise
    view.finish()


class ShownError(Exception):
    """An error that the view has shown already; only its exit code is left to do."""

    def __init__(self, error: StatebakeError) -> None:
        super().__init__(str(error))
        self.error = error
