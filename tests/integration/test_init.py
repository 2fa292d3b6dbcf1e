"""``statebake init``: what it finds, what it writes, and that what is built afterwards carries the state."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from statebake.config.toml_file import load_toml
from support.builds import check_record, contents
from support.cli import run, statebake
from support.dagster import dagster_python
from support.installed import UV
from support.native import component, native_project
from support.pexes import copy_example
from support.samples import SAMPLES
from support.screen import Terminal
from support.trees import read_tree, write_tree
from support.workspaces import workspace

SYSTEM = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
WRAPPED = '[build-system]\nrequires = ["hatchling", "statebake"]\nbuild-backend = "statebake.backend"\n'


def init(project, *args, **options):
    return statebake("init", *args, cwd=project, **options)


def tree(root):
    """Return every file with its content, its modification time and its mode."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


def changed(before, after):
    """Return the names of the files that are new or other ones; none is gone."""
    assert set(before) <= set(after)
    return {name for name in after if before.get(name) != after[name]}


@pytest.fixture
def shop(tmp_path):
    """A small native project that hatchling builds, in a repository."""
    project = native_project(tmp_path / "shop", component("one"))
    path = project / "pyproject.toml"
    path.write_text(f"{path.read_text()}\n{SYSTEM}")
    run(["git", "init", "--quiet"], cwd=project).ok()
    return project


def only_changes_once(project, *names):
    """Set a project up, and assert that these files change, and that a second run finds nothing to do."""
    before = tree(project)
    result = init(project, "--yes").ok()
    after = tree(project)
    assert changed(before, after) == set(names)
    again = init(project, "--yes").ok()
    assert tree(project) == after
    assert "there is nothing to do" in again.out
    assert "+++" not in again.out
    init(project, "--check").ok()
    return result.out


@pytest.mark.needs("uv")
def test_the_native_example(service, builder, tmp_path):
    """The native example is set up, refreshed, and built by uv: its wheel has all of its state."""
    project = copy_example("weather", tmp_path / "weather")
    (project / ".venv").symlink_to(Path(sys.executable).parent.parent)
    before = (project / "pyproject.toml").read_text()
    only_changes_once(project, "pyproject.toml")
    wrapped = before.replace('requires = ["hatchling>=1.27"]', 'requires = ["hatchling>=1.27", "statebake"]')
    wrapped = wrapped.replace('"hatchling.build"', '"statebake.backend"') + 'build-backend = "hatchling.build"\n'
    assert (project / "pyproject.toml").read_text() == wrapped
    statebake("refresh", cwd=project, env=service.env).ok()
    wheel = builder.wheel("uv", project, tmp_path / "out")
    check_record(wheel)
    assert "3 keys" in statebake("verify", wheel, "--against", project, cwd=tmp_path).ok().out


@pytest.mark.needs("dagster-1.13", "uv")
def test_the_dagster_example(service, builder, tmp_path):
    """So is the example for Dagster; hatchling's own settings and the comments stay."""
    project = copy_example("jaffle", tmp_path / "jaffle")
    (project / ".venv").symlink_to(dagster_python("1.13").parent.parent)
    out = only_changes_once(project, "pyproject.toml")
    assert "  build backend: hatchling.build (pyproject.toml:20)" in out
    assert "  host: dagster, definitions in src/jaffle/defs" in out
    statebake("refresh", cwd=project, env=service.env).ok()
    wheel = builder.wheel("uv", project, tmp_path / "out")
    assert "3 keys" in statebake("verify", wheel, "--against", project, cwd=tmp_path).ok().out


