"""Reading what ``refresh --format json`` says."""

from __future__ import annotations

from typing import Any

from support.cli import Result


def keys_of(result: Result) -> dict[str, dict[str, Any]]:
    """Return what became of each key, of all projects."""
    return {item["key"]: item for project in result.json["projects"] for item in project["refresh"]["keys"]}


def outcomes(result: Result) -> dict[str, str]:
    """Return each key's outcome."""
    return {key: item["outcome"] for key, item in keys_of(result).items()}


def attempts(result: Result) -> dict[str, int]:
    """Return how often each key was tried."""
    return {key: item["attempts"] for key, item in keys_of(result).items()}
