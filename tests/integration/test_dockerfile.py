"""``statebake dockerfile``: what it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import statebake as package
from statebake.model.tree import summarize_dir
from support.cli import run, statebake
from support.dagster import REPO, dagster_project
from support.dockerfiles import read_dockerfile
from support.native import component, native_project, state_dir
from support.pexes import copy_example
from support.trees import read_tree, write_tree
from support.workspaces import workspace

HADOLINT = Path(sys.executable).parent / "hadolint"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def dockerfile(project, *args, **options):
    return statebake("dockerfile", *args, cwd=project, **options)


def instructions(project, name="Dockerfile"):
    return read_dockerfile((project / name).read_text())


def command(project):
    return next(one.words for one in instructions(project) if one.name == "CMD")


@pytest.fixture
def shop(tmp_path):
    """A small native project."""
    return native_project(tmp_path / "shop", component("one"))


@pytest.mark.needs("hadolint")
@pytest.mark.parametrize("builder", ["buildkit", "docker-20.10", "buildah", "classic"])
@pytest.mark.parametrize("example", ["weather", "jaffle"])
def test_examples_pass_hadolint(example, builder, tmp_path):
    """What is generated for the examples passes hadolint with its default rules, for every builder."""
    project = copy_example(example, tmp_path / example)
    dockerfile(project, "--builder-compat", builder).ok()
    run([HADOLINT, "Dockerfile"], cwd=project).ok()
    if builder != "classic":
        dockerfile(project, "--builder-compat", builder, "--refresh-in-build", "--refresh-secret", "API").ok()
        run([HADOLINT, "Dockerfile"], cwd=project).ok()


def test_what_is_written(tmp_path):
    """A run writes the Dockerfile, the block of .dockerignore, and one directory with what a build reads."""
    project = copy_example("jaffle", tmp_path / "jaffle")
    before = set(read_tree(project))
    result = dockerfile(project).ok()
    written = {name: content.decode() for name, content in read_tree(project).items() if name not in before}
    assert set(written) == {
        "Dockerfile",
        ".dockerignore",
        ".statebake/.gitignore",
        ".statebake/move_state.py",
        ".statebake/pyproject.toml",
        ".statebake/dependencies/requirements.txt",
    }
    assert written["Dockerfile"].startswith(f"# Made by statebake {package.__version__}: statebake dockerfile")
    assert "!src/jaffle/defs/.local_defs_state/**" in written[".dockerignore"]
    assert '"root_module" = "jaffle"' in written[".statebake/pyproject.toml"]
    assert written[".statebake/dependencies/requirements.txt"].splitlines()[1:3] == [
        "dagster>=1.12,<1.14",
        "dagster-dbt>=0.28,<0.30",
    ]
    assert "Dockerfile and .dockerignore" in result.out
    assert command(project)[:3] == ["dagster", "api", "grpc"]
    assert command(project)[-1] == "jaffle.definitions"


def test_no_code_is_imported(tmp_path):
    """The project's modules are looked at, never run; no Dagster is needed."""
    project = dagster_project(tmp_path / "depot", {}, {"src/depot/__init__.py": "raise SystemExit('imported')\n"})
    dockerfile(project).ok()
    assert not list(project.rglob("__pycache__"))


def test_it_says_what_it_did(shop):
    """JSON names the files, how they were before, and what the image is made of."""
    [first] = dockerfile(shop, "--format", "json").ok().json["projects"]
    [again] = dockerfile(shop, "--format", "json").ok().json["projects"]
    assert [file["before"] for file in first["dockerfile"]["files"]] == ["missing", "missing"]
    assert [file["before"] for file in again["dockerfile"]["files"]] == ["current", "current"]
    assert first["dockerfile"]["base_image"] == f"python:{PYTHON}-slim"
    assert first["dockerfile"]["command"] == ["python", "-m", "shop"]
    assert first["dockerfile"]["state"] == "/app/src/shop/defs/.local_defs_state"
    assert first["dockerfile"]["dependencies_from"] == str(shop / "pyproject.toml")