@pytest.mark.needs("uv")
@pytest.mark.parametrize(
    "sample",
    ["flit-plain", "hatchling-ignored", "pdm-plain", "poetry-in-git", "setuptools-nothing", "uv-build-plain"],
)
def test_samples_of_every_backend(sample, builder, tmp_path):
    """Whichever backend a project has, and whatever that leaves out, its wheel has the state once it is set up."""
    left_out = shutil.ignore_patterns("__pycache__", ".local_defs_state", "dist", "build", "*.egg-info")
    project = Path(shutil.copytree(SAMPLES / sample, tmp_path / "shop", ignore=left_out))
    only_changes_once(project, "pyproject.toml")
    statebake("refresh", cwd=project).ok()
    wheel = builder.wheel("uv", project, tmp_path / "out")
    check_record(wheel)
    assert any("/.local_defs_state/" in name for name in contents(wheel))
    statebake("verify", wheel, "--against", project, cwd=tmp_path).ok()


@pytest.mark.needs("uv")
@pytest.mark.parametrize("cache_keys", [True, False], ids=["as it is set up", "without cache-keys"])
def test_a_warm_cache(cache_keys, builder, tmp_path):
    """With the ``cache-keys`` that are written, uv installs new state; without them the old one, for comparison."""
    source = tmp_path / "source"
    source.write_text("old")
    project = native_project(tmp_path / "shop", component("one", source=str(source)))
    path = project / "pyproject.toml"
    path.write_text(f"{path.read_text()}\n{SYSTEM}\n[tool.uv]\nenvironments = []\n")
    init(project, "--yes").ok()
    if not cache_keys:
        text = path.read_text()
        start = text.index("cache-keys")
        path.write_text(text[:start] + text[text.index("]\n", start) + 2 :])
    env = {**builder.env(), "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}

    def installed():
        run([UV, "sync", "--no-editable", "--quiet", "--python", sys.executable], cwd=project, env=env).ok()
        states = (tmp_path / "venv").glob("lib/python*/site-packages/shop/defs/.local_defs_state/*/state")
        return {path.parent.name: path.read_text() for path in states}

    def refreshed():
        statebake("refresh", cwd=project).ok()
        return installed()

    one, old = "Text__one__", {"Text__one__": "old"}
    assert refreshed() == old
    source.write_text("new")
    assert refreshed() == ({one: "new"} if cache_keys else old)
    declared = project / "src/shop/defs/more/defs.yaml"
    write_tree(project, {"src/shop/defs/more/defs.yaml": component("two")})
    assert refreshed() == ({one: "new", "Text__two__": "two"} if cache_keys else old)
    declared.unlink()
    statebake("gc", cwd=project).ok()
    assert installed() == ({one: "new"} if cache_keys else old)


@pytest.mark.needs("uv")
def test_the_workflow_works(shop, builder, tmp_path):
    """The commands of the workflow do what they are there for: they fetch, check and build, from a fresh checkout."""
    write_tree(shop, {".github/workflows/tests.yml": "on: push\n"})
    env = {
        **builder.env(),
        "UV_PYTHON": sys.executable,
        **{f"UV_{name}_DIR": str(tmp_path / name.lower()) for name in ("CACHE", "TOOL")},
    }
    run([UV, "lock", "--quiet"], cwd=shop, env=env).ok()
    init(shop, "--yes").ok()
    workflow = yaml.safe_load((shop / ".github/workflows/statebake.yml").read_text())
    commands = [step["run"].strip() for step in workflow["jobs"]["statebake"]["steps"] if "run" in step]
    assert commands == ["uv sync --locked", "uvx statebake refresh", "uvx statebake check --format github", "uv build"]
    for command in commands:
        run(["bash", "-ec", command], cwd=shop, env=env).ok()
    [wheel] = (shop / "dist").glob("*.whl")
    statebake("verify", wheel, "--against", shop, cwd=tmp_path).ok()


@pytest.mark.needs("uv")
def test_the_workflow_of_a_member(builder, tmp_path):
    """In a member of a uv workspace the commands use the environment that uv makes at the root, and build there."""
    root = write_tree(
        tmp_path / "all",
        {
            "pyproject.toml": '[project]\nname = "all"\nversion = "1"\n[tool.uv.workspace]\nmembers = ["shop"]\n',
            ".github/workflows/tests.yml": "on: push\n",
        },
    )
    project = native_project(root / "shop", component("one"))
    path = project / "pyproject.toml"
    path.write_text(f"{path.read_text()}\n{SYSTEM}")
    run(["git", "init", "--quiet"], cwd=root).ok()
    env = {
        **builder.env(),
        "UV_PYTHON": sys.executable,
        **{f"UV_{name}_DIR": str(tmp_path / name.lower()) for name in ("CACHE", "TOOL")},
    }
    run([UV, "lock", "--quiet"], cwd=root, env=env).ok()
    assert "uv: used (uv.lock of all)" in init(project, "--yes").ok().out
    job = yaml.safe_load((root / ".github/workflows/statebake-shop.yml").read_text())["jobs"]["statebake"]
    steps = [step for step in job["steps"] if "run" in step]
    for step in steps:
        run(["bash", "-ec", step["run"]], cwd=root / job["defaults"]["run"]["working-directory"], env=env).ok()
    assert f"  interpreter: {root}/.venv/bin/python (workspace .venv)\n" in init(project, "--check").ok().out
    [upload] = [step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
    [wheel] = (root / upload).glob("*.whl")
    statebake("verify", wheel, "--against", project, cwd=tmp_path).ok()


def test_everything_at_once(shop):
    """Every part of a project gets its own: the build, uv's cache, CI of both kinds, and .dockerignore."""
    write_tree(
        shop,
        {
            ".github/workflows/tests.yml": "on: push\n",
            ".gitlab-ci.yml": "stages: [build]\ntest:\n  script: !reference [x, script]\n",
            "Dockerfile": "FROM scratch\nCOPY src /app/src\n",
            ".dockerignore": "**/.*\n",
        },
    )
    path = shop / "pyproject.toml"
    path.write_text(f"{path.read_text()}\n[tool.uv]\nenvironments = []\n")
    names = {".github/workflows/statebake.yml", ".gitlab/statebake.yml", ".gitlab-ci.yml", ".dockerignore"}
    out = only_changes_once(shop, "pyproject.toml", *names)
    for line in ("uv: used ([tool.uv])", "CI: GitHub, GitLab", "Docker: Dockerfile", "interpreter: statebake's own"):
        assert f"  {line}\n" in out
    assert ".dockerignore: .dockerignore:1 (`**/.*`) keeps the state out" in out
    assert out.endswith("  next: statebake refresh\n  next: uv build\n  next: statebake dockerfile\n")
    assert "!src/shop/defs/.local_defs_state/**" in (shop / ".dockerignore").read_text()
    assert "**/.*" in (shop / ".dockerignore").read_text()
    assert yaml.safe_load((shop / ".github/workflows/statebake.yml").read_text())["jobs"]
    assert "statebake" in yaml.safe_load((shop / ".gitlab/statebake.yml").read_text())
    statebake("dockerfile", "--output", "other", cwd=shop).ok()
    init(shop, "--check").ok()


def test_docker_as_it_is(shop):
    """Where .dockerignore lets the state in, where it says so on purpose, or where `dist` is copied, it stays."""
    (shop / "compose.yaml").write_text("services: {}\n")
    init(shop, "--yes").ok()
    assert not (shop / ".dockerignore").exists()
    (shop / ".dockerignore").write_text("**/.git\n")
    assert "Docker: compose.yaml\n" in init(shop, "--check").ok().out
    (shop / "Dockerfile").write_text("FROM scratch\nCOPY dist/*.whl /app/\n")
    (shop / ".dockerignore").write_text("**/.*\n")
    out = init(shop, "--check").ok().out
    assert "add `!src/shop/defs/.local_defs_state/**` to .dockerignore instead" in out
    (shop / "uv.lock").write_text("no lock")
    assert (
        "keeps the state out: add `!src/shop/defs/.local_defs_state/**` at its end." in init(shop, "--dry-run").ok().out
    )
    (shop / "uv.lock").unlink()
    (shop / "Dockerfile").unlink()
    statebake("dockerfile", "--refresh-in-build", "--refresh-secret", "API", cwd=shop).ok()
    init(shop, "--check").ok()


def test_nobody_to_ask(shop):
    """Without a terminal nothing is written, and the last line says how to; the exit code tells it."""
    before = tree(shop)
    result = init(shop)
    assert result.code == 2
    assert result.out.endswith("\nNothing was written. `statebake init --yes` writes it.\n")
    assert '+requires = ["hatchling", "statebake"]' in result.out
    assert init(shop, "--dry-run").ok().out == result.out
    elsewhere = statebake("init", "-p", "shop", cwd=shop.parent)
    assert elsewhere.out.endswith("\nNothing was written. `statebake init --yes --project shop` writes it.\n")
    assert tree(shop) == before


def test_check(shop):
    """``--check`` shows what there is to do, writes nothing, and ends with 3."""
    before = tree(shop)
    result = init(shop, "--check")
    assert result.code == 3
    assert "error[SB318]: statebake is not set up here, or not wholly: pyproject.toml would be written." in result.err
    assert "next: statebake init" in result.err
    assert "+++ b/pyproject.toml" in result.out
    assert tree(shop) == before


def test_check_of_what_is_left(shop):
    """``--check`` ends with 3 as long as something is to be done by hand, and says what; with 0 when it is done."""
    file = shop / ".gitlab-ci.yml"
    file.write_text("include:\n  - template: Jobs/SAST.gitlab-ci.yml\n")
    line = "- local: /.gitlab/statebake.yml"
    out = init(shop, "--yes").ok().out
    assert f"note: Add this to `include` in .gitlab-ci.yml: {line}\n" in out
    assert "there is nothing to write; the rest is to be done by hand" in init(shop, "--yes").ok().out
    result = init(shop, "--check")
    assert result.code == 3
    assert "error[SB318]: statebake is not set up here, or not wholly: one thing is to be done by hand." in result.err
    assert f"next: Add this to `include` in .gitlab-ci.yml: {line}" in result.err
    [project] = init(shop, "--check", "--format", "json").json["projects"]
    assert (
        project["setup"]["to_do"] == project["setup"]["notes"] == [f"Add this to `include` in .gitlab-ci.yml: {line}"]
    )
    file.write_text(f"{file.read_text()}  - /.gitlab/*.yml\n")
    assert "note:" not in init(shop, "--check").ok().out
    name = shop / ".gitlab/statebake.yml"
    name.write_text(f"{name.read_text()}# mine\n")
    assert "note: .gitlab/statebake.yml was edited by hand" in init(shop, "--check").ok().out


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("\n", False), ("n\n", False)])
def test_asked_on_a_terminal(shop, answer, written):
    """On a terminal the diff is coloured and a question is asked, whose answer counts."""
    terminal = Terminal("init", cwd=shop, env={})
    assert '+requires = ["hatchling", "statebake"]' in terminal.until("Write this file? [y/N]")
    terminal.type(answer)
    assert terminal.end() == 0
    assert ("wrote pyproject.toml" if written else "Nothing was written.") in terminal.screen.text
    assert terminal.screen.strange == []
    assert (WRAPPED in (shop / "pyproject.toml").read_text()) == written


