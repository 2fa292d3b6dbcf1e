"""Building with real engines: what comes out, what goes wrong, and what an interrupt leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from statebake.engine import BuildEvent, BuildRequest, EventKind, choose_builder, open_engine
from statebake.errors import Code, StatebakeError
from statebake.verify import read_image, read_layout
from support.cli import clean_env
from support.engine import Docker, Tools
from support.remote_builder import remote_builder
from support.trees import write_tree

BASE = "python:3.11-slim"
OK = f"""
    FROM {BASE} AS base
    RUN echo one && echo two >&2
    FROM base
    COPY app /app
"""
SMALL = "FROM scratch\nCOPY app /app\n"
NewImage = Callable[..., str]


@pytest.fixture(params=["client", "api"])
def env(request: pytest.FixtureRequest, every_docker: Docker, tmp_path: Path) -> dict[str, str]:
    """The environment for each engine, with its docker program and without one."""
    return environment(every_docker, tmp_path if request.param == "api" else None)


def environment(docker: Docker, path: Path | None = None) -> dict[str, str]:
    """Return the environment for an engine; ``path``: a directory without a docker program."""
    env = clean_env(docker.env())
    return {**env, "PATH": str(path)} if path else env


def make(tmp_path: Path, dockerfile: str, **files: str) -> BuildRequest:
    """Write a build context, and return a request for it."""
    context = write_tree(tmp_path / "context", {"Dockerfile": dockerfile, "app/state": "1", **files})
    return BuildRequest(context, context / "Dockerfile", "Dockerfile", args=("--network=host",))


def built(env: dict[str, str], request: BuildRequest, **choice) -> tuple[str, list[BuildEvent]]:
    """Build, and return the image's id and the events."""
    engine, events = open_engine(env), []
    image = choose_builder(engine, env, **choice).build(request, events.append)
    assert engine.image(image.id).id == image.id
    return image.id, events


def failed(env: dict[str, str], request: BuildRequest, **choice) -> StatebakeError:
    with pytest.raises(StatebakeError) as caught:
        choose_builder(open_engine(env), env, **choice).build(request, lambda _: None)
    return caught.value


def test_the_builder_that_is_chosen(every_docker, tmp_path):
    """buildx where it is, the BuildKit inside the older docker program, and the engine's API without a program."""
    env = environment(every_docker)
    engine = open_engine(env)
    buildx = every_docker.engine.name != "20.10"
    builder = choose_builder(engine, env)
    assert ("buildx" in builder.title) == buildx
    assert builder.compat == engine.facts.compat == ("buildkit" if buildx else "docker-20.10")
    assert (builder.in_engine, engine.facts.containerd_store) == (True, every_docker.engine.name == "containerd")
    without = choose_builder(engine, environment(every_docker, tmp_path))
    assert (without.compat, without.loses[0]) == ("classic", "secrets")
    no_plugin = choose_builder(engine, {**env, "DOCKER_CONFIG": str(tmp_path)})
    assert ("API" in no_plugin.title) == buildx


def test_a_build(env, tmp_path):
    """Every builder tells the same of the same build, and of its repetition that nothing was run."""
    mark = f"RUN echo {tmp_path}"
    request = make(tmp_path, f"{OK}\n    {mark}\n")
    image, events = built(env, request)
    begun = [event.step.name for event in events if event.kind is EventKind.BEGAN and event.step.is_instruction]
    assert "COPY app /app" in begun
    assert mark in begun
    assert [event.text for event in events if event.kind is EventKind.OUTPUT][-1] == str(tmp_path)
    assert [event for event in events if event.kind is EventKind.DONE and event.seconds is None] == []
    engine = open_engine(env)
    again = choose_builder(engine, env).build(request, lambda _: None)
    assert (again.ran, again.cached >= 3) == (0, True)
    assert engine.image(again.id).layers == engine.image(image).layers


def test_a_dockerfile_outside_of_the_context(env, tmp_path):
    """The Dockerfile may lie elsewhere."""
    request = make(tmp_path, "FROM nothing")
    other = write_tree(tmp_path / "elsewhere", {"My.Dockerfile": OK}) / "My.Dockerfile"
    built(env, BuildRequest(request.context, other, "My.Dockerfile", args=("--network=host",)))


def test_labels_arguments_and_target(env, tmp_path):
    """Labels and build arguments reach the image, and a stage can be asked for."""
    text = f"FROM {BASE} AS first\nARG WORD=none\nLABEL word=$WORD\nFROM first\nLABEL second=1\n"
    request = make(tmp_path, text)
    asked = BuildRequest(
        **{**vars(request), "labels": {"io.statebake.x": "a b"}, "build_args": ("WORD",), "args": ("--target=first",)}
    )
    image, _ = built({**env, "WORD": "hello"}, asked)
    labels = open_engine(env).image(image).labels
    assert (labels["io.statebake.x"], labels["word"], labels.get("second")) == ("a b", "hello", None)


