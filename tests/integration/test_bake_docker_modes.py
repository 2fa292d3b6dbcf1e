"""What ``bake docker`` does besides building: saying what it would, preparing a build, fetching in the build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.settings import ca_bundle
from support.cli import statebake
from support.images import BASE, SEALED, bake, everything_of, image_id, image_of, index_flags
from support.native import code_component, component, native_project, state_dir
from support.pexes import copy_example
from support.service import TOKEN
from support.shown import the_error
from support.trees import read_tree
from support.wheel_index import statebake_index
from support.workspaces import workspace

pytestmark = pytest.mark.needs("docker")


def test_no_build(docker, new_image, tmp_path):
    """``--no-build`` needs no engine and leaves what a plain ``docker build`` then makes the image of."""
    project = native_project(tmp_path / "shop", component("one"))
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path / 'none'}", "PATH": ""}
    statebake("dockerfile", "--base-image", BASE, cwd=project).ok()
    written = bake(docker, project, "--no-build", "--base-image", BASE, env=nowhere).ok().json["projects"][0]
    assert {key["outcome"] for key in written["refresh"]["keys"]} == {"updated"}
    [inputs] = [value for value in written.values() if isinstance(value, dict) and "inputs" in value]
    assert inputs["inputs"] == str(project / ".statebake")
    assert {name for name in read_tree(project / ".statebake") if not name.endswith(".whl")} == {
        *(".gitignore", "dependencies/requirements.txt", "move_state.py", "statebake-manifest.json"),
    }
    assert inputs["manifest"] == json.loads((project / ".statebake/statebake-manifest.json").read_text())

    tag = new_image(docker)
    secret = f"id=pip_conf,src={docker.pip_conf}"
    docker.run("buildx", "build", "--network", "host", "--secret", secret, "--tag", tag, project, timeout=600).ok()
    assert docker.run("run", "--rm", *SEALED, tag).ok().out == "one\n"
    [image] = statebake("inspect", tag, "--format", "json", cwd=project, env=docker.env()).ok().json["images"]
    assert image["states"][0]["manifest"] == inputs["manifest"]


def test_dry_run(docker, tmp_path):
    """``--dry-run`` says what would be fetched and built, and fetches and writes nothing; it needs no engine."""
    mark = tmp_path / "fetched"
    project = native_project(tmp_path / "shop", code_component("one", f"Path({str(mark)!r}).touch()"))
    before = read_tree(tmp_path)
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path / 'none'}", "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    result = bake(docker, project, "--dry-run", "--tag", "x", env=nowhere).ok().json["projects"][0]
    assert [fetch["key"] for fetch in result["refresh_plan"]["fetches"]] == ["Text[one]"]
    plan = result["image_plan"]
    assert (plan["dockerfile"], plan["made_by_statebake"], plan["out_of_date"]) == (None, True, False)
    assert (plan["context"], plan["command"], plan["state"]) == (
        *(str(project), ["python", "-m", "shop"], "/app/src/shop/defs/.local_defs_state"),
    )
    assert read_tree(tmp_path) == before
    assert not mark.exists()


def test_several_projects_and_one_name(docker, tmp_path):
    """The projects of a workspace cannot share a name or a report: that is refused before anything is fetched."""
    mark = tmp_path / "fetched"
    fetch = code_component("one", f"Path({str(mark)!r}).touch()")
    root = workspace(tmp_path / "workspace", {"north": fetch, "south": fetch})
    for flags, says in (
        (["--tag", "app"], "Several projects would get the name app."),
        (["--iidfile", "iid"], "Several projects would write one report."),
        (["--metadata-file", "m"], "Several projects would write one report."),
    ):
        result = statebake("bake", "docker", *flags, cwd=root, env=docker.env())
        error = the_error(result.err)
        assert (result.code, error.code, error.message) == (2, "SB103", says)
        assert "docker.tags" in (error.next_step or "")
    assert not mark.exists()


def test_several_projects(docker, new_image, tmp_path):
    """The projects of a workspace each become an image; one that fails does not stop the other."""
    root = workspace(tmp_path / "workspace", {"north": component("one"), "south": component("two")})
    tags = {name: new_image(docker) for name in ("north", "south")}
    for name, tag in tags.items():
        (root / name / "Dockerfile").write_text("FROM scratch\nCOPY src /app/src\n")
        settings = root / name / "statebake.toml"
        settings.write_text(f'{settings.read_text()}docker.tags = ["{tag}"]\n')
    result = statebake("bake", "docker", "--format", "json", cwd=root, env=docker.env()).ok().json
    assert {project["project"]: project["image"]["tags"] for project in result["projects"]} == {
        name: [tag] for name, tag in tags.items()
    }
    (root / "north/Dockerfile").write_text("FROM scratch\nCOPY src/shop/*.py /app/\n")
    (root / "south/Dockerfile").write_text("FROM scratch\nCOPY src /app/src\nLABEL second=1\n")
    failed = statebake("bake", "docker", "--no-refresh", "--format", "json", cwd=root, env=docker.env())
    north, south = failed.json["projects"]
    assert (failed.code, north["error"]["code"], south["image"]["tags"]) == (3, "SB313", [tags["south"]])


@pytest.fixture(scope="module")
def pip_conf(docker, tmp_path_factory) -> Path:
    with statebake_index(tmp_path_factory.mktemp("index"), docker.pip_conf) as path:
        yield path


@pytest.mark.needs("uv")
def test_refresh_in_build(docker, pip_conf, service, new_image, tmp_path):
    """The build fetches the state with secrets; what it brought is proved, and no byte of the image has the secret."""
    project = copy_example("weather", tmp_path / "weather")
    tag = new_image(docker)
    names = [flag for name in ("WEATHER_API", "WEATHER_TOKEN") for flag in ("--refresh-secret", name)]
    secrets = [f"--secret=id={name},env={name}" for name in service.env]
    flags = ("--base-image", BASE, "--docker-arg=--network=host", "--secret", f"id=pip_conf,src={pip_conf}")
    flags += ("--secret", f"id=ca,src={ca_bundle()}")  # whose certificates are in the base image too, and no secrets
    args = ("--refresh-in-build", *flags, *names, *secrets, "--tag", tag)
    result = bake(docker, project, *args, "--no-refresh", env=service.env).ok()
    image = image_of(result)
    assert set(result.json["projects"][0]) == {"project", "directory", "verification", "image"}
    assert not (project / "src/weather/defs/.local_defs_state").exists()
    assert image["id"] == image_id(docker, tag)
    keys = ["ForecastsComponent[all]", "StationsComponent[north]", "StationsComponent[south]"]
    assert [record["key"] for record in image["manifest"]["keys"]] == keys
    assert "Fjellgard" in docker.run("run", "--rm", *SEALED, tag).ok().out
    everything = everything_of(docker, tag, tmp_path / "image.tar")
    assert b"Fjellgard" in everything
    assert TOKEN.encode() not in everything
    assert TOKEN not in result.out + result.err

    service.stop()
    same = image_of(bake(docker, project, *args, "--no-refresh", env=service.env))
    assert same["id"] == image["id"], "--no-refresh: the builder may take what it has"
    failed = bake(docker, project, *args, env=service.env)
    error = the_error(failed.err)
    assert (failed.code, error.code) == (7, "SB708")
    assert "statebake refresh" in error.message
    assert "SB401" in "\n".join(error.detail)
    assert image_id(docker, tag) == image["id"]
    assert TOKEN not in failed.out + failed.err


def test_flags_without_a_say(docker, tmp_path):
    """What only a fetch here, or only a build here, goes by is refused where there is none."""
    project = native_project(tmp_path / "shop", component("one"))
    for flags, names in (
        (
            ["--refresh-in-build", "--max-bytes", "10B", "--retries", "0", "--exclude", "*.json", "--allow-shrink"],
            "--retries, --max-bytes, --exclude, --allow-shrink",
        ),
        (
            ["--no-build", "--push", "--tag", "x/y:1", "--iidfile", "i", "--metadata-file", "m", "--builder", "z"],
            "--tag, --builder, --push, --iidfile, --metadata-file",
        ),
    ):
        result = bake(docker, project, *flags)
        error = the_error(result.err)
        assert (result.code, error.code) == (2, "SB103")
        assert error.message == f"{names} would change nothing with {flags[0]}."
    assert not state_dir(project).exists()


def test_missing_state_without_a_refresh(docker, tmp_path):
    """``--no-refresh`` without state ends with 3 before anything is built."""
    project = native_project(tmp_path / "shop", component("one"))
    result = bake(docker, project, "--no-refresh", *index_flags(docker))
    assert result.code == 3
    assert [found["code"] for found in result.json["projects"][0]["check"]["findings"]] == ["SB301"]
    assert not state_dir(project).exists()
    assert not (project / ".statebake").exists()