def test_json(shop):
    """``--format json`` has what was found, what would change and why, and what was written."""
    result = init(shop, "--format", "json")
    assert result.code == 2
    [project] = result.json["projects"]
    setup = project["setup"]
    assert setup["found"]["build_backend"].startswith("hatchling.build (pyproject.toml:")
    assert setup["found"]["ci"] == "none"
    [change] = setup["changes"]
    assert change["path"] == str(shop / "pyproject.toml")
    assert '+build-backend = "statebake.backend"' in change["diff"].splitlines()
    assert change["why"]
    assert setup["written"] == []
    [project] = init(shop, "--yes", "--format", "json").ok().json["projects"]
    assert project["setup"]["written"] == [str(shop / "pyproject.toml")]
    [project] = init(shop, "--yes", "--format", "json").ok().json["projects"]
    assert (project["setup"]["changes"], project["setup"]["written"]) == ([], [])


def test_windows_line_ends(shop):
    """A file with the line ends of Windows keeps them."""
    path = shop / "pyproject.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    only_changes_once(shop, "pyproject.toml")
    data = path.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")
    assert load_toml(path).data["build-system"]["build-backend"] == "statebake.backend"


def test_links_and_modes(shop):
    """A file keeps its mode, and a link to it stays one."""
    path = shop / "pyproject.toml"
    path.rename(shop / "real.toml")
    path.symlink_to("real.toml")
    (shop / "real.toml").chmod(0o600)
    init(shop, "--yes").ok()
    assert path.is_symlink()
    assert WRAPPED in (shop / "real.toml").read_text()
    assert (shop / "real.toml").stat().st_mode & 0o777 == 0o600


