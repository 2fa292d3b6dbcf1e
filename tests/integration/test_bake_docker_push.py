"""``bake docker --push`` to a real registry: what is there afterwards is what was proved."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support.engine import unique_name
from support.images import bake, image_id, image_of, own_project
from support.remote_builder import remote_buildkit
from support.shown import the_error

pytestmark = pytest.mark.needs("registry")

KINDS = ", ".join(
    f"application/vnd.{kind}"
    for kind in (
        *("oci.image.index.v1+json", "oci.image.manifest.v1+json"),
        *("docker.distribution.manifest.v2+json", "docker.distribution.manifest.list.v2+json"),
    )
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return own_project(tmp_path_factory.mktemp("push") / "shop")


def in_registry(name: str) -> tuple[str, dict]:
    """Return digest and content of the manifest that a registry has by this name."""
    host, _, rest = name.partition("/")
    path, _, tag = rest.partition(":")
    request = urllib.request.Request(f"http://{host}/v2/{path}/manifests/{tag}", headers={"Accept": KINDS})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Docker-Content-Digest"], json.load(answer)


def test_push(every_docker, registry, new_image, project, tmp_path):
    """All names are pushed; digest, id file and metadata file tell of the image that the registry has."""
    name = new_image(every_docker, registry)
    tags = [f"{name}:1", f"{name}:2"]
    iid, metadata = tmp_path / "out" / "iid", tmp_path / "out" / "metadata.json"
    flags = ("--push", "--iidfile", iid, "--metadata-file", metadata)
    named = [flag for tag in tags for flag in ("--tag", tag)]
    image = image_of(bake(every_docker, project, "--no-refresh", *named, *flags))
    assert (image["pushed"], image["tags"]) == (True, tags)
    for tag in tags:
        digest, manifest = in_registry(tag)
        assert digest == image["digest"]
        if image["id"] != digest:  # an engine without a store of manifests calls an image by its configuration
            assert manifest["config"]["digest"] == image["id"]
        every_docker.run("image", "rm", tag)
    assert iid.read_text() == image["id"]
    told = json.loads(metadata.read_text())
    if every_docker.engine.name != "20.10":  # its docker program writes no such file
        assert told["containerimage.digest"] == image["id"]


@pytest.mark.needs("docker")
def test_without_a_docker_program(docker, registry, new_image, project):
    """The engine pushes what its own builder made."""
    tag = f"{new_image(docker, registry)}:1"
    image = image_of(bake(docker, project, "--no-refresh", "--push", "--tag", tag, env={"PATH": ""}))
    assert in_registry(tag)[0] == image["digest"]
    docker.run("image", "rm", tag)


@pytest.mark.needs("docker")
def test_a_push_that_fails(docker, project, tmp_path):
    """A registry that is not there: the registry's words, exit code 7, and no file tells of an image."""
    tag = "127.0.0.1:1/statebake-test/nowhere:1"
    result = bake(docker, project, "--no-refresh", "--push", "--tag", tag, "--iidfile", tmp_path / "iid")
    docker.run("image", "rm", tag)
    error = the_error(result.err)
    assert (result.code, error.code) == (7, "SB713")
    assert error.message == f"{tag} could not be pushed."
    assert "connection refused" in "\n".join(error.detail)
    assert error.next_step == "docker login 127.0.0.1:1"
    assert not (tmp_path / "iid").exists()
    assert "image" not in result.json["projects"][0]


@pytest.mark.needs("docker")
def test_what_cannot_be_pushed(docker, project):
    """An image without a name, and one for several platforms from a builder of one, are refused before a build."""
    for args, says in (
        (["--push"], "An image without a name cannot be pushed."),
        (["--tag", "x", "--platform", "linux/amd64", "--platform", "linux/arm64"], "several platforms"),
        (["--tag", "x", "--platform", "linux/amd64,linux/arm64"], "several platforms"),
        (["--tag", "x"], "DOCKER_DEFAULT_PLATFORM names several platforms"),
    ):
        default = {} if "--platform" in args else {"DOCKER_DEFAULT_PLATFORM": "linux/amd64,linux/arm64"}
        result = bake(docker, project, "--no-refresh", *args, env=default)
        error = the_error(result.err)
        assert (result.code, error.code) == (2, "SB103")
        assert says in error.message


