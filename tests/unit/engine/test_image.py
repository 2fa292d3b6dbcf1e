"""What an engine says of an image."""

from __future__ import annotations

import pytest

from statebake.engine.client import engine_facts
from statebake.engine.image import image_facts, instructions, split_reference, tidy
from statebake.engine.reading import is_left_over, reader_name


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("COPY app /app # buildkit", "COPY app /app"),
        ("RUN /bin/sh -c echo one && echo two # buildkit", "RUN echo one && echo two"),
        ("/bin/sh -c #(nop) COPY dir:abc in /app ", "COPY dir:abc in /app"),
        ("/bin/sh -c #(nop)  LABEL a=b", "LABEL a=b"),
        ("/bin/sh -c make", "RUN make"),
        ("|1 A=b /bin/sh -c make", "RUN make"),
        ("RUN |1 A=b /bin/sh -c make # buildkit", "RUN make"),
        ("", ""),
    ],
)
def test_instructions_are_tidied(text, plain):
    """What builders add to an instruction is taken away."""
    assert tidy(text) == plain


def test_which_instruction_made_which_layer():
    """Entries without a layer are told by their kind; where the numbers disagree nothing is said."""
    entries = [
        ("", True),
        ("ENV A=b", False),
        ("RUN /bin/sh -c true # buildkit", False),
        ("WORKDIR /app", False),
        ("COPY a b # buildkit", True),
        ("CMD x", False),
    ]
    assert instructions(entries, 4) == [None, "RUN true", "WORKDIR /app", "COPY a b"]
    assert instructions(entries, 3) == [None, "RUN true", "COPY a b"]
    assert instructions(entries, 5) == [None] * 5


def test_facts():
    """The facts come from what the engine's API answers; what is missing there is missing here."""
    inspected = {
        "Id": "sha256:1",
        "RepoTags": ["app:1"],
        "RepoDigests": None,
        "Os": "linux",
        "Architecture": "arm",
        "Variant": "v7",
        "Created": "2026-01-02T03:04:05Z",
        "Size": 12,
        "Config": {"Labels": {"a": "b"}},
        "RootFS": {"Layers": ["sha256:a", "sha256:b"]},
    }
    history = [{"CreatedBy": "COPY x y # buildkit", "Size": 2}, {"CreatedBy": "", "Size": 10}]
    facts = image_facts("app", inspected, history)
    assert (facts.platform, facts.labels, facts.digests) == ("linux/arm/v7", {"a": "b"}, ())
    assert [(layer.diff_id, layer.size, layer.instruction) for layer in facts.layers] == [
        ("sha256:a", 10, None),
        ("sha256:b", 2, "COPY x y"),
    ]
    bare = image_facts("app", {"Id": "sha256:1", "RootFS": {"Layers": ["sha256:a"]}}, [])
    assert [(layer.size, layer.instruction) for layer in bare.layers] == [(None, None)]


@pytest.mark.parametrize(
    ("version", "info", "compat"),
    [
        ({"Version": "26.1.5+dfsg1"}, {}, "buildkit"),
        ({"Version": "23.0.0"}, {}, "buildkit"),
        ({"Version": "20.10.24+dfsg1"}, {}, "docker-20.10"),
        ({"Version": "17.03.2-ce"}, {}, "classic"),
        ({"Version": "dev"}, {}, "buildkit"),
        ({"Version": "5.4.2", "Components": [{"Name": "Podman Engine"}]}, {}, "buildah"),
        ({"Version": "4.3.1"}, {"BuildahVersion": "1.28.2"}, "buildah"),
    ],
)
def test_what_the_engine_builds_with(version, info, compat):
    """The server's version says what its builder understands; Podman's is buildah."""
    facts = engine_facts(version, info)
    assert (facts.compat, facts.podman) == (compat, compat == "buildah")


def test_the_image_store():
    """The containerd store is told by the driver's status."""
    status = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    assert engine_facts({"Version": "26.1"}, status).containerd_store is True
    assert engine_facts({"Version": "26.1"}, {"DriverStatus": None}).containerd_store is False


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("app", ("app", None)),
        ("app:1", ("app", "1")),
        ("localhost:5000/app", ("localhost:5000/app", None)),
        ("localhost:5000/app:1", ("localhost:5000/app", "1")),
    ],
)
def test_repository_and_tag(text, parts):
    """A port is no tag."""
    assert split_reference(text) == parts


def test_whose_containers_are_left_over():
    """A container of a process that runs is not touched; one of a process that is gone, or of yesterday, is."""
    mine = reader_name()
    node, process, started = mine.rsplit(" ", 2)
    assert not is_left_over(mine, 0)
    assert is_left_over(f"{node} {process} {started}1", 0)
    assert is_left_over(f"{node} 4194305 1", 0)
    import time

    assert not is_left_over("another-host 1 1", time.time() - 60)
    assert is_left_over("another-host 1 1", time.time() - 100_000)
    assert is_left_over("", 0)