def broken(text):
    return lambda project: (project / "pyproject.toml").write_bytes(text)


def read_only(project):
    (project / "pyproject.toml").chmod(0o444)


def directory_in_the_way(project):
    (project / ".github/workflows/statebake.yml").mkdir(parents=True)


def file_in_the_way(project):
    (project / ".gitlab-ci.yml").write_text("a: 1\n")
    (project / ".gitlab").write_text("")


@pytest.mark.parametrize(
    ("spoil", "code", "message"),
    [
        (broken(b'[project]\nname = "x\n'), "SB105", "pyproject.toml:2"),
        (broken(b'\xef\xbb\xbf[project]\nname = "x"\n'), "SB105", "pyproject.toml:1"),
        (broken(b'[project]\nname = "\xff"\n'), "SB105", "it is not UTF-8"),
        (broken(b"build-system = 3\n[project]\n"), "SB103", "build-system is not a table"),
        (broken(b'[project]\n[build-system]\nrequires = "x"\n'), "SB103", "`requires` is not a list of strings"),
        (broken(SYSTEM.encode() + b"[tool]\nstatebake = 3\n[project]\n"), "SB103", "is not a table"),
        (broken(f'{WRAPPED}[tool.statebake]\nbuild-backend = "statebake.backend"\n'.encode()), "SB117", "toml:5"),
        (read_only, "SB703", "pyproject.toml is read-only. Nothing was written."),
        (directory_in_the_way, "SB703", "statebake.yml cannot be read"),
        (file_in_the_way, "SB703", ".gitlab is no directory. Nothing was written."),
        (shutil.rmtree, "SB101", "is not a directory"),
    ],
)
def test_what_is_wrong(shop, spoil, code, message):
    """What cannot be read or written is an error with its place, and nothing is written."""
    spoil(shop)
    before = tree(shop)
    result = statebake("init", "--yes", "--project", shop, cwd=shop.parent)
    assert result.code == (7 if code == "SB703" else 2)
    assert f"error[{code}]" in result.err
    assert message in result.err
    assert "Traceback" not in result.err
    assert tree(shop) == before


