"""The generated Dockerfile, built by every builder and run where nothing can be fetched or written."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lab import settings
from support.cli import Result, statebake
from support.engine import Docker, Tools, unique_name
from support.images import BASE, SEALED, bake, index_flags
from support.installed import UV
from support.native import component, native_project, state_dir
from support.pexes import copy_example, digests
from support.service import Service
from support.trees import read_tree, write_tree

ASSETS = """
from jaffle.definitions import defs
print(*sorted(key.to_user_string() for key in defs().resolve_all_asset_keys()))
"""


def make_ready(project: Path, *args: str, env: dict | None = None) -> Path:
    """Refresh, write what a build reads, and the manifest of the state."""
    statebake("refresh", cwd=project, env=env).ok()
    return write_inputs(project, *args, env=env)


def write_inputs(project: Path, *args: str, env: dict | None = None) -> Path:
    """Write the Dockerfile, what a build reads, and the manifest of the state that is there."""
    statebake(
        "dockerfile", *(() if "--base-image" in args else ("--base-image", BASE)), *args, cwd=project, env=env
    ).ok()
    manifest = project / ".statebake" / "statebake-manifest.json"
    statebake("check", "--write-manifest", manifest, cwd=project, env=env).ok()
    return project


@dataclass
class Builder:
    """A builder that a Dockerfile is generated for, and what runs its images."""

    compat: str
    pip_conf: Path
    tool: Callable[..., Result]
    runner: Callable[..., Result]
    options: tuple[str, ...] = ()

    def build(self, project: Path, tag: str, *args: str) -> Result:
        """Build the Dockerfile of ``project``."""
        pip_conf = () if self.compat == "classic" else ("--secret", f"id=pip_conf,src={self.pip_conf}")
        return self.tool("build", *self.options, "--network", "host", *pip_conf, *args, "--tag", tag, project)

    def run(self, *args: str | Path) -> Result:
        """Run a command in an image."""
        return self.runner("run", "--rm", *args)


@pytest.fixture(
    params=[
        pytest.param("buildkit", marks=pytest.mark.needs("docker")),
        pytest.param("docker-20.10", marks=pytest.mark.needs("docker-20.10")),
        pytest.param("classic", marks=pytest.mark.needs("docker-20.10")),
        pytest.param("buildah", marks=pytest.mark.needs("buildah", "podman")),
    ]
)
def builder(request) -> Builder:
    """Every builder that knows another part of the language."""
    compat = request.param
    if compat == "buildah":
        tools: Tools = request.getfixturevalue("tools")
        tool, runner = partial(tools.run, "buildah", timeout=600), partial(tools.run, "podman")
        return Builder(compat, settings.pip_conf(), tool, runner, ("--layers",))
    docker: Docker = request.getfixturevalue("docker" if compat == "buildkit" else "docker_20")
    tool = partial(docker.run, env={"DOCKER_BUILDKIT": "0" if compat == "classic" else "1"}, timeout=600)
    return Builder(compat, docker.pip_conf, tool, tool)


def docker_build(docker: Docker, project: Path, tag: str, *args: str | Path) -> Result:
    secret = f"id=pip_conf,src={docker.pip_conf}"
    return docker.run(
        *(
            "buildx",
            "build",
            "--progress",
            "plain",
            "--network",
            "host",
            "--secret",
            secret,
            "--tag",
            tag,
            *args,
            project,
        ),
        timeout=1200,
    )


def layers(docker: Docker, image: str) -> list[str]:
    found: list[str] = json.loads(docker.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).ok().out)
    return found


def test_weather_on_every_builder(builder, tmp_path, tmp_path_factory):
    """The native example is built by every builder, and prints what the service once said."""
    project = copy_example("weather", tmp_path / "weather")
    with Service.start(tmp_path_factory.mktemp("service")) as service:
        make_ready(project, "--builder-compat", builder.compat, env=service.env)
    tag = unique_name()
    builder.build(project, tag).ok()
    out = builder.run(*SEALED, tag).ok().out
    for name in ("Fjellgard", "Østervik", "Campo Lucente", "Salinella"):
        assert name in out
    state = "/app/src/weather/defs/.local_defs_state"
    listed = builder.run(*SEALED, tag, "sh", "-c", f"id -u; ls -A {state}; stat -c '%u %a' {state}/*/state").ok().out
    assert listed.splitlines()[0] == "1000"
    assert set(listed.splitlines()[1:6]) == {
        *(".gitignore", "statebake-manifest.json", "ForecastsComponent__all__"),
        *("StationsComponent__north__", "StationsComponent__south__"),
    }
    assert set(listed.splitlines()[6:]) == {"0 644", "0 755"}


@pytest.mark.needs("docker", "dagster-1.13")
def test_jaffle(docker, new_image, tmp_path, tmp_path_factory):
    """The Dagster example, built by hand, loads all from state and its code server answers, on a read-only root."""
    from support.dagster import dagster_python

    project = copy_example("jaffle", tmp_path / "jaffle")
    with Service.start(tmp_path_factory.mktemp("service")) as service:
        env = {**service.env, "STATEBAKE_PYTHON": str(dagster_python("1.13"))}
        statebake("dockerfile", "--base-image", BASE, cwd=project, env=env).ok()
        bake(docker, project, "--no-build", "--base-image", BASE, env=env).ok()
    image = new_image(docker)
    docker_build(docker, project, image).ok()
    found = docker.run("run", "--rm", *SEALED, image, "python", "-c", ASSETS).ok().out.split()
    assert len(found) == 9 + 2 + 8
    assert {"customers", "daily_revenue", "menu", "weather/ostervik"} <= set(found)

    container = docker.run("run", "--detach", *SEALED, image).ok().out.strip()
    try:
        deadline = time.monotonic() + 90
        while docker.run("exec", container, "dagster", "api", "grpc-health-check", "-p", "4000").code:
            state = docker.run("inspect", "--format", "{{.State.Status}}", container).ok().out.strip()
            assert state == "running", docker.run("logs", container).err
            assert time.monotonic() < deadline, docker.run("logs", container).err
        assert "Error" not in docker.run("logs", container).err
    finally:
        docker.run("rm", "--force", container)


@pytest.mark.needs("docker")
def test_a_new_state_is_one_new_layer(docker, new_image, tmp_path):
    """After a change of the state alone, all layers but the last are the same, and nothing is installed or compiled."""
    project = make_ready(native_project(tmp_path / "shop", component("one")))
    first, second = new_image(docker), new_image(docker)
    docker_build(docker, project, first).ok()
    (project / "src/shop/defs/things/defs.yaml").write_text(component("one", text="new"))
    again = make_ready(project)
    (again / "src/shop/defs/things/defs.yaml").write_text(component("one"))
    built = docker_build(docker, again, second).ok()
    assert layers(docker, first)[:-1] == layers(docker, second)[:-1]
    assert layers(docker, first)[-1] != layers(docker, second)[-1]
    assert "pip install" not in "\n".join(line for line in built.err.splitlines() if "DONE" in line)
    assert docker.run("run", "--rm", *SEALED, second).ok().out == "new\n"


@pytest.mark.needs("docker")
def test_the_same_input_gives_the_same_layers(docker, new_image, tmp_path):
    """Code and state come out bit for bit the same from a copy with other times, built without a cache."""
    first = make_ready(native_project(tmp_path / "one" / "shop", component("one")))
    other = Path(shutil.copytree(first, tmp_path / "other" / "shop", copy_function=shutil.copyfile))
    images = [new_image(docker), new_image(docker)]
    for project, image in zip((first, other), images, strict=True):
        docker_build(docker, project, image, "--no-cache").ok()
    found = [layers(docker, image) for image in images]
    assert found[0][-1] == found[1][-1], "the state"
    assert found[0][-2] == found[1][-2], "the code"


@pytest.mark.needs("docker")
def test_the_state_is_whole(docker, new_image, tmp_path):
    """Every key's digest in the image is the one in the work tree, and what is no key of the project is left out."""
    project = native_project(tmp_path / "shop", component("one"))
    statebake("refresh", cwd=project).ok()
    expected = digests(read_tree(state_dir(project)))
    write_inputs(project)
    write_tree(state_dir(project), {"Orphan__x__/state": "left over", ".staging/9/state": "half"})
    image = new_image(docker)
    docker_build(docker, project, image).ok()
    saved = docker.run("create", image).ok().out.strip()
    docker.run("cp", f"{saved}:/app/src/shop/defs/.local_defs_state", tmp_path / "state").ok()
    docker.run("rm", saved).ok()
    files = read_tree(tmp_path / "state")
    assert digests(files) == expected
    assert {name.split("/")[0] for name in files} == {".gitignore", "statebake-manifest.json", "Text__one__"}


