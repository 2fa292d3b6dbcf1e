"""What every format looks like, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import statebake
from statebake.cli.reports import NAMES
from statebake.cli.reports.markdown import summary_markdown
from statebake.cli.reports.outputs import find_format

SAMPLES = Path(__file__).with_name("samples")


def sample(text: str, root: Path) -> str:
    """Return a rendered text without what differs from run to run, and without the pages of ``explain``."""
    text = text.replace(str(root), "/repo").replace(statebake.__version__, "VERSION")
    if '"sarif' not in text and "sarif-schema" not in text:
        return text
    log = json.loads(text)
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        rule["help"] = "…"
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_format(name, reports, scene):
    """A report with everything in it, and one with nothing wrong, are rendered as the sample is."""
    expected = (SAMPLES / f"verify.{name}").read_text(encoding="utf-8")
    assert sample(find_format(name).render(reports, scene), scene.root) == expected


def test_the_summary(reports):
    """The summary of a job is the sample."""
    expected = (SAMPLES / "verify.md").read_text(encoding="utf-8")
    assert summary_markdown(reports, 100_000) == expected


def test_nothing_to_report(scene):
    """Every format can say that there was nothing to report on."""
    for name in NAMES:
        assert find_format(name).render([], scene).endswith("\n") or name == "text"
