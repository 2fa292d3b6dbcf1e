"""The text of a Dockerfile: whole ones in ``samples``, and for other builders what differs."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from statebake.bake.image.dockerfile import TEMPLATE, render_dockerfile
from statebake.bake.image.generated import FileState, state_of
from statebake.bake.image.made_by import MadeBy
from statebake.errors import Code, StatebakeError
from support.dockerfiles import read_dockerfile
from support.image_plans import dagster_plan, image_plan

SAMPLES = Path(__file__).parent / "samples"


def rendered(plan):
    """Return the text without its first two lines, which carry a version and a digest."""
    return render_dockerfile(plan).split("\n", 2)[2]


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("dagster", dagster_plan()),
        ("native", image_plan()),
        ("refresh", image_plan(refresh=("API_URL", "API_TOKEN"))),
    ],
)
def test_whole_texts(name, plan):
    """What is generated for a Dagster project, a native one, and with a refresh in the build, is what was reviewed."""
    assert rendered(plan) == (SAMPLES / f"{name}.Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("builder", ["docker-20.10", "buildah", "classic"])
def test_builders(builder):
    """For older builders the text differs by what they do not know, and by nothing else."""
    lines = [rendered(image_plan(builder=one)).splitlines() for one in ("buildkit", builder)]
    changes = [
        line for line in difflib.unified_diff(*lines, n=0, lineterm="") if not line.startswith(("@@", "---", "+++"))
    ]
    name = "classic" if builder == "classic" else "without-link"
    assert "\n".join(changes) + "\n" == (SAMPLES / f"native-{name}.diff").read_text(encoding="utf-8")


def test_state_comes_last():
    """The last instruction copies the state, whatever the builder and wherever the state comes from."""
    for builder in ("buildkit", "docker-20.10", "buildah", "classic"):
        last = read_dockerfile(render_dockerfile(dagster_plan(builder=builder)))[-1]
        assert last.name == "COPY"
        assert ("--link" in last.flags) == (builder == "buildkit")
        assert "--from=parts" in last.flags
        assert last.paths == ["/parts/layer/", "/"]
    assert "--from=state" in read_dockerfile(render_dockerfile(image_plan(refresh=())))[-1].flags


def test_it_is_sealed():
    """A rendered text is recognized as generated."""
    assert state_of(render_dockerfile(image_plan())) is FileState.INTACT


def test_nothing_to_pull():
    """Nothing but the base image is named: no syntax image, no other stage's image."""
    for plan in (image_plan(), dagster_plan(), image_plan(refresh=("A",))):
        text = render_dockerfile(plan)
        assert "syntax=" not in text
        named = [one.rest.split()[0] for one in read_dockerfile(text) if one.name == "FROM"]
        assert set(named) <= {"python:3.12-slim", "base", "dependencies"}


@pytest.mark.parametrize(
    ("template", "line", "said"),
    [
        ("FROM {{ base_image }}\n{{ nonsense }}\n", 2, "uses a value that there is none of: 'nonsense' is undefined"),
        ("FROM {{ base_image }}\n\n{% if %}\n", 3, "is not valid Jinja2"),
        ("FROM x\n{{ labels.clear() }}", 2, "fails: access to attribute 'clear' of 'dict' object is unsafe"),
        ("{{ ''.__class__.__mro__ }}", 1, "fails: access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ 1 / 0 }}", 1, "fails: division by zero"),
        ("{{ project | nofilter }}", 1, "is not valid Jinja2: No filter named 'nofilter'"),
        ("{% include '/etc/passwd' %}", 1, "fails"),
    ],
)
def test_bad_templates(tmp_path, template, line, said):
    """A user's template that cannot be rendered is BAD_TEMPLATE with its line, and cannot reach beyond its values."""
    path = tmp_path / "Dockerfile.j2"
    path.write_text(template)
    with pytest.raises(StatebakeError) as caught:
        render_dockerfile(image_plan(), path)
    assert caught.value.code is Code.BAD_TEMPLATE
    assert caught.value.where == f"{path}:{line}"
    assert said in caught.value.message


@pytest.mark.parametrize("content", [None, b"FROM \xff"])
def test_unreadable_templates(tmp_path, content):
    """A template that is not there, or no text, is BAD_TEMPLATE too."""
    path = tmp_path / "Dockerfile.j2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StatebakeError) as caught:
        render_dockerfile(image_plan(), path)
    assert caught.value.code is Code.BAD_TEMPLATE


def test_own_template(tmp_path):
    """A template of the user's own gets every value that the comment in ours lists, and is sealed."""
    path = tmp_path / "Dockerfile.j2"
    path.write_text("# syntax=docker/dockerfile:1\nFROM {{ base_image }}\nLABEL a={{ project | value }}\n")
    lines = render_dockerfile(image_plan(project='a "b" $c'), path).splitlines()
    assert lines[0] == "# syntax=docker/dockerfile:1"
    assert lines[1].startswith("# Made by statebake ")
    assert lines[3:] == ["FROM python:3.12-slim", 'LABEL a="a \\"b\\" \\$c"']


def test_documented_values():
    """The comment in the template names every value that a template gets."""
    from statebake.bake.image.dockerfile import template_values

    comment = TEMPLATE.read_text(encoding="utf-8").partition("-#}")[0]
    missing = [name for name in template_values(dagster_plan(), MadeBy()) if f" {name}" not in comment]
    assert not missing