def test_no_project_yet(tmp_path):
    """What has a ``pyproject.toml`` without ``[project]`` can be set up too; where there is none, it is an error."""
    assert init(tmp_path).code == 2
    (tmp_path / "pyproject.toml").write_text(SYSTEM.replace("hatchling.build", "poetry.core.masonry.api"))
    out = init(tmp_path, "--yes").ok().out
    assert "note: It is not known which package of this project holds the definitions." in out
    assert "statebake.backend" not in (tmp_path / "pyproject.toml").read_text()
    write_tree(tmp_path, {"shop/defs/one/defs.yaml": component("one")})
    init(tmp_path, "--yes").ok()
    assert "statebake.backend" in (tmp_path / "pyproject.toml").read_text()


def test_no_interpreter(shop):
    """An interpreter that cannot be run is told, and is nothing that this needs."""
    (shop / ".venv").mkdir()
    assert "  interpreter: none: the project's .venv has no interpreter" in init(shop, "--yes").ok().out


def test_a_workspace(tmp_path):
    """Every project of a workspace is set up by itself, with a workflow of its own; a broken one stops no other."""
    root = workspace(tmp_path, {"north": component("one"), "south": component("two")})
    for name in ("north", "south"):
        path = root / name / "pyproject.toml"
        path.write_text(f"{path.read_text()}\n{SYSTEM}")
    run(["git", "init", "--quiet"], cwd=root).ok()
    write_tree(root, {".github/workflows/tests.yml": "on: push\n", ".gitlab-ci.yml": "stages: [build]\n"})
    before = tree(root)
    result = init(root, "--yes").ok()
    assert changed(before, tree(root)) == {
        *(f"{name}/{file}" for name in ("north", "south") for file in ("pyproject.toml", "statebake.toml")),
        ".github/workflows/statebake-north.yml",
        ".github/workflows/statebake-south.yml",
        ".gitlab/statebake-north.yml",
        ".gitlab/statebake-south.yml",
        ".gitlab-ci.yml",
    }
    included = [f"  - local: /.gitlab/statebake-{name}.yml\n" for name in ("north", "south")]
    assert (root / ".gitlab-ci.yml").read_text() == f"stages: [build]\n\ninclude:\n{''.join(included)}"
    assert (
        "✓ south: wrote statebake.toml, pyproject.toml, .github/workflows/statebake-south.yml, .gitlab/" in result.out
    )
    assert "  next: statebake refresh --project north" in result.out
    workflow = yaml.safe_load((root / ".github/workflows/statebake-south.yml").read_text())
    assert workflow["jobs"]["statebake"]["defaults"] == {"run": {"working-directory": "south"}}
    after = tree(root)
    init(root, "--yes").ok()
    assert tree(root) == after
    (root / "north/pyproject.toml").write_text(SYSTEM.replace('["hatchling"]', "3"))
    (root / "south/pyproject.toml").write_text(f'{SYSTEM}[project]\nname = "south"\n')
    result = init(root, "--yes", "-p", "north", "-p", "south")
    assert result.code == 2
    assert "error[SB103]" in result.err
    assert WRAPPED in (root / "south/pyproject.toml").read_text()


