"""The engines, the registry and the tools that other tests build with do what those tests rely on."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from lab.places import REPO, cache
from support.cli import Result, clean_env, run
from support.engine import Docker, Tools, unique_name
from support.trees import write_tree

BASE = "python:3.11-slim"
VERSIONS = {"26": "26.1.", "containerd": "26.1.", "20.10": "20.10."}
STORES = {"26": "overlay2", "containerd": "overlayfs", "20.10": "overlay2"}
PYTHON = ("--network", "none", "--read-only", "--user", "1000", BASE, "python3", "--version")
MOUNTS = f"""
    FROM {BASE}
    RUN --mount=type=secret,id=word --mount=type=cache,target=/kept \\
        cat /run/secrets/word > /told && ls /kept > /found && touch /kept/MARK
"""
INSTALL = f"""
    FROM {BASE}
    RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf python3 -m venv /by-pip && /by-pip/bin/pip install six uv
    RUN --mount=type=secret,id=uv_toml,target=/etc/uv/uv.toml \\
        /by-pip/bin/uv venv /by-uv && /by-pip/bin/uv pip install --python /by-uv/bin/python six
"""
LINK = f"FROM {BASE}\nCOPY --link . /copied/\n"

USER = """
import sys
from lab import leases
from lab.registry import Registry

with leases.held(Registry()):
    print(Registry().address, flush=True)
    sys.stdin.read()
"""

NewImage = Callable[..., str]


def build(docker: Docker, directory: Path, image: str, *options: str | Path) -> Result:
    """Run ``docker build`` with BuildKit, which 20.10 has to be asked for."""
    where = ("--network", "host", "--tag", image, directory)
    return docker.run("build", *options, *where, env={"DOCKER_BUILDKIT": "1"})


def inside(docker: Docker, image: str, *command: str) -> str:
    """Return what a command prints in a container without a network."""
    return docker.run("run", "--rm", "--network", "none", image, *command).ok().out


def test_an_engine_and_its_client(every_docker: Docker) -> None:
    """The client on the path is the engine's own, images lie on an overlay, and both kinds of 26 have buildx."""
    name = every_docker.engine.name
    asked = every_docker.run("version", "--format", "{{.Client.Version}} {{.Server.Version}}").ok().out.split()
    assert [version.startswith(VERSIONS[name]) for version in asked] == [True, True], asked
    assert every_docker.run("info", "--format", "{{.Driver}}").ok().out.strip() == STORES[name]
    assert (every_docker.run("buildx", "version").code == 0) == (name != "20.10")


def test_the_base_image(every_docker: Docker) -> None:
    """It runs Python without a network, on a file system that is read only, as a user that it does not know."""
    assert every_docker.run("run", "--rm", *PYTHON).ok().out.startswith("Python 3.11.")


def test_secrets_and_caches(every_docker: Docker, new_image: NewImage, tmp_path: Path) -> None:
    """Every engine gives a build a secret, which stays out of the image, and a cache, which the next build finds."""
    secret, mark, image = tmp_path / "word", uuid4().hex, new_image(every_docker)
    secret.write_text("open sesame")
    found = []
    for number in ("first", "second"):
        context = write_tree(tmp_path / number, {"Dockerfile": MOUNTS.replace("MARK", f"{mark}-{number}")})
        build(every_docker, context, image, "--secret", f"id=word,src={secret}").ok()
        assert inside(every_docker, image, "cat", "/told") == "open sesame"
        assert "word" not in inside(every_docker, image, "find", "/run")
        found.append([name for name in inside(every_docker, image, "cat", "/found").split() if mark in name])
    assert found == [[], [f"{mark}-first"]]


@pytest.mark.needs("docker")
def test_pip_and_uv_in_a_build(docker: Docker, new_image: NewImage, tmp_path: Path) -> None:
    """A build reaches the package index as this machine does, with pip and with uv."""
    image, context = new_image(docker), write_tree(tmp_path / "it", {"Dockerfile": INSTALL})
    secrets = (f"id=pip_conf,src={docker.pip_conf}", f"id=uv_toml,src={docker.uv_toml}")
    build(docker, context, image, "--no-cache", *(f"--secret={secret}" for secret in secrets)).ok()
    assert inside(docker, image, "/by-pip/bin/python", "-c", "import six; print(six.__name__)") == "six\n"
    assert inside(docker, image, "/by-uv/bin/python", "-c", "import six; print(six.__name__)") == "six\n"


def test_copy_link(every_docker: Docker, new_image: NewImage, tmp_path: Path) -> None:
    """``COPY --link`` is known to 26, and 20.10 refuses it by name."""
    context = write_tree(tmp_path / "it", {"Dockerfile": LINK, "file": "content"})
    result = build(every_docker, context, new_image(every_docker))
    if every_docker.engine.name == "20.10":
        assert (result.code, "Unknown flag: link" in result.err) == (1, True), result.err
    else:
        result.ok()


