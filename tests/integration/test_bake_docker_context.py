"""The build context: what a rule keeps out of it, and one that is far too large, are noticed before a build."""

from __future__ import annotations

import os
import re
import signal

import pytest

from support.cli import clean_env
from support.images import bake, image_id, image_of, own_project
from support.processes import finish, start_statebake
from support.shown import the_error

pytestmark = pytest.mark.needs("docker")

EVERYTHING = "FROM scratch\nCOPY . /app/\n"
# What drops state, the line to blame, and what the message names.
DROPS = {
    "*": ("*\n!src/shop/*.py\n!**/defs.yaml\n!pyproject.toml\n", 1, "*"),
    "**/.*": ("# hidden files\n**/.*\n", 2, "**/.*"),
    ".local_defs_state": ("**/.git\n\n**/.local_defs_state\n", 3, "**/.local_defs_state"),
    "the order": ("!src/shop/defs/.local_defs_state/**\nsrc/shop/defs/.*\n", 2, "src/shop/defs/.*"),
}


@pytest.fixture
def project(tmp_path):
    return own_project(tmp_path / "shop", EVERYTHING)


@pytest.mark.parametrize("how", DROPS)
def test_rules_that_drop_state(how, docker, new_image, project):
    """The rule that keeps state out is named with its line, and with the lines that mend it the bake goes well."""
    text, line, rule = DROPS[how]
    ignore = project / ".dockerignore"
    ignore.write_text(text)
    tag = new_image(docker)
    result = bake(docker, project, "--no-refresh", "--tag", tag)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (3, "SB317", f".dockerignore:{line}")
    assert f"`.dockerignore:{line}` (`{rule}`) keeps the state of 2 keys" in error.message
    assert "Text[one], Text[two]" in error.message
    assert image_id(docker, tag) is None

    advised = result.json["error"]["next_step"]
    found = re.fullmatch(r"add (?:this line|these lines) at the end of \.dockerignore:\s+(.*)", advised, re.DOTALL)
    assert found, advised
    ignore.write_text(f"{text}{found[1]}\n")
    image = image_of(bake(docker, project, "--no-refresh", "--tag", tag))
    assert (image["id"], image["notes"]) == (image_id(docker, tag), [])


def test_the_rules_of_a_dockerfile(docker, project):
    """An ignore file of the Dockerfile's own counts before the project's, as it does for BuildKit."""
    (project / ".dockerignore").write_text("*\n")
    (project / "Dockerfile.dockerignore").write_text("**/.staging\n")
    bake(docker, project, "--no-refresh").ok()
    (project / "Dockerfile.dockerignore").write_text("**/Text__one__\n")
    (project / ".dockerignore").unlink()
    error = the_error(bake(docker, project, "--no-refresh").err)
    assert (error.code, error.where) == ("SB317", "Dockerfile.dockerignore:1")


def sparse(path, gigabytes):
    """Make a file that says it has so many gigabytes, and takes no space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        os.truncate(stream.fileno(), gigabytes * 10**9)


@pytest.mark.parametrize("by", ["buildx", "the API"])
def test_a_context_of_five_gigabytes(by, docker, new_image, project, tmp_path):
    """Before anything of a very large context is sent, a warning names what makes it large, by what would be sent."""
    sparse(project / "data/raw/dump.sql", 4)
    sparse(project / "notebooks/model.bin", 1)
    tag = new_image(docker)
    env = clean_env(docker.env(TMPDIR=str(tmp_path)))
    if by == "the API":  # it is sent all, also where a generated Dockerfile copies less
        (project / "Dockerfile").unlink()
        env["PATH"] = str(tmp_path)
    process = start_statebake("bake", "docker", "--no-refresh", "--tag", tag, cwd=project, env=env)
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line.rstrip())
        if "GB" in line:
            break
    process.send_signal(signal.SIGINT)
    result = finish(process, timeout=20)
    assert lines[-1] == (
        "warning: The build context has 5.0 GB: data/raw/dump.sql 4.0 GB, notebooks/model.bin 1.0 GB. "
        "What the image does not need can be left out with lines in .dockerignore."
    )
    assert "Building with" not in "\n".join(lines)
    assert result.code == 130
    assert image_id(docker, tag) is None


def test_what_a_dockerfile_does_not_copy_is_not_sent(docker, project):
    """With a Dockerfile that copies less, BuildKit sends less; the warning still says what a COPY of all would send."""
    sparse(project / "data/dump.sql", 5)
    (project / "Dockerfile").write_text("FROM scratch\nCOPY src /app/src\n")
    result = bake(docker, project, "--no-refresh")
    assert image_of(result)["context"]["sent"] < 100_000
    [warning] = result.json["warnings"]
    assert warning.startswith("The build context has 5.0 GB: data/dump.sql 5.0 GB. What the image does not need")


def test_the_generated_dockerfile_sends_what_it_needs(docker, project):
    """With statebake's own Dockerfile nothing of the rest is counted or sent, and there is no warning."""
    from support.images import index_flags

    sparse(project / "data/dump.sql", 5)
    (project / "Dockerfile").unlink()
    result = bake(docker, project, "--no-refresh", *index_flags(docker))
    context = image_of(result)["context"]
    assert context["needed"] < 200_000
    assert context["sent"] < 1.05 * context["needed"] + 10_000
    assert "warnings" not in result.json
