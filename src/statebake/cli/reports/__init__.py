"""What ``check`` and ``verify`` found, for people and for machines; a class per ``--format``."""

from statebake.cli.reports.base import Format
from statebake.cli.reports.emit import emit, emit_error, report_of_error
from statebake.cli.reports.github import GithubFormat
from statebake.cli.reports.gitlab import GitlabFormat
from statebake.cli.reports.json_format import JsonFormat
from statebake.cli.reports.junit import JunitFormat
from statebake.cli.reports.options import report_options
from statebake.cli.reports.outputs import NAMES, Output, read_outputs
from statebake.cli.reports.places import Place, Scene
from statebake.cli.reports.sarif import SarifFormat
from statebake.cli.reports.text_format import TextFormat

__all__ = [
    "NAMES",
    "Format",
    "GithubFormat",
    "GitlabFormat",
    "JsonFormat",
    "JunitFormat",
    "Output",
    "Place",
    "SarifFormat",
    "Scene",
    "TextFormat",
    "emit",
    "emit_error",
    "read_outputs",
    "report_of_error",
    "report_options",
]
