"""What went wrong in a build, as one error."""

from __future__ import annotations

import pytest

from statebake.engine.events import BuildEvent, BuildLog, EventKind, Step
from statebake.engine.failures import build_error, logical_lines
from statebake.errors import Code

FAIL = """\
FROM python:3.11-slim AS base
RUN echo one
# a comment

FROM base
RUN --mount=type=cache,target=/root/.cache echo first; \\
    for i in 1 2 3; do echo line $i; done; \\
    exit 3
"""
TEXTS = {
    "fail": FAIL,
    "nobase": "FROM nosuch.invalid/base:1\nRUN true\n",
    "nocopy": "FROM python:3.11-slim\nCOPY nothere /x\n",
    "secret": "FROM python:3.11-slim\nRUN --mount=type=secret,id=tok,required=true cat /run/secrets/tok\n",
    "syntax": "FROM python:3.11-slim\nBOGUS x\n",
    "full": "FROM python:3.11-slim\nRUN dd if=/dev/zero of=/dev/full bs=1 count=1\n",
}


def error_of(sample, name, env=None, **options):
    return build_error(sample(name).log, env or {}, dockerfile="Dockerfile", **options)


@pytest.mark.parametrize("builder", ["buildx", "docker-20.10"])
@pytest.mark.parametrize(
    ("name", "code", "place", "words"),
    [
        ("fail", Code.BUILD_FAILED, 6, "RUN echo first; for i in 1 2 3; do echo line $i; done; exit 3"),
        ("nobase", Code.BASE_IMAGE, 1, "nosuch.invalid/base:1 cannot be had"),
        ("nocopy", Code.BUILD_FAILED, 2, "[2/2] COPY nothere /x"),
        ("secret", Code.BUILD_FAILED, 2, "RUN cat /run/secrets/tok"),
        ("syntax", Code.BUILD_FAILED, 2, "unknown instruction: BOGUS"),
    ],
)
def test_the_step_and_its_line(sample, builder, name, code, place, words):  # noqa: PLR0917
    """Each builder's failure names the step and its line, also where the builder itself says no line."""
    error = error_of(sample, f"{builder}-{name}", text=TEXTS[name])
    assert (error.code, error.where) == (code, f"Dockerfile:{place}")
    assert words in error.message


@pytest.mark.parametrize("name", ["buildx-full", "docker-20.10-full", "classic-full"])
def test_no_space_left(sample, name):
    """A step that finds no space is told as an engine that is full, with the step's own words."""
    error = error_of(sample, name, text=TEXTS["full"])
    assert error.code is Code.ENGINE_FULL
    assert "dd: error writing '/dev/full': No space left on device" in error.detail.splitlines()
    assert "prune" in error.next_step


def test_the_last_lines_are_shown(sample):
    """What the step printed last comes before the builder's summary."""
    detail = error_of(sample, "buildx-fail").detail.splitlines()
    assert detail[:4] == ["first", "line 1", "line 2", "line 3"]
    assert detail[4].endswith("did not complete successfully: exit code: 3")


def test_the_secret_that_is_missing(sample):
    """The next step for a secret that was not given is to give it."""
    for name in ("buildx-secret", "docker-20.10-secret"):
        assert error_of(sample, name).next_step == "give the secret: --secret id=tok,src=FILE"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("buildx-unknown-flag", "unknown flag: --bogus"),
        ("docker-20.10-unknown-flag", "unknown flag: --bogus"),
        ("buildx-no-secret-file", "failed to stat /nowhere/token"),
        ("buildx-no-target", 'target stage "nope" could not be found'),
    ],
)
def test_what_is_refused(sample, name, words):
    """What the builder refuses before it runs anything is a setting of the user's."""
    error = error_of(sample, name)
    assert error.code is Code.BAD_SETTING
    assert words in error.message


def test_platforms(sample):
    """A builder for one platform says so; an image that is there for another platform only is told with both."""
    error = error_of(sample, "buildx-platforms", platforms=("linux/amd64", "linux/arm64"))
    assert (error.code, "linux/amd64, linux/arm64" in error.message) == (Code.WRONG_PLATFORM, True)
    error = error_of(sample, "buildx-other-platform", platforms=("linux/arm64",), text=TEXTS["fail"])
    assert (error.code, error.where) == (Code.BASE_IMAGE, "Dockerfile:1")
    assert error.message == "The base image python:3.11-slim cannot be had for linux/arm64."
    assert error.next_step == "docker pull --platform linux/arm64 python:3.11-slim"


@pytest.mark.parametrize(
    "words",
    [
        "exec /bin/sh: exec format error",
        "python:3.11-slim: no match for platform in manifest: not found",
        "no matching manifest for linux/s390x in the manifest list entries",
    ],
)
def test_the_wrong_platform(words):
    """A foreign program, and an image without a variant, are the wrong platform."""
    step = Step(3, "2/2", "RUN true")
    log = BuildLog()
    log.add(BuildEvent(EventKind.BEGAN, step))
    log.add(BuildEvent(EventKind.OUTPUT, step, words))
    log.add(BuildEvent(EventKind.FAILED, step, "exit code: 1"))
    assert build_error(log, {}, dockerfile="Dockerfile").code is Code.WRONG_PLATFORM


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: failed to solve: Unavailable: error reading from server: EOF",
        "ERROR: Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?",
        'error during connect: Post "http://x/build": EOF',
    ],
)
def test_an_engine_that_goes_away(line):
    """An engine that ends during a build is no failure of a step."""
    log = BuildLog(errors=[line])
    log.add(BuildEvent(EventKind.BEGAN, Step(5, "2/2", "RUN sleep 9")))
    assert build_error(log, {}, dockerfile="Dockerfile").code is Code.ENGINE_UNREACHABLE


def test_secrets_are_masked():
    """Neither the step's name, nor what it printed, nor the summary shows a secret."""
    step = Step(2, "2/2", "RUN curl https://me:hunter22@host/")
    log = BuildLog(errors=['ERROR: failed to solve: process "curl t0k3n-t0k3n" did not complete'])
    log.add(BuildEvent(EventKind.BEGAN, step))
    log.add(BuildEvent(EventKind.OUTPUT, step, "got t0k3n-t0k3n"))
    log.add(BuildEvent(EventKind.FAILED, step, "t0k3n-t0k3n"))
    text = str(build_error(log, {"API_TOKEN": "t0k3n-t0k3n"}, dockerfile="Dockerfile"))
    assert "hunter22" not in text
    assert "t0k3n" not in text
    assert "****" in text


def test_a_builder_that_says_nothing():
    """No output at all is an error all the same."""
    error = build_error(BuildLog(), {}, dockerfile="Dockerfile")
    assert "it printed nothing" in error.message


def test_lines_of_a_dockerfile():
    """Instructions that go on in the next line are one, also around comments and blank lines."""
    assert logical_lines("FROM a\n\nRUN b \\\n# comment\n  c\n  COPY d e \n") == [
        (1, "FROM a"),
        (3, "RUN b  c"),
        (6, "COPY d e"),
    ]