@pytest.mark.needs("docker")
def test_a_report_that_cannot_be_written(docker, new_image, project, tmp_path):
    """A report that could not be written is refused before the build: no image has the name then."""
    tag = new_image(docker)
    for flag in ("--iidfile", "--metadata-file"):
        result = bake(docker, project, "--no-refresh", "--tag", tag, flag, tmp_path)
        assert (result.code, the_error(result.err).code) == (7, "SB703")
        assert image_id(docker, tag) is None


@pytest.mark.needs("docker-containerd")
def test_several_platforms(docker_containerd, registry, new_image, project):
    """An engine that stores several platforms builds, proves and pushes each of them, as one index."""
    tag = f"{new_image(docker_containerd, registry)}:1"
    platforms = ["linux/amd64", "linux/arm64"]
    flags = [flag for name in platforms for flag in ("--platform", name)]
    image = image_of(bake(docker_containerd, project, "--no-refresh", "--push", "--tag", tag, *flags))
    digest, index = in_registry(tag)
    assert digest == image["digest"]
    listed = [entry["platform"] for entry in index["manifests"]]
    found = [f"{entry['os']}/{entry['architecture']}" for entry in listed if entry["os"] != "unknown"]
    assert found == [entry["platform"] for entry in image["platforms"]] == platforms
    assert [entry["state"] for entry in image["platforms"]] == [
        [{"path": "/app/src/shop/defs/.local_defs_state", "layer": 0}]
    ] * 2


@pytest.mark.needs("docker-containerd")
def test_a_platform_that_loses_state(docker_containerd, registry, new_image, project, tmp_path):
    """Where one platform of several lacks state nothing is pushed."""
    tag = f"{new_image(docker_containerd, registry)}:1"
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        "FROM scratch AS for-amd64\nCOPY src /app/src\nFROM scratch AS for-arm64\nCOPY src/shop/*.py /\n"
        "FROM for-$TARGETARCH\n"
    )
    flags = ("--file", dockerfile, "--platform", "linux/amd64,linux/arm64")
    result = bake(docker_containerd, project, "--no-refresh", "--push", "--tag", tag, *flags)
    error = the_error(result.err)
    assert (result.code, error.code) == (3, "SB313")
    assert "linux/arm64" in (error.where or "")
    with pytest.raises(urllib.error.HTTPError, match="404") as answer:
        in_registry(tag)
    answer.value.close()
    assert image_id(docker_containerd, tag) is None


@pytest.mark.needs("docker-containerd", "docker")
def test_a_remote_builder(docker, docker_containerd, registry, project, tmp_path):
    """A builder elsewhere builds for several platforms, what it made is proved here, and pushed by it."""
    tag = f"{registry}/{unique_name()}:1"  # no engine has it
    with remote_buildkit(docker_containerd.host.removeprefix("unix://"), tmp_path / "s") as address:
        docker.run("buildx", "create", "--driver", "remote", "--name", f"far-{tmp_path.name}", address).ok()
        try:
            flags = ("--builder", f"far-{tmp_path.name}", "--platform", "linux/amd64", "--platform", "linux/arm64")
            image = image_of(bake(docker, project, "--no-refresh", "--push", "--tag", tag, *flags))
        finally:
            docker.run("buildx", "rm", "--force", f"far-{tmp_path.name}")
    digest, index = in_registry(tag)
    assert (digest, image["pushed"]) == (image["digest"], True)
    assert [entry["platform"] for entry in image["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert len(index["manifests"]) >= 2
    assert image["builder"] == f"buildx with the builder far-{tmp_path.name} (remote)"