def test_settings(shop):
    """Base image, command, port, user and template are the project's to say."""
    image = f"registry.example.com:5000/python:3.11@sha256:{'a' * 64}"
    settings = f"""
        [docker]
        base_image = "{image}"
        command = ["sh", "-c", "exec python -m shop $ARGS"]
        user = "app:app"
    """
    write_tree(shop, {"statebake.toml": settings, "mine.j2": "FROM {{ base_image }}\n"})
    dockerfile(shop).ok()
    found = {one.name: one for one in instructions(shop)}
    assert instructions(shop)[0].rest == f"{image} AS base"
    assert found["CMD"].words == ["sh", "-c", "exec python -m shop $ARGS"]
    assert found["USER"].rest == "app:app"
    own = dockerfile(shop, "--template", "mine.j2", "-o", "-").ok().out
    assert own.splitlines()[2:] == [f"FROM {image}"]


def test_python_version(shop):
    """``.python-version`` says which Python; without one, it is the interpreter's."""
    dockerfile(shop).ok()
    assert instructions(shop)[0].rest.startswith(f"python:{PYTHON}-slim")
    for text, expected in [
        ("3.10\n", "3.10"),
        ("# ours\n3.13.1\n", "3.13.1"),
        ("cpython-3.12.4-linux\n", "3.12.4"),
        ("system\n", PYTHON),
    ]:
        (shop / ".python-version").write_text(text)
        dockerfile(shop).ok()
        assert instructions(shop)[0].rest.startswith(f"python:{expected}-slim"), text


def test_a_python_that_the_project_refuses(shop):
    """A version that ``requires-python`` excludes is refused, unless the base image is named."""
    file = shop / "pyproject.toml"
    file.write_text(file.read_text().replace("[project]\n", '[project]\nrequires-python = ">=3.98"\n', 1))
    refused = dockerfile(shop)
    assert refused.code == 2
    assert f"SB103]: The image would have Python {PYTHON}, and the project requires >=3.98." in refused.err
    dockerfile(shop, "--base-image", "python:3.98-slim").ok()
    (shop / ".python-version").write_text("3.99")
    dockerfile(shop).ok()
    (shop / ".python-version").write_text("pypy3.98\n")
    assert "SB103]: .python-version names pypy3.98" in dockerfile(shop).err
    dockerfile(shop, "--base-image", "pypy:3.98-slim").ok()


def test_a_patch_that_the_project_requires(shop):
    """A project that takes one patch alone gets that of its interpreter, or the one that ``.python-version`` says."""
    file = shop / "pyproject.toml"
    text = file.read_text()

    def base(required):
        file.write_text(text.replace("[project]\n", f'[project]\nrequires-python = "{required}"\n', 1))
        dockerfile(shop).ok()
        return instructions(shop)[0].rest

    full = platform.python_version()
    assert base(f"=={full}") == f"python:{full}-slim AS base"
    (shop / ".python-version").write_text("3.11.7\n")
    assert base(">=3.10,<3.11.9") == "python:3.11.7-slim AS base"


def test_printing_writes_nothing(shop):
    """``-o -`` prints the Dockerfile, as it would be written, and writes nothing; so does ``--print-template``."""
    before = read_tree(shop)
    printed = dockerfile(shop, "-o", "-").ok().out
    template = dockerfile(shop, "--print-template").ok().out
    assert read_tree(shop) == before
    assert template == (REPO / "Dockerfile.template").read_text()
    dockerfile(shop).ok()
    assert printed == (shop / "Dockerfile").read_text()


def test_check(shop):
    """``--check`` writes nothing; it exits 3 with a diff where a file is missing, out of date or edited."""
    missing = dockerfile(shop, "--check")
    assert missing.code == 3
    assert "error[SB318]: Dockerfile is missing and .dockerignore is missing." in missing.err
    assert not (shop / ".statebake").exists()
    dockerfile(shop).ok()
    dockerfile(shop, "--check").ok()
    shutil.rmtree(shop / ".statebake")
    dockerfile(shop, "--check").ok()
    changed = dockerfile(shop, "--check", "--user", "2000")
    assert changed.code == 3
    assert "-USER 1000:1000" in changed.err
    assert "+USER 2000" in changed.err
    ignore = (shop / ".dockerignore").read_text()
    (shop / ".dockerignore").write_text(f"data\n{ignore}\n!data/kept\n")
    dockerfile(shop, "--check").ok()
    (shop / ".dockerignore").write_text(ignore.replace("**/.git\n", ""))
    assert ".dockerignore was edited by hand" in dockerfile(shop, "--check").err


