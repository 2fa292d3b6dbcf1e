"""``statebake bake docker --push``: what is proved is what is pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine import Docker
from support.images import BASE, OWN, bake, image_of, own_project
from support.remote_builder import remote_builder

pytestmark = pytest.mark.needs("registry")
PLATFORMS = ("--platform", "linux/amd64", "--platform", "linux/arm64")


def test_from_the_engine(every_docker: Docker, registry, new_image, tmp_path: Path) -> None:
    """The engine pushes what was proved in it, under every name; the digest is told."""
    project = own_project(tmp_path / "shop")
    tags = [f"{new_image(every_docker, registry)}:{number}" for number in "12"]
    flags = [part for tag in tags for part in ("--tag", tag)]
    image = image_of(bake(every_docker, project, "--no-refresh", "--file", project / "Dockerfile", *flags, "--push"))
    assert (image["pushed"], image["tags"]) == (True, tags)
    for tag in tags:
        every_docker.run("image", "rm", "--force", tag).ok()
        every_docker.run("pull", f"{tag.rpartition(':')[0]}@{image['digest']}").ok()
        every_docker.run("image", "rm", "--force", f"{tag.rpartition(':')[0]}@{image['digest']}").ok()


@pytest.mark.needs("docker-containerd")
def test_from_a_remote_builder(docker_containerd, registry, new_image, tmp_path: Path) -> None:
    """A remote builder's images are proved in an archive, for each platform, and then pushed."""
    project = own_project(tmp_path / "shop")
    tag = f"{new_image(docker_containerd, registry)}:1"
    flags = ("--no-refresh", "--file", project / "Dockerfile", "--tag", tag, "--push", "--builder", "far")
    with remote_builder(docker_containerd, "far", tmp_path / "config") as config:
        image = image_of(bake(docker_containerd, project, *flags, *PLATFORMS, env=config))
    assert (image["pushed"], image["tags"]) == (True, [tag])
    docker_containerd.run("pull", "--platform", "linux/arm64", tag).ok()


@pytest.mark.needs("docker-containerd")
def test_steps_that_give_other_bytes(docker_containerd, registry, new_image, tmp_path: Path) -> None:
    """Where the image that is pushed is not the one that was proved, that is an error."""
    own = OWN.replace("scratch", BASE) + "RUN date +%N > /now\n"
    project = own_project(tmp_path / "shop", own)
    tag = f"{new_image(docker_containerd, registry)}:1"
    flags = ("--file", project / "Dockerfile", "--tag", tag, "--push", "--builder", "far")
    further = ("--no-refresh", "--docker-arg=--no-cache", "--docker-arg=--network=host")
    with remote_builder(docker_containerd, "far", tmp_path / "config") as config:
        result = bake(docker_containerd, project, *flags, *further, env=config)
    assert (result.code, "error[SB313]" in result.err) == (3, True)
    assert "is not what was proved" in result.err


def test_a_registry_that_refuses(every_docker: Docker, tmp_path: Path) -> None:
    """The registry's own words are shown; the image was proved, and has its name in the engine."""
    project = own_project(tmp_path / "shop")
    flags = ("--no-refresh", "--file", project / "Dockerfile", "--tag", "localhost:9/statebake-test/x:1", "--push")
    result = bake(every_docker, project, *flags)
    assert (result.code, "error[SB713]" in result.err, "connection refused" in result.err) == (7, True, True)
    every_docker.run("image", "rm", "--force", "localhost:9/statebake-test/x:1").ok()
