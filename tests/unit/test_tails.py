"""The end of what a program printed, however much that was."""

from __future__ import annotations

import pytest

from statebake.hosts.answers import log_tail

MORE = "(--verbose shows them)"
END = [f"{number} %" for number in range(19_980, 20_000)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("\n\n", None),
        ("one\ntwo\n\n", "one\ntwo"),
        ("first\n" + "x" * 100_000, f"… 2 lines before {MORE}"),
        ("".join(f"{number} %\r" for number in range(20_000)), "\n".join([f"… 19980 lines before {MORE}", *END])),
    ],
)
def test_a_log(tmp_path, text, expected):
    """Of a line whose beginning is not read nothing is shown; a carriage return ends one too."""
    log = tmp_path / "log"
    log.write_text(text)
    assert log_tail(log) == expected