def test_the_flags_that_it_was_made_with(shop):
    """The file tells of the flags: ``--check`` goes by them, and what it advises makes the very same file."""
    (shop / "mine.j2").write_text("FROM {{ base_image }}\nUSER {{ user }}\nCMD {{ command | exec_form }}\n")
    flags = ["--base-image", "python:3.11-slim", "--command", "python", "--command=-m it's", "--user", "2000:2000"]
    options = [*flags, "--template", "mine.j2", "--refresh-in-build", "--refresh-secret", "API", "-o", "d/Dockerfile.x"]
    dockerfile(shop, *options).ok()
    text = (shop / "d/Dockerfile.x").read_text()
    made = shlex.split(text.splitlines()[0].partition(": ")[2], comments=True)
    dockerfile(shop, "--check", "-o", "d/Dockerfile.x").ok()
    changed = dockerfile(shop, "--check", "-o", "d/Dockerfile.x", "--user", "7")
    assert (changed.code, "-USER 2000:2000" in changed.err, "+USER 7" in changed.err) == (3, True, True)
    (shop / "d/Dockerfile.x").unlink()
    statebake(*made[1:], cwd=shop).ok()
    assert (shop / "d/Dockerfile.x").read_text() == text

    dockerfile(shop, *flags).ok()
    (shop / "d/Dockerfile.x").unlink()
    pyproject = (shop / "pyproject.toml").read_text()
    (shop / "pyproject.toml").write_text(pyproject.replace('version = "', 'version = "9'))
    stale = dockerfile(shop, "--check")
    assert (stale.code, "USER" in stale.err) == (3, False)
    [advice] = [line.partition("next: ")[2] for line in stale.err.splitlines() if "next: " in line]
    assert shlex.split(advice)[1:] == ["dockerfile", *flags]


def test_hand_edits_are_not_lost(shop):
    """An edited Dockerfile is left alone, with the way out; ``--force`` replaces it and keeps it beside."""
    dockerfile(shop).ok()
    generated = (shop / "Dockerfile").read_text()
    for number, edit in enumerate(["# mine\n", "# mine as well\n"]):
        (shop / "Dockerfile").write_text(generated + edit)
        result = dockerfile(shop)
        assert result.code == 2
        assert "error[SB115]: Dockerfile was edited by hand" in result.err
        assert (shop / "Dockerfile").read_text() == generated + edit
        assert "kept as Dockerfile.orig" in dockerfile(shop, "--force").ok().out
        assert (shop / "Dockerfile").read_text() == generated
        assert (shop / ("Dockerfile.orig", "Dockerfile.orig.1")[number]).read_text() == generated + edit


def test_somebody_elses_file(shop):
    """A Dockerfile that statebake did not make is left alone, and so is everything else."""
    (shop / "Dockerfile").write_text("FROM python:3.12\n")
    before = read_tree(shop)
    result = dockerfile(shop)
    assert result.code == 2
    assert "error[SB115]: There is a Dockerfile already, which statebake did not make." in result.err
    assert read_tree(shop) == before
    dockerfile(shop, "--output", "other.Dockerfile").ok()
    assert (shop / "Dockerfile").read_text() == "FROM python:3.12\n"
    assert instructions(shop, "other.Dockerfile")


def test_ignore_file_is_merged(shop):
    """The user's lines of a .dockerignore stay, byte for byte; an edited block is not replaced without being asked."""
    (shop / ".dockerignore").write_bytes(b"# mine\r\ndata\r\n\xff\r\n")
    dockerfile(shop).ok()
    merged = (shop / ".dockerignore").read_bytes()
    assert merged.startswith(b"# mine\r\ndata\r\n\xff\r\n")
    (shop / ".dockerignore").write_bytes(merged.replace(b"**/.git\r\n", b""))
    assert dockerfile(shop).code == 2
    dockerfile(shop, "--force").ok()
    assert (shop / ".dockerignore").read_bytes() == merged


def test_after_a_change(shop):
    """What is intact and out of date is replaced; what an earlier lock left in the inputs goes."""
    write_tree(shop, {"requirements.txt": "statebake\n-c limits.txt\n", "limits.txt": "pyyaml<7\n"})
    dockerfile(shop).ok()
    inputs = shop / ".statebake" / "dependencies"
    assert (inputs / "constraints.txt").read_text().splitlines()[1:] == ["pyyaml<7"]
    (shop / "requirements.txt").write_text("statebake\n")
    dockerfile(shop, "--user", "7").ok()
    assert not (inputs / "constraints.txt").exists()
    assert [path.name for path in (inputs / "wheels").iterdir()] == [
        f"statebake-{package.__version__}+runtime-py3-none-any.whl"
    ]


