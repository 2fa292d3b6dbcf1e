"""The README's commands do what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from support.builds import Builder
from support.cli import Result, run, statebake
from support.dagster import REPO, dagster_python
from support.engine import Docker
from support.installed import UV
from support.pexes import copy_example
from support.service import Service
from support.trees import write_tree

README = (REPO / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def _prints_what_is_shown(shown: str, project: Path, env: dict[str, str | None]) -> None:
    for part in re.split(r"^\$ ", shown, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        result = _as_typed(command, project, env)
        assert result.code == 0, f"$ {command}\n{result.out}{result.err}"
        printed = {_shape(line) for line in (result.out + result.err).splitlines()}
        for line in filter(None, expected.splitlines()):
            assert _shape(line) in printed, f"$ {command} does not print a line like: {line}\n{result.out}{result.err}"


@pytest.mark.needs("dagster-1.13")
def test_five_minute_path(service: Service, tmp_path: Path) -> None:
    """Every command that the Dagster path shows runs in a copy of the example and prints lines like those shown."""
    shown = next(block for block in blocks("console") if "jaffle" in block)
    project = tmp_path / "jaffle"
    run(["cp", "-r", REPO / "examples/jaffle", project], cwd=tmp_path).ok()
    (project / ".venv").symlink_to(dagster_python("1.13").parent.parent)
    env = {**service.env, "STATEBAKE_CACHE_DIR": str(REPO / ".cache/test-bake")}
    _prints_what_is_shown(shown, project, env)


@pytest.mark.needs("dagster-1.13", "docker")
def test_images_path(service: Service, docker: Docker, tmp_path: Path) -> None:
    """The command that the section on images shows builds the example, and prints lines like those shown."""
    shown = next(block for block in blocks("console") if "--tag jaffle:1" in block)
    project = tmp_path / "jaffle"
    run(["cp", "-r", REPO / "examples/jaffle", project], cwd=tmp_path).ok()
    (project / ".venv").symlink_to(dagster_python("1.13").parent.parent)
    statebake("refresh", cwd=project, env=service.env).ok()
    lab = {"STATEBAKE_DOCKER_ARGS": "--network=host", "STATEBAKE_DOCKER_SECRETS": f"id=pip_conf,src={docker.pip_conf}"}
    try:
        _prints_what_is_shown(shown, project, {**docker.env(), **lab})
    finally:
        docker.run("rmi", "--force", "jaffle:1")


def _weather(target: Path, service: Service) -> Path:
    """Copy the native example and refresh it; its ``.venv`` has statebake."""
    import sys

    project = copy_example("weather", target)
    (project / ".venv").symlink_to(Path(sys.executable).parent.parent)
    statebake("refresh", cwd=project, env=service.env).ok()
    return project


@pytest.mark.needs("uv")
def test_build_path(service: Service, builder: Builder, tmp_path: Path) -> None:
    """With the lines that the section on builds shows, the native example is built as it says."""
    project = _weather(tmp_path / "weather", service)
    lines = next(block for block in blocks("toml") if "statebake.backend" in block)
    system, _, own = lines.partition("[tool.statebake]\n")
    path = project / "pyproject.toml"
    text = path.read_text().partition("\n[project]\n")[2]
    path.write_text(f"{system}[project]\n{text}{own}")
    shown = next(block for block in blocks("console") if "uv build" in block)
    _prints_what_is_shown(shown, project, builder.env())
    [wheel] = (project / "dist").glob("*.whl")
    assert "3 keys" in statebake("verify", wheel, cwd=project).ok().out


def test_init_path(tmp_path: Path) -> None:
    """The command that the section on builds shows sets up the native example, and prints the very lines shown."""
    import sys

    shown = next(block for block in blocks("console") if "$ statebake init" in block)
    project = copy_example("weather", tmp_path / "weather")
    (project / ".venv").symlink_to(Path(sys.executable).parent.parent)
    command, _, expected = shown.removeprefix("$ ").partition("\n")
    assert _as_typed(command, project, {}).ok().out == expected


@pytest.mark.needs("uv")
def test_build_hook_path(service: Service, builder: Builder, tmp_path: Path) -> None:
    """So does the hook of hatchling."""
    project = _weather(tmp_path / "weather", service)
    lines = next(block for block in blocks("toml") if "[tool.hatch" in block)
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('requires = ["hatchling', 'requires = ["statebake", "hatchling') + lines)
    statebake("verify", builder.wheel("uv", project, tmp_path / "out"), cwd=project).ok()


def _as_typed(command: str, cwd: Path, env: dict[str, str | None]) -> Result:
    program, *arguments = shlex.split(command)
    if program == "statebake":
        return statebake(*arguments, cwd=cwd, env=env)
    if program == "uv":
        return run([UV, *arguments], cwd=cwd, env=env)
    return run([cwd / program, *arguments], cwd=cwd, env=env)


def _shape(line: str) -> str:
    """Return a line without what differs from run to run: digests, sizes, seconds, resolved or reused."""
    line = re.sub(r"\b[0-9a-f]{12}\b", "<digest>", line)
    line = re.sub(r", (resolved|reused)\b.*", ", <how>", line)
    return re.sub(r"\d+(\.\d+)?( k?M?B| s| files?)", "<n>", line).strip()


def test_native_example(tmp_path: Path) -> None:
    """The component, the declaration and the program of the native section work together as they stand."""
    component, program = blocks("python")
    (declaration,) = blocks("yaml")
    tables = tmp_path / "tables.json"
    tables.write_text('[{"name": "customers"}, {"name": "orders"}]')
    write_tree(
        tmp_path / "project",
        {
            "pyproject.toml": '[project]\nname = "my-package"\nversion = "1"\ndependencies = ["statebake"]\n',
            "src/my_package/__init__.py": "",
            "src/my_package/components.py": component,
            "src/my_package/__main__.py": program,
            "src/my_package/defs/main/defs.yaml": declaration,
        },
    )
    statebake("refresh", cwd=tmp_path / "project", env={"TABLES_URL": tables.as_uri()}).ok()
    import sys

    result = run([sys.executable, "-m", "my_package"], cwd=tmp_path / "project/src").ok()
    assert result.out == "customers\norders\n"


def test_digest_command(tmp_path: Path) -> None:
    """The command that anybody can check a digest with prints what the record says."""
    from support.native import component, native_project, state_dir

    native_project(tmp_path, component("one", text="hello"))
    (record,) = statebake("refresh", "--format", "json", cwd=tmp_path).ok().json["projects"][0]["refresh"]["keys"]
    command = next(block for block in blocks("sh") if block.startswith("find "))
    key_dir = next(path for path in state_dir(tmp_path).iterdir() if path.name.startswith("Text"))
    printed = subprocess.run(command, shell=True, cwd=key_dir, capture_output=True, text=True, check=True).stdout
    assert f"sha256:{printed.split()[0]}" == record["record"]["digest"]


def test_named_files_exist() -> None:
    """Every file that the README and CONTRIBUTING link to is there."""
    for text in (README, (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (REPO / target).exists(), target


def test_commands_are_all_listed(tmp_path: Path) -> None:
    """The table of commands is that of --help."""
    listed = set(re.findall(r"^\| `statebake (\w+)", README, flags=re.MULTILINE))
    shown = statebake("--help", cwd=tmp_path).ok().out.partition("Commands:")[2]
    assert listed == set(re.findall(r"^  (\w+)", shown, flags=re.MULTILINE))
