"""What every format of reports can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from statebake.cli.echo import echo
from statebake.cli.reports.places import Scene
from statebake.model.report import Report


class Format(ABC):
    """Renders reports that were cleaned (``words.cleaned``)."""

    @abstractmethod
    def render(self, reports: Sequence[Report], scene: Scene) -> str:
        """Return the whole document, which ends with a newline."""

    def show(self, reports: Sequence[Report], scene: Scene, env: Mapping[str, str]) -> None:  # noqa: ARG002
        """Print it on standard output."""
        echo(self.render(reports, scene).removesuffix("\n"))