def test_hashes(shop):
    """Hashes stay; the runtime part, which has none, is installed after what has."""
    write_tree(
        shop,
        {"requirements.txt": f"pyyaml==6.0.2 --hash=sha256:{'0' * 64}\nstatebake==0.1.0 --hash=sha256:{'1' * 64}\n"},
    )
    dockerfile(shop).ok()
    inputs = shop / ".statebake" / "dependencies"
    assert (inputs / "requirements.txt").read_text().splitlines()[1:] == [f"pyyaml==6.0.2 --hash=sha256:{'0' * 64}"]
    [line] = (inputs / "unhashed.txt").read_text().splitlines()[1:]
    assert line.startswith("/build/wheels/statebake-")


def test_pex_lock(shop):
    """A PEX lock is passed over when dependencies are looked for, and refused where it is named."""
    (shop / "pex.lock").write_text("// a lock\n{}\n")
    dockerfile(shop).ok()
    refused = dockerfile(shop, "--lock", "pex.lock")
    assert refused.code == 2
    assert "error[SB103]" in refused.err
    assert "PEX lock" in refused.err


def test_local_dependency(tmp_path):
    """Code beside the project makes the context larger: it is copied, and pip gets its path there."""
    app = native_project(tmp_path / "mono" / "apps" / "shop", component("one"))
    write_tree(tmp_path / "mono", {"libs/common/pyproject.toml": '[project]\nname = "common"\nversion = "1"\n'})
    write_tree(tmp_path / "mono", {".dockerignore": "data\n"})
    write_tree(app, {"requirements.txt": "statebake\n-e ../../libs/common\n"})
    [report] = dockerfile(app, "--format", "json").ok().json["projects"]
    assert report["dockerfile"]["context"] == str(tmp_path / "mono")
    assert "pip.conf -f Dockerfile ../..\n" in (app / "Dockerfile").read_text()
    said = dockerfile(app, "-o", "Dockerfile.prod").ok().out
    assert f"build context: {tmp_path / 'mono'}\n" in said
    assert "next: statebake bake docker --file Dockerfile.prod\n" in said
    assert "pip.conf -f Dockerfile.prod ../..\n" in (app / "Dockerfile.prod").read_text()
    copied = [one.paths for one in instructions(app) if one.name == "COPY"]
    assert ["libs/common/", "/build/local/libs/common/"] in copied
    assert ["apps/shop/src/", "/parts/code/src/"] in copied
    lines = (app / ".statebake/dependencies/requirements.txt").read_text().splitlines()
    assert "/build/local/libs/common" in lines
    # The context is not this image's alone, so its rules are for this Dockerfile only; the shared ones are taken over.
    assert (tmp_path / "mono" / ".dockerignore").read_text() == "data\n"
    rules = (app / "Dockerfile.dockerignore").read_text()
    assert rules.startswith("data\n")
    assert "!apps/shop/src/shop/defs/.local_defs_state/**" in rules
    dockerfile(app, "--check").ok()


def test_workspace(tmp_path):
    """Every project of a workspace gets its own files; one that cannot have them does not stop the others."""
    root = workspace(tmp_path / "ws", {"one": component("one"), "two": component("two")})
    dockerfile(root).ok()
    assert command(root / "one") == command(root / "two") == ["python", "-m", "shop"]
    write_tree(root, {"one/Dockerfile": "FROM x\n"})
    (root / "two" / "Dockerfile").unlink()
    result = dockerfile(root)
    assert result.code == 2
    assert "SB115" in result.err
    assert (root / "two" / "Dockerfile").exists()
    assert dockerfile(root, "-o", "x").code == 2


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--user", "root\nRUN id"], "SB103", "docker.user"),
        (["--base-image", "Python"], "SB114", "docker.base_image"),
        (["--template", "none.j2"], "SB116", "none.j2"),
        (["--command", "a\nb"], "SB103", "docker.command"),
        (["--refresh-in-build", "--builder-compat", "classic"], "SB103", "classic"),
        (["--refresh-in-build", "--refresh-secret", "A-B"], "SB103", "docker.refresh_secrets"),
        (["--package", "../.."], "SB103", "packages"),
        (["--defs-module", "nowhere"], "SB103", "nowhere"),
        (["--output", "src"], "SB703", "src"),
    ],
)
def test_bad_input(shop, args, code, said):
    """What cannot be is refused by name, and nothing is written."""
    before = read_tree(shop)
    result = dockerfile(shop, *args)
    assert result.code == (7 if code.startswith("SB7") else 2)
    assert f"error[{code}]" in result.err
    assert said in result.err
    assert read_tree(shop) == before


