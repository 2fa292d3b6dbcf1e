"""Rendering the files of the top-level ``templates`` directory."""

from __future__ import annotations

import json
import re
from datetime import date, time
from pathlib import Path
from typing import Any

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


def toml_value(value: Any) -> str:
    """Return ``value`` (text, number, boolean, time, or a list or table of these) as TOML 1.0 has it, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml_text(key)} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, float):
        return repr(value)  # json has other names for inf and nan
    if isinstance(value, (date, time)):
        return value.isoformat()
    return json.dumps(value)


def _toml_text(value: str) -> str:
    # TOML 1.0, "String": the escapes of JSON, but no surrogate pairs, and U+007F is to be escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
