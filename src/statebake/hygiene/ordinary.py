"""Values that are no secrets, whatever their variable is called: searching for them would find ordinary text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

SHORTEST = 8
"""Characters; shorter values turn up by chance."""
_FEWEST_CHARACTERS = 3  # different ones
# What is made of such words, digits and marks only is no secret: "changeme123", "your-api-key-here", "test_token".
_WORDS = re.compile(
    r"(?:a|the|my|your|our|some|any|this|that|is|not|no|here|it|me|to|be|in|of|for|and|or|with|set|get|put|use|change"
    r"|replace|insert|enter|fill|fix|todo|tbd|none|null|nil|true|false|yes|on|off|empty|default|undefined|optional"
    r"|required|disabled|enabled|auto|automatic|external|inherit|unlimited|anonymous|basic|bearer|oauth|jwt|sso|mfa"
    r"|password|passwords|passwort|passwd|passw0rd|pass|pwd|pw|passphrase|phrase|secret|secrets|token|tokens|key|keys|api"
    r"|access|auth|client|private|public|credential|credentials|creds|cred|user|username|name|login|account|admin"
    r"|administrator|root|guest|owner|service|server|host|localhost|local|remote|db|database|repo|repository|branch|ref"
    r"|sha|org|project|team|app|web|site|url|uri|value|string|text|word|example|examples|sample|demo|dummy|fake|mock"
    r"|placeholder|redacted|hidden|masked|test|tests|testing|dev|devel|development|prod|production|staging|stage|live"
    r"|sandbox|foo|bar|baz|qux|spam|eggs|abc|abcd|abcdef|abcdefgh|xyz|qwerty|qwertyui|qwertyuiop|asdf|asdfgh|letmein"
    r"|welcome|hello|world|iloveyou|tiger|scott|postgres|postgresql|mysql|redis|mongo|minio|rabbitmq|pserver|anoncvs"
    r"|airflow|dagster|dbt|snowflake|databricks|duckdb|fivetran|airbyte|tableau|github|gitlab|docker|aws|azure|gcp"
    r"|google)+"
)
_LONGEST_WORDS = 40
_MOST_DIGITS = 6
_FILLING = re.compile(r"[\W\d_]+")
_SEQUENCE = re.compile(r"(?:0?1234567?8?9?0?|0?987654321?0?|(\d)\1*)+")
_NUMBER = re.compile(r"[+-]?[\d_.,]+(?:e[+-]?\d+)?[a-z%]{0,2}")
_WORD = re.compile(r"[a-z]+")
_HOST = re.compile(r"(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?/?")
_HOST_PORT = re.compile(r"[a-z0-9.-]+:\d{2,5}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\$\{?\w+\}?|\$\([^()]*\)|\{\{.*\}\}|%\w+%|\{\w+\}|\[\w+\]|[x*.#-]+"
    r"|(?:your|insert|enter|replace|change|example)[-_ ].*|(?:todo|fixme|tbd)\b.*|.*[-_ ]example",
    re.IGNORECASE,
)
_ROOTS = """
    app bin boot builds cache code config data dev dist etc github home lib lib64 media mnt nix opt private proc
    project repo root run runner sbin secrets snap srv sys tmp usr Users var vault Volumes work workdir workspace
    workspaces Library Applications System
"""
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_RELATIVE = re.compile(r"(?:\.{1,2}|~[\w.-]*)/")
_PLAIN_PATH = re.compile(r"[\w.@ -]+(?:/[\w.@ -]+)+/?")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}")


def why_not(value: str) -> str | None:
    """Return in words why a secret's value is not searched for, or None if it is. Never has the value in it."""
    if not value:
        return "its value is empty"
    if len(value) < SHORTEST:
        return f"its value has fewer than {SHORTEST} characters and would be found by chance"
    if len(set(value)) < _FEWEST_CHARACTERS:
        return "its value is one or two characters over and over"
    if _PLACEHOLDER.fullmatch(value):
        return "its value is a placeholder"
    if _is_ordinary(value):
        return "its value is ordinary words or digits"
    if _is_path(value):
        return "its value is the path of a file"
    if value.lower().startswith(("arn:aws:", "projects/")) and "/" in value and " " not in value:
        return "its value is the name of a resource"
    return None


def is_fingerprint(name: str, value: str) -> bool:
    """Return whether a variable has the fingerprint of a public key: Python's own images have one in ``GPG_KEY``."""
    return "GPG" in name and _FINGERPRINT.fullmatch(value) is not None


def is_plain(value: str) -> bool:
    """Return whether a variable's value is plainly no secret: a URL without credentials, a path, a number, a boolean,
    a host, a date, an ordinary word.
    """
    if "://" in value:
        return not _has_credentials(value)
    return (
        why_not(value) is not None
        or any(form.fullmatch(value) for form in (_NUMBER, _WORD, _HOST, _HOST_PORT, _DATE))
        or (_PLAIN_PATH.fullmatch(value) is not None and _has_suffix(value))
    )


def _has_credentials(value: str) -> bool:
    try:
        return bool(urlsplit(value).password or urlsplit(value).query or urlsplit(value).fragment) or "@" in value
    except ValueError:
        return True


def _is_path(value: str) -> bool:
    """Return whether a value is a path of the file system, by its looks: base64 may begin with a slash as well."""
    if "\n" in value:
        return False
    if _RELATIVE.match(value) or _WINDOWS.match(value) or value.startswith("file:/"):
        return True
    if not value.startswith("/"):
        return False
    parts = PurePosixPath(value).parts[1:]
    return bool(parts) and (
        parts[0] in _ROOTS.split() or _SUFFIX.fullmatch(PurePosixPath(parts[-1]).suffix) is not None
    )


def _has_suffix(path: str) -> bool:
    return _SUFFIX.fullmatch(PurePosixPath(path).suffix) is not None


def is_placeholder(password: str) -> bool:
    """Return whether what stands for a password in a URL is there to show where one goes."""
    return (
        _is_ordinary(password)
        or _PLACEHOLDER.fullmatch(password) is not None
        or len(set(password)) < _FEWEST_CHARACTERS
    )


def _is_ordinary(value: str) -> bool:
    """Return whether a value is made of ordinary words, and of no more than some digits."""
    words = [word for word in _FILLING.split(value.lower()) if word]
    if not words:
        return _SEQUENCE.fullmatch(value) is not None
    digits = sum(sign.isdigit() for sign in value)
    # Long ones are real phrases, and would take long to take apart.
    return digits <= _MOST_DIGITS and len(value) <= _LONGEST_WORDS and all(map(_WORDS.fullmatch, words))
