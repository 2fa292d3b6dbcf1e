"""Passwords that are written out in dbt's ``profiles.yml``, instead of being read from a variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

NAMES = frozenset({"profiles.yml", "profiles.yaml"})
LARGEST = 1 << 20
# dbt's reference, "connection profiles": what adapters call their credentials.
_SECRET = re.compile(
    r"(?:^|_)(?:pass|password|passphrase|pwd|token|secret|secret_access_key|access_key|private_key|client_secret|"
    r"api_key|keyfile_json|motherduck_token|account_key)$|^private_key_passphrase$|^aws_session_token$"
)
_MOST_VALUES = 10_000
_DEEPEST = 20
_NO_SECRETS = frozenset({"", "password", "changeme", "null", "none"})


def find_passwords(content: bytes) -> list[tuple[int, str]]:
    """Return offset and name of each credential that a ``profiles.yml`` has in it; see ``written_passwords``."""
    names = written_passwords(content)
    return [(max(content.find(name.rpartition(".")[2].encode()), 0), name) for name in names]


def written_passwords(content: bytes) -> list[str]:
    """Return the dotted names of the credentials that a ``profiles.yml`` has in it: ``shop.outputs.prod.password``.

    What is a Jinja expression, as ``{{ env_var('X') }}`` is, counts as none. A file that is no YAML has none that could
    be told.
    """
    import yaml

    if len(content) > LARGEST:
        return []
    try:
        document = yaml.safe_load(content)
    # LookupError, AttributeError: a tag that does not fit its value, `!!int ""`.
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError):
        return []
    return sorted({".".join(path) for path, value in _values(document) if _is_written(path, value)})


def _values(document: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield values that are no table and no list; an alias in YAML can make far more of all of them than there are."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), document)]
    for _ in range(_MOST_VALUES):
        if not waiting:
            return
        path, value = waiting.pop()
        if isinstance(value, dict):
            if len(path) < _DEEPEST:
                waiting.extend(((*path, str(name)), item) for name, item in value.items())
        elif isinstance(value, list):
            waiting.extend((path, item) for item in value)
        else:
            yield path, value


def _is_written(path: tuple[str, ...], value: Any) -> bool:
    text = str(value).strip()
    named = any(_SECRET.search(part.lower()) for part in path[-2:])
    return named and value is not None and "{{" not in text and text.lower() not in _NO_SECRETS