@pytest.mark.needs("docker")
def test_missing_state_fails_the_build(docker, new_image, tmp_path):
    """A key that the context lacks ends the build with a message that names it."""
    project = make_ready(native_project(tmp_path / "shop", component("one")))
    shutil.rmtree(state_dir(project) / "Text__one__")
    failed = docker_build(docker, project, new_image(docker))
    assert failed.code != 0
    assert "The build context has no Text__one__" in failed.err


@pytest.mark.needs("docker")
def test_hostile_names(docker, new_image, tmp_path):
    """A project that calls itself by instructions, with paths like patterns and commands, is built as what it is."""
    project = native_project(tmp_path / "shop", component("one"))
    name = "a \"b\" \\ $(id) ${PATH} # 'c'"
    odd = "o[d]d 'd' $(id) \"q\" #"
    write_tree(project, {f"{odd}/file": "content"})
    pyproject = project / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text().replace('"shop"', json.dumps(name)).replace('"1"', '"1\\nRUN touch /pwned"')
    )
    (project / "statebake.toml").write_text(f'packages = [{json.dumps(odd)}]\nmodule = "shop"\n')
    make_ready(project)
    image = new_image(docker)
    docker_build(docker, project, image).ok()
    labels = json.loads(docker.run("image", "inspect", "--format", "{{json .Config.Labels}}", image).ok().out)
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.version"] == "1 RUN touch /pwned"
    assert docker.run("run", "--rm", *SEALED, image, "cat", f"/app/{odd}/file").ok().out == "content"
    assert docker.run("run", "--rm", *SEALED, image, "ls", "/").ok().out.count("pwned") == 0
    assert docker.run("run", "--rm", *SEALED, image).ok().out == "one\n"


