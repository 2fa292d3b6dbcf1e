"""Rendering the files of the top-level ``templates`` directory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from statebake.config.toml_text import toml_value

TEMPLATES_DIR = Path(__file__).resolve().parent.parent / "_templates"
_PLAIN_YAML = re.compile(r"[A-Za-z_./][\w./=@+,' -]*[\w./=']", re.ASCII)


def render(name: str, **values: Any) -> str:
    """Return the template called ``name`` with ``values`` filled in; a value that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES_DIR),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML here; every value goes through a filter of its format
    )
    environment.filters["toml"] = toml_value
    environment.filters["yaml_line"] = yaml_line
    return environment.get_template(name).render(**values)


def yaml_line(text: str) -> str:
    """Return text as a line of YAML 1.2: as it is, or between quotation marks where it would be something else."""
    return text if _PLAIN_YAML.fullmatch(text) else json.dumps(text, ensure_ascii=False)
