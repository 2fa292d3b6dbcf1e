"""Reading what builders print while they work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.engine.events import EventKind
from statebake.engine.progress import BuildKitProgress, ClassicProgress, clean

BASE = "python:3.11-slim"
IMAGE = "docker.io/library/python:3.11-slim"


def test_the_steps_of_buildx(sample):
    """Every instruction begins once and ends once, by its name and place; what it prints is its own."""
    read = sample("buildx-ok")
    assert [(place, name) for place, name, _ in read.told(EventKind.BEGAN)] == [
        ("other 1/2", f"FROM {IMAGE}"),
        ("base 2/2", "RUN for i in 1 2 3; do echo tick $i; sleep 0.1; done"),
        ("other 2/2", "RUN for i in 1 2 3; do echo tock $i; sleep 0.15; done; touch /made"),
        ("stage-2 1/3", "COPY /made /"),
        ("stage-2 2/3", "COPY app /app"),
        ("stage-2 3/3", "RUN <<EOF (echo first...)"),
    ]
    assert len(read.told(EventKind.DONE)) == 6
    printed = [(place, text) for place, _, text in read.told(EventKind.OUTPUT)]
    assert printed[:3] == [("base 2/2", "tick 1"), ("base 2/2", "tick 2"), ("base 2/2", "tick 3")]
    assert printed[-2:] == [("stage-2 3/3", "first"), ("stage-2 3/3", "second")]
    assert (read.log.ran, read.log.cached, read.log.failed) == (5, 0, None)


def test_how_long_a_step_took(sample):
    """A step's end says how many seconds it took."""
    took = {event.step.name: event.seconds for event in sample("buildx-ok").events if event.kind is EventKind.DONE}
    assert took["RUN for i in 1 2 3; do echo tick $i; sleep 0.1; done"] == 0.4
    assert took["exporting to image"] == 0.1


def test_no_progress_of_bytes(sample):
    """Transfers, digests and exports tell people nothing, and are no output of a step."""
    for name in ("buildx-ok", "buildx-containerd", "docker-20.10-ok", "buildx-two-platforms"):
        for event in sample(name).events:
            assert "transferring" not in event.text
            assert "sha256:" not in event.text
            assert event.step.is_instruction or event.kind in {EventKind.BEGAN, EventKind.DONE}, event


def test_what_came_from_the_cache(sample):
    """A cached instruction is told as such."""
    read = sample("buildx-cached")
    assert len(read.told(EventKind.CACHED)) == 5
    assert (read.log.ran, read.log.cached) == (0, 5)


def test_the_image_that_was_built(sample):
    """The last identifier counts: with the containerd store that of the index."""
    assert sample("buildx-ok").log.image.startswith("sha256:46e312fc")
    assert sample("buildx-two-platforms").log.image.startswith("sha256:0651991f")
    assert sample("docker-20.10-ok").log.image.startswith("sha256:")
    assert sample("classic-ok").log.image.startswith("sha256:92204ff1")
    assert sample("buildx-fail").log.image is None


def test_several_platforms(sample):
    """Places name the platform; what the builder does for one is still its own business."""
    begun = sample("buildx-two-platforms").told(EventKind.BEGAN)
    assert ("linux/arm64 stage-1 2/2", "RUN echo three", "") in begun
    assert ("linux/amd64 stage-1 2/2", "RUN echo three", "") in begun
    assert not [name for _, name, _ in begun if "metadata" in name]


def test_docker_20(sample):
    """The older format, with a digest after each name, gives the same events."""
    read = sample("docker-20.10-ok")
    assert ("stage-2 2/2", "COPY app /app", "") in read.told(EventKind.DONE)
    assert ("base 2/2", "RUN for i in 1 2 3; do echo tick $i; sleep 0.1; done", "tick 2") in read.told(EventKind.OUTPUT)


def test_a_step_that_fails(sample):
    """The step that failed is known, with what it printed last and the line of the Dockerfile."""
    for name in ("buildx-fail", "docker-20.10-fail"):
        log = sample(name).log
        step, error = log.failed
        assert step.name.startswith("RUN echo first;")
        assert log.output_of(step) == ["first", "line 1", "line 2", "line 3"]
        assert "exit code: 3" in error
    assert sample("buildx-fail").log.place == ("fail.Dockerfile", 6)
    assert sample("docker-20.10-fail").log.place is None


def test_the_classic_builder(sample):
    """Its stream gives the same events, without colours, in whole lines."""
    read = sample("classic-ok")
    assert [name for _, name, _ in read.told(EventKind.BEGAN)][:3] == [
        f"FROM {BASE} AS base",
        "RUN echo one && sleep 0.3 && echo two >&2",
        "WORKDIR /app",
    ]
    assert [text for _, _, text in read.told(EventKind.OUTPUT)] == ["one", "two", "three"]
    assert len(read.told(EventKind.DONE)) == 7
    failed = sample("classic-fail")
    [(_, name, text)] = failed.told(EventKind.FAILED)
    assert (name, "code: 3" in text) == ("RUN echo one; printf two >&2; exit 3", True)


def test_pieces_of_a_line(sample):
    """The classic builder sends what a program writes; a line may come in several pieces."""
    progress = ClassicProgress()
    events = []
    for piece in ("Step 1/1 : RUN x", "\n", "dd: ", "error", "\nrest"):
        events += progress.feed({"stream": piece})
    events += progress.finish()
    assert [event.text for event in events if event.kind is EventKind.OUTPUT] == ["dd: error", "rest"]


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("\x1b[91mtwo\x1b[0m", "two"),
        ("10%\r 50%\r100%", "100%"),
        ("kept\r", "kept"),
        ("\x1b]0;title\x07text", "]0;titletext"),
        ("a\tb", "a\tb"),
    ],
)
def test_what_controls_a_terminal(line, plain):
    """Colours, other escapes and lines that overwrite themselves come out as what a person would have read last."""
    assert clean(line) == plain


def test_output_that_looks_like_progress():
    """A program may print what looks like BuildKit's own words: its lines have a time in front."""
    progress = BuildKitProgress()
    for line in ("#5 [1/1] RUN x", "#5 0.1 #6 DONE 0.1s", "#5 0.2 ERROR: no", "#5 0.3 CACHED"):
        events = list(progress.feed(line))
    assert events[0].kind is EventKind.OUTPUT
    assert progress.log.output_of(progress.log.steps[5]) == ["#6 DONE 0.1s", "ERROR: no", "CACHED"]
    assert progress.log.failed is None


def test_only_the_tail_is_kept():
    """However much a step prints, only its last lines are kept."""
    progress = BuildKitProgress()
    list(progress.feed("#1 [1/1] RUN x"))
    for number in range(10_000):
        list(progress.feed(f"#1 {number}.0 line {number}"))
    assert progress.log.output_of(progress.log.steps[1])[-1] == "line 9999"
    assert len(progress.log.outputs[1]) == 40


@given(st.lists(st.text(max_size=60) | st.sampled_from(["#1 [a 1/2] RUN x", "#1 DONE 0.1s", "------", "a:1"])))
def test_any_lines(lines):
    """Whatever is printed, reading it never fails."""
    progress = BuildKitProgress()
    for line in lines:
        list(progress.feed(line))


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["stream", "error", "aux", "status", "x"]), st.text() | st.none() | st.integers()
        )
    )
)
def test_any_objects(items):
    """Whatever the classic builder sends, reading it never fails."""
    progress = ClassicProgress()
    for item in items:
        list(progress.feed(item))
    list(progress.finish())
