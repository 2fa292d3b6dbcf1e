"""What may be handed on to ``docker build``."""

from __future__ import annotations

import pytest

from statebake.engine.request import must_be_others
from statebake.errors import Code, StatebakeError


def test_what_is_handed_on():
    """Arguments that leave names, places and reports alone are handed on."""
    must_be_others(["--no-cache", "--pull", "--network=host", "--target", "final", "--label=a=b", "--ssh=default"])


@pytest.mark.parametrize(
    "argument",
    [
        *("--tag=x", "-tx", "-t", "--push", "--output=type=tar", "-o-", "--load", "--help"),
        *("--platform=linux/amd64,linux/arm64", "--platform", "--builder=other"),
    ],
)
def test_what_would_let_an_image_get_away_unproved(argument):
    """An argument that names an image, or sends it anywhere, is refused: that comes after the proof."""
    with pytest.raises(StatebakeError) as caught:
        must_be_others(["--pull", argument])
    assert caught.value.code is Code.BAD_SETTING
    assert caught.value.where == "docker.args"
