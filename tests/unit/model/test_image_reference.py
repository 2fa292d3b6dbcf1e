"""Names of images."""

from __future__ import annotations

import pytest

from statebake.errors import Code, StatebakeError
from statebake.model.image_reference import check_reference

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    "text",
    [
        "python",
        "python:3.12-slim",
        f"python@{DIGEST}",
        f"python:3.12-slim@{DIGEST}",
        "localhost:5000/a/b:1",
        "registry.example.com/team/app:2026-01-31_x.Y",
        "REGISTRY.example.com:443/a__b/c-d--e.f",
        "[::1]:5000/a",
        "a" * 255,
        f"a:{'t' * 128}",
    ],
)
def test_names(text):
    """What engines and registries accept is given back."""
    assert check_reference(text, where="--tag") == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        ("Python", "its path has capital letters"),
        ("example.com/Team", "its path has capital letters"),
        ("a b", "it has a space in it"),
        ("a\nRUN x", "it has a space in it"),
        ("https://example.com/a", "it is a URL"),
        ("app:feature/x", "engines and registries would not take it"),
        ("app:-x", "its tag may have"),
        (f"app:{'t' * 129}", "its tag may have"),
        ("app@sha256:123", "its digest is none"),
        ("app:$TAG", "its tag may have"),
        ("-app", "engines and registries would not take it"),
        ("a" * 256, "engines and registries would not take it"),
        ("a//b", "engines and registries would not take it"),
    ],
)
def test_what_is_no_name(text, why):
    """Anything else is BAD_REFERENCE, with what is wrong and where it came from."""
    with pytest.raises(StatebakeError) as caught:
        check_reference(text, where="docker.base_image")
    assert caught.value.code is Code.BAD_REFERENCE
    assert caught.value.where == "docker.base_image"
    assert why in caught.value.message
