"""An artifact as what is judged."""

from __future__ import annotations

import pytest

from statebake.engine.image import ImageFacts
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.truth import subject_of
from statebake.verify.oci_layout import ReadImage


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, ()),
        ({"variable PYTHONPATH": "PYTHONPATH=/app/src:/x"}, ("/app/src", "/x")),
        ({"variable PYTHONPATH": "PYTHONPATH=:/a=b:"}, ("/a=b",)),
    ],
)
def test_of_an_image(texts, expected):
    """Its user and what its ``PYTHONPATH`` names count."""
    facts = ImageFacts("shop:1", "sha256:x", (), (), "linux/amd64", None, 1, "app", {}, (), texts=texts)
    subject = subject_of(Artifact("shop:1", "image", 1, (), image=ReadImage(facts, (), {})))
    assert (subject.user, subject.import_path) == ("app", expected)