@pytest.mark.needs("docker", "uv")
def test_local_code_beside_hashes(docker, new_image, tmp_path):
    """What is pinned is installed with its hashes, and code of the same workspace is built in the image."""
    mono = write_tree(
        tmp_path / "mono",
        {
            "libs/common/pyproject.toml": """
                [project]
                name = "common"
                version = "1"
                dependencies = ["pyyaml"]

                [build-system]
                requires = ["hatchling"]
                build-backend = "hatchling.build"
            """,
            "libs/common/src/common/__init__.py": "word = 'from common'\n",
        },
    )
    app = native_project(mono / "apps" / "shop", component("one"))
    main = app / "src/shop/__main__.py"
    main.write_text(f"from common import word\nprint(word)\n{main.read_text()}")
    pin = [UV, "pip", "compile", "--quiet", "--no-header", "--generate-hashes", "-"]
    pinned = subprocess.run(pin, input="pyyaml", capture_output=True, text=True, check=True).stdout
    (app / "requirements.txt").write_text(f"{pinned}\n-e ../../libs/common\n")
    make_ready(app)
    image = new_image(docker)
    docker_build(docker, mono, image, "--file", app / "Dockerfile").ok()
    assert docker.run("run", "--rm", *SEALED, image).ok().out == "from common\none\n"
    (mono / "libs/common/src/common/key.py").write_text("KEY = 'ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'\n")
    result = bake(docker, app, "--no-refresh", "--tag", image, *index_flags(docker)[2:])
    [report] = result.json["projects"][0]["verification"]["reports"]
    assert (result.code, {item["code"] for item in report["findings"]}) == (5, {"SB502"})
    assert any("/site-packages/common/key.py has a GitHub token" in item["message"] for item in report["findings"])


@pytest.mark.needs("docker")
def test_a_bare_base_image(docker, new_image, tmp_path):
    """A base image needs `python3` with `venv` and nothing else, no `python`, pip, user; its entry point is not run."""
    bare = new_image(docker)
    script = "rm -f /usr/local/bin/python* /usr/bin/python /usr/bin/pip* /usr/local/bin/pip*; python3 --version"
    text = f'FROM {BASE}\nRUN {script}\nUSER 4242\nENTRYPOINT ["env", "ENTRY=1"]\n'
    write_tree(tmp_path / "base", {"Dockerfile": text})
    docker.run("buildx", "build", "--network", "host", "--tag", bare, tmp_path / "base").ok()
    assert docker.run("run", "--rm", bare, "sh", "-c", "command -v python || command -v pip").code != 0
    project = native_project(tmp_path / "shop", component("one"))
    make_ready(project, "--base-image", bare, "--user", "app:team")
    image = new_image(docker)
    docker_build(docker, project, image).ok()
    assert docker.run("run", "--rm", *SEALED, image).ok().out == "one\n"
    assert docker.run("run", "--rm", "--user", "77:88", image).ok().out == "one\n"
    found = docker.run("run", "--rm", "--read-only", image, "sh", "-c", "id; echo entry=$ENTRY").ok().out
    assert found == "uid=1000(app) gid=1000(team) groups=1000(team)\nentry=\n"
