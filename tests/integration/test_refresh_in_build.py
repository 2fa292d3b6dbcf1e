"""``statebake dockerfile --refresh-in-build``: the state is fetched with secrets that nobody finds in the image."""

from __future__ import annotations

import gzip
import tarfile
from functools import partial
from pathlib import Path

import pytest

from lab import settings
from support.cli import statebake
from support.engine import Docker, unique_name
from support.pexes import copy_example
from support.service import NEW_STATION, TOKEN
from support.wheel_index import statebake_index

SEALED = ("--network", "none", "--read-only", "--user", "1000")


@pytest.fixture(scope="module")
def pip_conf(tmp_path_factory) -> Path:
    """A pip.conf for builds here that finds this very statebake, as a package index would have it."""
    with statebake_index(tmp_path_factory.mktemp("index"), settings.pip_conf()) as path:
        yield path


def saved(docker: Docker, image: str, path: Path) -> bytes:
    """Return every byte of an image as it is moved: layers, unpacked as well, history and configuration."""
    docker.run("save", "--output", path, image).ok()
    found = []
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            data = content.read()
            found.append(data)
            if data[:2] == b"\x1f\x8b":
                found.append(gzip.decompress(data))
    return b"\0".join(found)


@pytest.mark.needs("docker", "uv")
def test_refresh_in_build(docker, pip_conf, service, new_image, tmp_path):
    """The image carries what the service said during the build; the token is in no layer, history or configuration."""
    project = copy_example("weather", tmp_path / "weather")
    names = [flag for name in ("WEATHER_API", "WEATHER_TOKEN") for flag in ("--refresh-secret", name)]
    statebake("dockerfile", "--refresh-in-build", "--base-image", "python:3.11-slim", *names, cwd=project).ok()
    secrets = {**service.env, "pip_conf": pip_conf}
    for name, value in service.env.items():
        (tmp_path / name).write_text(str(value))
        secrets[name] = tmp_path / name
    flags = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
    image = new_image(docker)

    def built(number: str) -> str:
        options = ("--network", "host", *flags, "--build-arg", f"STATEBAKE_REFRESH={number}", "--tag", image)
        docker.run("buildx", "build", *options, project, timeout=900).ok()
        return docker.run("run", "--rm", *SEALED, image).ok().out

    assert "Fjellgard" in built("1")
    everything = saved(docker, image, tmp_path / "image.tar")
    assert b"Fjellgard" in everything
    assert b"statebake-manifest.json" in everything
    history = docker.run("history", "--no-trunc", image).ok().out
    inspected = docker.run("image", "inspect", image).ok().out
    for text in (everything, history.encode(), inspected.encode()):
        assert TOKEN.encode() not in text

    service.post("/stations", NEW_STATION)
    assert "Ravnsund" not in built("1"), "the same argument: the same state"
    assert "Ravnsund" in built("2")


@pytest.mark.needs("docker", "uv")
def test_a_missing_secret_ends_the_build(docker, pip_conf, service, new_image, tmp_path):
    """A secret that the build is not given, and a fetch that fails, end the build: there is no image then."""
    project = copy_example("weather", tmp_path / "weather")
    names = [flag for name in ("WEATHER_API", "WEATHER_TOKEN") for flag in ("--refresh-secret", name)]
    statebake("dockerfile", "--refresh-in-build", "--base-image", "python:3.11-slim", *names, cwd=project).ok()
    (tmp_path / "api").write_text(str(service.env["WEATHER_API"]))
    (tmp_path / "token").write_text("a wrong token")
    image = new_image(docker)
    options = (
        "--network",
        "host",
        f"--secret=id=pip_conf,src={pip_conf}",
        f"--secret=id=WEATHER_API,src={tmp_path}/api",
    )
    without = docker.run("buildx", "build", *options, "--tag", image, project, timeout=900)
    assert without.code != 0
    assert "WEATHER_TOKEN" in without.err
    wrong = docker.run(
        *("buildx", "build", *options, f"--secret=id=WEATHER_TOKEN,src={tmp_path}/token", "--tag", image, project),
        timeout=900,
    )
    assert wrong.code != 0
    assert "401" in wrong.err
    assert "a wrong token" not in wrong.err
    assert docker.run("image", "inspect", image).code != 0


@pytest.mark.needs("docker-20.10", "uv")
def test_with_docker_20(docker_20, pip_conf, service, new_image, tmp_path):
    """The BuildKit of Docker 20.10 refreshes in the build as well."""
    project = copy_example("weather", tmp_path / "weather")
    image = new_image(docker_20)
    build_it = partial(docker_20.run, "build", env={"DOCKER_BUILDKIT": "1"}, timeout=900)
    refreshed(project, image, "docker-20.10", build_it, {"pip_conf": pip_conf, **service.env})
    assert "Fjellgard" in docker_20.run("run", "--rm", *SEALED, image).ok().out
    assert TOKEN.encode() not in saved(docker_20, image, tmp_path / "image.tar")


@pytest.mark.needs("buildah", "podman", "uv")
def test_with_buildah(tools, pip_conf, service, tmp_path):
    """So does buildah."""
    project = copy_example("weather", tmp_path / "weather")
    image = unique_name()
    build_it = partial(tools.run, "buildah", "build", timeout=900)
    refreshed(project, image, "buildah", build_it, {"pip_conf": pip_conf, **service.env})
    assert "Fjellgard" in tools.run("podman", "run", "--rm", *SEALED, image).ok().out
    tools.run("podman", "image", "rm", "--force", image)


@pytest.mark.needs("docker", "uv")
def test_dagster(docker, pip_conf, service, new_image, tmp_path):
    """Dagster's components, dbt among them, are fetched in the build, and load from their state."""
    project = copy_example("jaffle", tmp_path / "jaffle")
    image = new_image(docker)
    build_it = partial(docker.run, "buildx", "build", timeout=1200)
    refreshed(project, image, "buildkit", build_it, {"pip_conf": pip_conf, **service.env})
    load = "from jaffle.definitions import defs; print(*defs().resolve_all_asset_keys())"
    out = docker.run("run", "--rm", *SEALED, image, "python", "-c", load).ok().out
    assert "daily_revenue" in out
    assert "ostervik" in out


def refreshed(project, image, builder, build_it, secrets) -> None:
    """Generate a Dockerfile that refreshes for this builder, and build it; secrets are files, or their content."""
    base = ("--base-image", "python:3.11-slim", "--builder-compat", builder)
    names = [flag for name in secrets if name != "pip_conf" for flag in ("--refresh-secret", name)]
    statebake("dockerfile", "--refresh-in-build", *base, *names, cwd=project).ok()
    flags = []
    for name, value in secrets.items():
        path = value if isinstance(value, Path) else project.parent / name
        if path is not value:
            path.write_text(value)
        flags.append(f"--secret=id={name},src={path}")
    build_it("--network", "host", *flags, "--tag", image, project).ok()
