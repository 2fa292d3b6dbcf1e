"""What is said of an exception, and whether its fetch is tried again."""

from __future__ import annotations

import os

import pytest

from statebake.worker.errors import describe, failure, is_permanent


def _raised(mapping):
    try:
        mapping["STATEBAKE_IS_NOT_SET"]
    except KeyError as error:
        return error
    raise AssertionError


def test_a_variable_that_is_not_set():
    """Waiting does not set it, so the fetch is not tried again; a key that an answer lacks may be there next time."""
    unset, lacking = _raised(os.environ), _raised({})
    assert (is_permanent(unset, None), is_permanent(lacking, None)) == (True, False)
    assert describe(unset) == "KeyError: 'STATEBAKE_IS_NOT_SET', a variable that is not set"
    assert describe(lacking) == "KeyError: 'STATEBAKE_IS_NOT_SET'"


@pytest.mark.parametrize(
    ("module", "message", "permanent"),
    [
        ("dagster_dbt.errors", "`dbt parse`\n\nErrors parsed from dbt logs:\n\nCompilation Error\n  no node", True),
        ("dbt.exceptions", "Parsing Error in model a", True),
        ("dagster_dbt.errors", "`dbt deps`\n\nErrors parsed from dbt logs:\n\nRuntime Error\n  no host", False),
        ("shop.errors", "Compilation Error", False),
    ],
)
def test_a_broken_dbt_project(module, message, permanent):
    """What dbt cannot parse or compile does not get better by waiting; a network that it needs does."""
    error = type("DagsterDbtCliRuntimeError", (Exception,), {"__module__": module})(message)
    assert is_permanent(error, None) == permanent


def test_half_a_character():
    """A text that no file can hold is escaped, wherever an exception says it."""
    said = failure(ValueError("shop \ud83d"), "/project")
    assert said["message"] == r"ValueError: shop \ud83d"
    assert said["traceback"].encode()


@pytest.mark.parametrize(
    ("status", "wait", "permanent"),
    [
        (403, "60", False),
        (403, None, True),
        (403, "0", True),
        (404, "60", True),
        (429, None, False),
        (429, "2.7", False),
    ],
)
@pytest.mark.parametrize("client", ["requests", "google"])
def test_a_client_error_that_says_when_to_come_again(client, status, wait, permanent):
    """It passes, as the limits of GitHub do, whichever client raises it."""
    headers = {"retry-after": wait} if wait else {}
    error = ValueError("no")
    if client == "google":
        error.resp = type("Response", (dict,), {"status": status})(headers)
    else:
        error.response = type(
            "Response", (), {"status_code": status, "headers": headers, "__bool__": lambda _: False}
        )()
    said = failure(error, "/project")
    assert (said["permanent"], said["retry_after"]) == (permanent, float(wait) if wait else None)