@pytest.mark.needs("registry")
def test_push_and_pull(every_docker: Docker, registry: str, new_image: NewImage, tmp_path: Path) -> None:
    """An image goes to the registry and comes back, and the registry's own API knows its tag."""
    image = new_image(every_docker, registry)
    context = write_tree(tmp_path / "it", {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": image})
    build(every_docker, context, image).ok()
    the_id = ("image", "inspect", "--format", "{{.Id}}", image)
    before = every_docker.run(*the_id).ok().out
    every_docker.run("push", image).ok()
    every_docker.run("image", "rm", image).ok()
    every_docker.run("pull", image).ok()
    assert every_docker.run(*the_id).ok().out == before
    repository = image.partition("/")[2]
    with urllib.request.urlopen(f"http://{registry}/v2/{repository}/tags/list", timeout=10) as answer:
        assert json.load(answer) == {"name": repository, "tags": ["latest"]}


@pytest.mark.needs("buildah", "podman")
@pytest.mark.parametrize("tool", ["buildah", "podman"])
def test_the_other_builders(tools: Tools, tool: str, tmp_path: Path) -> None:
    """They build from the same base image, podman runs what they built, and neither knows ``COPY --link``."""
    image, context = unique_name(), write_tree(tmp_path / "it", {"Dockerfile": MOUNTS.replace("MARK", "it")})
    (tmp_path / "word").write_text("open sesame")
    options = ("--network", "host", "--tag", image)
    tools.run(tool, "build", *options, "--secret", f"id=word,src={tmp_path / 'word'}", context).ok()
    run_it = ("run", "--rm", "--network", "none", "--read-only", "--user", "1000", image)
    assert tools.run("podman", *run_it, "cat", "/told").ok().out == "open sesame"
    (context / "Dockerfile").write_text(LINK)
    refused = tools.run(tool, "build", *options, context)
    assert (refused.code, "COPY only supports" in refused.err) == (125, True), refused.err
    tools.run("podman", "image", "rm", "--force", image).ok()


@pytest.mark.needs("docker", "buildah")
def test_an_image_read_by_other_eyes(docker: Docker, tools: Tools, new_image: NewImage, tmp_path: Path) -> None:
    """skopeo turns what an engine has saved into an OCI layout, and umoci unpacks it."""
    image, context = new_image(docker), tmp_path / "it"
    build(docker, write_tree(context, {"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "content"}), image).ok()
    docker.run("save", "--output", tmp_path / "saved.tar", image).ok()
    tools.run("skopeo", "copy", f"docker-archive:{tmp_path}/saved.tar", f"oci:{tmp_path}/layout:it").ok()
    tools.run("umoci", "unpack", "--image", f"{tmp_path}/layout:it", tmp_path / "unpacked").ok()
    assert (tmp_path / "unpacked/rootfs/file").read_text() == "content"


@pytest.mark.needs("hadolint")
def test_hadolint(tmp_path: Path) -> None:
    """It passes a good Dockerfile and names the rule that a bad one breaks."""
    hadolint = Path(sys.executable).parent / "hadolint"
    root = write_tree(tmp_path, {"good": f"FROM {BASE}\n", "bad": "FROM python\n"})
    run([hadolint, "good"], cwd=root).ok()
    assert "DL3006" in run([hadolint, "bad"], cwd=root).out


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab of its own, where nothing runs, with the packages that are there."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/packages").symlink_to(cache() / "packages")
    own = Lab(tmp_path / "cache")
    yield own
    own.engine("stop").ok()
    shutil.rmtree(own.sockets())


class Lab:
    """``tests/tools/engine`` on another cache."""

    def __init__(self, place: Path) -> None:
        self.env = {"STATEBAKE_ENGINE_CACHE": str(place), "PYTHONPATH": str(REPO / "tests")}

    def engine(self, *arguments: str) -> Result:
        return run([REPO / "tests/tools/engine", *arguments], cwd=REPO, env=self.env)

    def sockets(self) -> str:
        return self._status("sockets")

    def _status(self, what: str) -> str:
        lines = dict(line.split(maxsplit=1) for line in self.engine("status").ok().out.splitlines())
        return lines[what]

    def registry_runs(self) -> bool:
        return self._status("registry") == "runs"

    @contextlib.contextmanager
    def user(self) -> Iterator[subprocess.Popen[str]]:
        """A process that uses the registry until its input ends, once it has printed the address."""
        using = subprocess.Popen(
            [sys.executable, "-c", USER],
            env=clean_env(self.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with using:
            yield using


@pytest.mark.needs("registry")
def test_a_daemon_is_shared_and_ended_after_its_last_user(lab: Lab) -> None:
    """The first user starts it, the second has the same, the first to go leaves it, and the last ends it."""
    with lab.user() as one:
        address = one.stdout.readline()
        with lab.user() as other:
            assert other.stdout.readline() == address
        assert lab.registry_runs()
    assert not lab.registry_runs()


@pytest.mark.needs("registry")
def test_a_daemon_of_a_killed_user(lab: Lab) -> None:
    """Where its only user was killed it goes on, the next user takes it over, and ``stop --unused`` ends it."""
    with lab.user() as one:
        address = one.stdout.readline()
        one.kill()
    assert lab.registry_runs()
    with lab.user() as other:
        assert other.stdout.readline() == address
        lab.engine("stop", "--unused").ok()
        assert lab.registry_runs()
        other.kill()
    lab.engine("stop", "--unused").ok()
    assert not lab.registry_runs()


@pytest.mark.needs("registry")
def test_a_daemon_started_by_hand(lab: Lab) -> None:
    """It outlives its users and ``stop --unused``, until it is stopped by name."""
    started = lab.engine("registry", "start").ok().out
    with lab.user() as one:
        assert started == f"export STATEBAKE_TEST_REGISTRY={one.stdout.readline()}"
    lab.engine("stop", "--unused").ok()
    assert lab.registry_runs()
    lab.engine("registry", "stop").ok()
    assert not lab.registry_runs()
