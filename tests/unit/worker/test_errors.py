"""What is said of an exception, and whether its fetch is tried again."""

from __future__ import annotations

import os

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


def test_half_a_character():
    """A text that no file can hold is escaped, wherever an exception says it."""
    said = failure(ValueError("shop \ud83d"), "/project")
    assert said["message"] == r"ValueError: shop \ud83d"
    assert said["traceback"].encode()