def test_code_outside_of_the_project(shop, tmp_path):
    """Code behind a link that leaves the project cannot be sent to a build; that is said, not found out by one."""
    (shop / "src").rename(tmp_path / "elsewhere")
    (shop / "src").symlink_to(tmp_path / "elsewhere")
    result = dockerfile(shop)
    assert result.code == 2
    assert "error[SB103]: The project's code lies outside" in result.err


def test_state_of_another_manifest(shop, tmp_path):
    """A build by hand moves the state that the manifest tells of, whatever its names, and ends where it is another."""
    dockerfile(shop).ok()
    source = tmp_path / "source"
    files = {"state": "1", "b/d": "2", "b.x": "3", "a\\b": "4", "ä/.statebake.json": "5", ".statebake.json": "{}"}
    write_tree(source / "Text__one__", files)
    (source / "Text__one__" / "link").symlink_to("b")
    record = {"key": "Text[one]", "digest": summarize_dir(source / "Text__one__").digest}

    def move(target):
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps({"keys": [record]}))
        return run([sys.executable, ".statebake/move_state.py", manifest, source, tmp_path / target], cwd=shop)

    write_tree(source / "Text__one__", {"state": "2"})
    refused = move("other")
    assert (refused.code, "The manifest tells of another Text__one__: statebake" in refused.err) == (1, True)
    write_tree(source / "Text__one__", {"state": "1"})
    move("target").ok()
    assert json.loads((tmp_path / "target/Text__one__/.statebake.json").read_text()) == record
    assert summarize_dir(tmp_path / "target/Text__one__").digest == record["digest"]
    assert not source.exists()


def test_what_only_an_installed_project_has(shop):
    """A command that is a script of the project's is refused; that a build makes more than its files is a warning."""
    file = shop / "pyproject.toml"
    backend = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    file.write_text(f'{file.read_text()}\n[project.scripts]\nshop-run = "shop.__main__:main"\n{backend}')
    write_tree(shop, {"mine.j2": "FROM {{ base_image }}\n"})
    command = ("--command", "shop-run")
    for args in (["dockerfile"], ["bake", "docker", "--no-build"]):
        refused = statebake(*args, *command, cwd=shop)
        assert refused.code == 2
        assert "error[SB103]: The image would run 'shop-run', which [project.scripts] declares" in refused.err
    dockerfile(shop, *command, "--template", "mine.j2", "-o", "-").ok()
    baked = statebake("bake", "docker", "--no-build", cwd=shop).ok()
    assert "a build makes besides: [project.scripts] declares entry points." in " ".join(baked.err.split())


@pytest.mark.parametrize("what", ["", "Text__one__"])
def test_state_behind_a_link(shop, tmp_path, what):
    """State behind a link that leaves what is sent is refused before a build, which is sent the link alone."""
    statebake("refresh", cwd=shop).ok()
    place = state_dir(shop) / what
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    refused = statebake("bake", "docker", "--no-build", "--no-refresh", cwd=shop)
    assert refused.code == 3
    assert f"error[SB317]: {place.name} is a symbolic link to {tmp_path / 'elsewhere'}" in " ".join(refused.err.split())


def test_a_large_context_of_a_refresh_in_the_build(shop):
    """A build that fetches the state is sent the whole project, so all of that is counted."""
    with (shop / "dump.sql").open("wb") as stream:
        stream.truncate(5 * 10**9)
    written = statebake("bake", "docker", "--no-build", "--refresh-in-build", cwd=shop).ok()
    assert "The build context has 5.0 GB: dump.sql 5.0 GB." in " ".join(written.err.split())


def test_manifest(shop):
    """``check --write-manifest`` writes what an artifact would say, and nothing where state is missing."""
    path = shop / ".statebake" / "statebake-manifest.json"
    assert statebake("check", "--write-manifest", path, cwd=shop).code == 3
    assert not path.exists()
    statebake("refresh", cwd=shop).ok()
    statebake("check", "--write-manifest", path, cwd=shop).ok()
    assert '"key": "Text[one]"' in path.read_text()