def test_a_failure_in_a_workspace(tmp_path):
    """What one project could not write is no obstacle to the next one, though both have lines in one file."""
    root = workspace(tmp_path, {"north": component("one"), "south": component("two")})
    for name in ("north", "south"):
        path = root / name / "pyproject.toml"
        path.write_text(f"{path.read_text()}\n{SYSTEM}")
    run(["git", "init", "--quiet"], cwd=root).ok()
    write_tree(root, {".gitlab-ci.yml": "stages: [build]\n"})
    (root / "north/pyproject.toml").chmod(0o444)
    result = init(root, "--yes")
    assert result.code == 7
    assert "pyproject.toml is read-only. Nothing was written." in result.err
    included = "stages: [build]\n\ninclude:\n  - local: /.gitlab/statebake-south.yml\n"
    assert (root / ".gitlab-ci.yml").read_text() == included
    assert "✓ south: wrote statebake.toml" in result.out


def test_nothing_is_imported(shop):
    """No code of the project runs, nor anything of its environment but the interpreter itself."""
    (shop / "src/shop/__init__.py").write_text("raise SystemExit('imported')\n")
    (shop / "src/shop/defs/__init__.py").write_text("raise SystemExit('imported')\n")
    before = read_tree(shop)
    out = init(shop, "--yes", env={"PYTHONPATH": str(shop / "src")}).ok().out
    assert "imported" not in out
    assert set(read_tree(shop)) == set(before)