@pytest.mark.parametrize(
    ("text", "code", "line", "words"),
    [
        (f"FROM {BASE}\n\nRUN echo first; \\\n  exit 3\n", Code.BUILD_FAILED, 3, "RUN echo first; exit 3"),
        (f"FROM {BASE}\nCOPY nowhere /x\n", Code.BUILD_FAILED, 2, "COPY nowhere /x"),
        (f"FROM {BASE}\nBOGUS x\n", Code.BUILD_FAILED, 2, "BOGUS"),
        ("FROM nosuch.invalid/team/base:1\nRUN true\n", Code.BASE_IMAGE, 1, "nosuch.invalid/team/base:1"),
    ],
)
def test_what_fails(env, tmp_path, text, code, line, words):  # noqa: PLR0917
    """Each builder's failure becomes the same error: the step, its line, and what was printed."""
    error = failed(env, make(tmp_path, text))
    assert (error.code, error.where) == (code, f"Dockerfile:{line}")
    assert words in error.message


def test_the_last_lines_of_a_failed_step(env, tmp_path):
    """What the step printed last is shown, without the secrets of the environment."""
    text = f"FROM {BASE}\nRUN for i in $(seq 100); do echo line $i; done; echo t0k3n-in-the-environment; exit 1\n"
    error = failed({**env, "API_TOKEN": "t0k3n-in-the-environment"}, make(tmp_path, text))
    assert "line 100" in error.detail
    assert "line 1\n" not in error.detail
    assert "t0k3n" not in str(error)


def test_a_step_without_space(env, tmp_path):
    """A step whose disk is full is told as an engine that is full."""
    text = f"FROM {BASE}\nRUN dd if=/dev/zero of=/dev/full bs=1 count=1\n"
    error = failed(env, make(tmp_path, text))
    assert error.code is Code.ENGINE_FULL
    assert "No space left on device" in error.detail


def test_a_platform_that_is_not_there(every_docker, tmp_path):
    """A foreign platform of a base image, and foreign programs, are told with the platform."""
    env = environment(every_docker)
    request = make(tmp_path, f"FROM {BASE}\nRUN true\n")
    if every_docker.engine.name != "containerd":  # its store calls an imported image whatever is asked for
        error = failed(env, BuildRequest(**{**vars(request), "platforms": ("linux/s390x",)}))
        assert (error.code, "linux/s390x" in error.message) == (Code.BASE_IMAGE, True)
    foreign = tmp_path / "context/app/foreign"
    foreign.write_bytes(b"\x7fELF\x02\x02\x01" + bytes(57))  # a 64-bit program, the other way round
    foreign.chmod(0o755)
    text = f'FROM {BASE}\nCOPY app/foreign /foreign\nRUN ["/foreign"]\n'
    error = failed(env, make(tmp_path, text))
    assert (error.code, error.where) == (Code.WRONG_PLATFORM, "Dockerfile:3")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secrets": ("id=tok,src=/nowhere/token",)}, "/nowhere/token"),
        ({"args": ("--bogus",)}, "--bogus"),
        ({"args": ("--target=nope",)}, "nope"),
    ],
)
def test_what_is_refused(every_docker, tmp_path, change, words):
    """What the builder does not take is a setting of the user's."""
    request = make(tmp_path, OK)
    error = failed(environment(every_docker), BuildRequest(**{**vars(request), **change}))
    assert error.code is Code.BAD_SETTING
    assert words in error.message


def test_what_a_builder_cannot_do(every_docker, tmp_path):
    """It is refused before anything runs."""
    without = environment(every_docker, tmp_path)
    for change in (
        {"secrets": ("id=a,src=b",)},
        {"platforms": ("linux/amd64", "linux/arm64")},
        {"args": ("--squash",)},
        {"output": "layout"},
    ):
        error = failed(without, BuildRequest(**{**vars(make(tmp_path, OK)), **change}))
        assert (error.code, "cannot build with" in error.message) == (Code.BAD_SETTING, True)
    assert failed(without, make(tmp_path, OK), name="far").code is Code.BAD_SETTING
    if every_docker.engine.name == "26":
        several = BuildRequest(**{**vars(make(tmp_path, OK)), "platforms": ("linux/amd64", "linux/arm64")})
        assert "docker buildx create" in failed(environment(every_docker), several).next_step


@pytest.mark.needs("docker")
def test_a_builder_that_is_not_there(docker, tmp_path):
    """A builder's name is looked up before anything is built."""
    error = failed(environment(docker), make(tmp_path, OK), name="nosuchbuilder")
    assert (error.code, error.next_step) == (Code.BAD_SETTING, "docker buildx ls")
    assert "nosuchbuilder" in error.message


BUILDER = """
import os, signal, sys
from pathlib import Path
from statebake.engine import BuildRequest, choose_builder, open_engine

def interrupt(*_):
    raise KeyboardInterrupt

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, interrupt)
context = Path(sys.argv[1])
request = BuildRequest(context, context / "Dockerfile", "Dockerfile", args=("--network=host",))
try:
    choose_builder(open_engine(os.environ), os.environ).build(request, lambda event: print(event.text, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


def processes(word: str) -> list[str]:
    """Return the commands of the processes that were told ``word``."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command and int(place.name) != os.getpid():
            found.append(command)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt(env, every_docker, tmp_path, number):
    """An interrupt ends the build in the engine within two seconds, and leaves no step, client or container behind."""
    word = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    request = make(tmp_path, f"FROM {BASE}\nRUN echo begun; while true; do echo {word}; sleep 0.1; done\n")
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, request.context], env=env, stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.strip() == word:
            break
    assert processes(word)
    began = time.monotonic()
    process.send_signal(number)
    process.stdout.read()
    assert process.wait(timeout=5) == 130
    process.stdout.close()

    def left() -> list[str]:
        listed = every_docker.run("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Command}}").ok().out
        containers = [line for line in listed.splitlines() if word in line]
        return [*processes(word), *processes(str(request.context)), *containers]

    while left() and time.monotonic() - began < 2:
        time.sleep(0.02)
    assert not left()


@pytest.mark.needs("docker-containerd", "registry")
def test_a_remote_builder(docker_containerd, registry, new_image, tmp_path):
    """A remote BuildKit builds to an archive that can be proved, and then pushes the very same images."""
    request = make(tmp_path, SMALL)
    tag = f"{new_image(docker_containerd, registry)}:1"
    with remote_builder(docker_containerd, "far", tmp_path / "config") as config:
        env = {**environment(docker_containerd), **config}
        engine = open_engine(env)
        builder = choose_builder(engine, env, name="far")
        assert (builder.in_engine, builder.compat) == (False, "buildkit")
        changed = {**vars(request), "platforms": ("linux/amd64", "linux/arm64")}
        layout = tmp_path / "layout.tar"
        builder.build(BuildRequest(**{**changed, "output": "layout", "layout": layout}), lambda _: None)
        images = read_layout(layout)
        assert [image.facts.platform for image in images] == ["linux/amd64", "linux/arm64"]
        builder.build(BuildRequest(**{**changed, "output": "registry", "tags": (tag,)}), lambda _: None)
        assert builder.pushed(tag) == {image.facts.id for image in images}
        with pytest.raises(StatebakeError) as caught:
            builder.pushed(f"{tag}-nowhere")
        assert caught.value.code is Code.PUSH_FAILED
        loaded = builder.build(request, lambda _: None)
        assert engine.image(loaded.id).id == loaded.id


@pytest.mark.needs("podman")
def test_podman(tools: Tools, tmp_path):
    """Podman's service builds through its API, as buildah does, and its images are read in the same way."""
    address = f"unix://{tmp_path}/podman.sock"
    programs = tools.containers.environment["PATH"]
    env = clean_env({"DOCKER_HOST": address, "PATH": os.pathsep.join([programs, os.environ["PATH"]])})
    service = subprocess.Popen(["podman", "system", "service", "--time=0", address], env=env, stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "podman.sock").exists():
            time.sleep(0.05)
        engine = open_engine(env)
        assert (engine.facts.podman, engine.facts.compat) == (True, "buildah")
        request = make(tmp_path, f"FROM {BASE}\nRUN echo {tmp_path}\nCOPY app/state /app/.local_defs_state/a/state\n")
        image, events = built(env, request)
        assert [event.text for event in events if event.kind is EventKind.OUTPUT] == [str(tmp_path)]
        [state] = read_image(engine, image, find_layers=True).states
        assert state.directories["a"].files == 1
        error = failed(env, make(tmp_path, f"FROM {BASE}\n\nRUN echo first; exit 3\n"))
        assert (error.code, error.where) == (Code.BUILD_FAILED, "Dockerfile:3")
        engine.close()
        subprocess.run(["podman", "rmi", "--force", image], env=env, check=True, capture_output=True)
    finally:
        service.terminate()
        service.wait()


@pytest.mark.needs("registry")
def test_pushing(every_docker, registry, new_image, tmp_path):
    """An image gets a name and is pushed; a registry that is not there is told by its own words."""
    env = environment(every_docker)
    engine = open_engine(env)
    image, _ = built(env, make(tmp_path, SMALL, **{"app/unique": str(tmp_path)}))
    tag = f"{new_image(every_docker, registry)}:1"
    engine.tag(image, tag)
    lines: list[str] = []
    digest = engine.push(tag, lines.append)
    assert digest.startswith("sha256:")
    assert lines
    assert f"{tag.rpartition(':')[0]}@{digest}" in engine.image(tag).digests
    wrong = "localhost:9/team/app:1"
    engine.tag(image, wrong)
    with pytest.raises(StatebakeError) as caught:
        engine.push(wrong, lines.append)
    assert caught.value.code is Code.PUSH_FAILED
    assert "connection refused" in caught.value.detail
    assert caught.value.next_step == "docker login localhost:9"
    every_docker.run("rmi", wrong).ok()
    assert wrong not in engine.image(tag).tags
