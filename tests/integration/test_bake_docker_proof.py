"""The proof: what a Dockerfile that statebake did not make puts into an image must be the state that was checked."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import statebake
from support.engine import unique_name
from support.images import BASE, OWN, bake, image_id, image_of, own_project
from support.native import component, state_dir
from support.pexes import digests
from support.shown import the_error
from support.trees import read_tree

pytestmark = pytest.mark.needs("docker")

STATE = "src/shop/defs/.local_defs_state"
KEYS = ["Text[one]", "Text[two]"]
CODE = "COPY src/shop/*.py /app/src/shop/\n"
PLACE = f"/app/{STATE}"
BOTH = dict.fromkeys(KEYS, True)
# What is wrong with each, what the message must say of it, and how `inspect` ends (3: a digest, or
# an ignore file, is not there), and what that finds proved in which directory.
BAD = {
    "forgets it": (f"FROM scratch\n{CODE}", "it has no directory shop/defs/.local_defs_state", 2, {}),
    "copies half of it": (
        f"FROM scratch\n{CODE}COPY {STATE}/Text__one__ {PLACE}/Text__one__\n",
        "the state of Text[two] is missing",
        3,
        {PLACE: {"Text[one]": True}},
    ),
    "puts it elsewhere": (
        f"FROM scratch\n{CODE}COPY {STATE} /data/.local_defs_state\n",
        "it has no directory shop/defs/.local_defs_state",
        0,
        {"/data/.local_defs_state": BOTH},
    ),
    "changes a byte": (
        f"FROM scratch\nCOPY src /app/src\nCOPY changed {PLACE}/Text__one__/state\n",
        f"the state of Text[one] in {PLACE} has the digest sha256:",
        3,
        {PLACE: {**BOTH, "Text[one]": False}},
    ),
    "adds a file": (
        f"FROM scratch\nCOPY src /app/src\nCOPY changed {PLACE}/Text__two__/more\n",
        f"the state of Text[two] in {PLACE} has the digest sha256:",
        3,
        {PLACE: {**BOTH, "Text[two]": False}},
    ),
    "has a second one that is old": (
        f"FROM scratch\nCOPY src /app/src\nCOPY {STATE}/Text__one__ /other/shop/defs/.local_defs_state/Text__one__\n",
        "the state of Text[two] is missing in /other/shop/defs/.local_defs_state",
        3,
        {PLACE: BOTH, "/other/shop/defs/.local_defs_state": {"Text[one]": True}},
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with state and its user's Dockerfile, which every test writes anew."""
    project = own_project(tmp_path_factory.mktemp("own") / "shop")
    (project / "changed").write_text("onf")  # what the state of Text[one] has, but for one byte
    return project


@pytest.fixture(scope="module")
def good(docker, project) -> Iterator[str]:
    """The id of an image with its state."""
    tag = unique_name()
    yield image_of(bake(docker, write(project, OWN), "--no-refresh", "--tag", tag))["id"]
    docker.run("image", "rm", "--force", tag)


def write(project: Path, text: str) -> Path:
    (project / "Dockerfile").write_text(text)
    return project


def test_a_dockerfile_of_the_project(docker, new_image, project, tmp_path):
    """The project's own Dockerfile is built, its image proved and named, and ``inspect`` reads the same from it."""
    tag = new_image(docker)
    image = image_of(bake(docker, write(project, OWN), "--no-refresh", "--tag", tag))
    expected = digests(read_tree(state_dir(project)))
    [platform] = image["platforms"]
    assert image["id"] == image_id(docker, tag)
    assert platform["state"] == [{"path": f"/app/{STATE}", "layer": 0}]
    assert [record["key"] for record in image["manifest"]["keys"]] == KEYS
    assert sorted(record["digest"] for record in image["manifest"]["keys"]) == sorted(expected.values())
    assert platform["labels"]["io.statebake.manifest-digest"].startswith("sha256:")
    document = statebake("inspect", tag, "--format", "json", cwd=tmp_path, env=docker.env()).ok().json
    [inspected] = document["images"]
    [state] = inspected["states"]
    assert (inspected["id"], state["path"], state["manifest"], state["error"]) == (
        *(image["id"], f"/app/{STATE}", None, None),
    )
    assert {key["key"]: key["proved"] for key in state["keys"]} == dict.fromkeys(KEYS, True)
    assert sorted(key["digest"] for key in state["keys"]) == sorted(expected.values())


def test_a_dockerfile_that_is_named(docker, new_image, project, tmp_path):
    """``--file`` names a Dockerfile anywhere, before the project's own; that one is not read."""
    tag = new_image(docker)
    write(project, "FROM scratch\nNONSENSE\n")
    named = tmp_path / "images" / "Containerfile"
    named.parent.mkdir()
    named.write_text(OWN)
    image = image_of(bake(docker, project, "--no-refresh", "--tag", tag, "--file", named))
    assert image["id"] == image_id(docker, tag)
    missing = bake(docker, project, "--no-refresh", "--file", tmp_path / "none")
    assert (missing.code, missing.json["error"]["code"]) == (2, "SB103")
    assert str(tmp_path / "none") in missing.json["error"]["where"]


@pytest.mark.parametrize("how", BAD)
def test_a_dockerfile_that_loses_state(how, docker, new_image, project, good):
    """An image without the state that was checked ends the bake with 3; the name stays with the image that had it."""
    text, says, code, proved = BAD[how]
    tag = new_image(docker)
    docker.run("tag", good, tag).ok()
    iidfile = project.parent / "iid"
    result = bake(docker, write(project, text), "--no-refresh", "--tag", tag, "--iidfile", iidfile)
    error = the_error(result.err)
    assert (result.code, error.code) == (3, "SB313")
    assert says in error.message
    assert error.next_step == "see in the Dockerfile which COPY brings the state in, or changes it"
    assert image_id(docker, tag) == good
    assert not iidfile.exists()
    assert "image" not in result.json["projects"][0]

    failed = (error.where or "").split()[1]  # image sha256:… (linux/amd64)
    inspected = statebake("inspect", failed, "--format", "json", cwd=project, env=docker.env())
    assert inspected.code == code
    found = [state for image in inspected.json.get("images", ()) for state in image["states"]]
    assert {state["path"]: {key["key"]: key["proved"] for key in state["keys"]} for state in found} == proved


@pytest.mark.needs("registry")
def test_nothing_is_pushed_unproved(docker, registry, new_image, project):
    """An image that loses state never reaches the registry."""
    tag = new_image(docker, registry)
    text, *_ = BAD["copies half of it"]
    result = bake(docker, write(project, text), "--no-refresh", "--push", "--tag", f"{tag}:1")
    assert (result.code, the_error(result.err).code) == (3, "SB313")
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://{registry}/v2/{tag.partition('/')[2]}/manifests/1", timeout=10)
    with answer.value as response:
        assert response.code == 404


def test_more_than_the_state(docker, project):
    """State of no key, what refreshes leave, and somebody else's state directory are noted; the bake goes well."""
    text = f"{OWN}COPY {STATE}/Text__one__ /app/{STATE}/Old__key__\nCOPY {STATE} /lib/other/defs/.local_defs_state\n"
    result = bake(docker, write(project, text), "--no-refresh")
    assert not [line for line in result.err.splitlines() if "killed" in line]
    image = image_of(result)
    rule = "`**/.local_defs_state/.staging` in .dockerignore"
    assert sorted(image["notes"]) == [
        f"/app/{STATE}/.staging is what refreshes leave; {rule} keeps it out.",
        f"/app/{STATE}/Old__key__ is the state of no key of this project.",
        "/lib/other/defs/.local_defs_state is a state directory as well; nothing was compared with it.",
    ]


def test_state_that_is_not_the_projects_is_not_baked(docker, tmp_path):
    """State that is missing or damaged in the project ends the bake before anything is built."""
    project = own_project(tmp_path / "shop")
    (state_dir(project) / "Text__one__/state").write_text("damaged")
    result = bake(docker, write(project, "FROM scratch\nNONSENSE\n"), "--no-refresh", "--tag", "never")
    assert result.code == 3
    [found] = result.json["projects"][0]["check"]["findings"]
    assert (found["code"], found["key"]) == ("SB303", "Text[one]")
    assert image_id(docker, "never") is None


def test_a_generated_dockerfile_that_is_out_of_date(docker, tmp_path):
    """A Dockerfile that statebake made, and would make otherwise now, is built as it is, with a warning."""
    project = own_project(tmp_path / "shop")
    (project / "Dockerfile").unlink()
    flags = ("--base-image", BASE)
    statebake("dockerfile", *flags, cwd=project).ok()
    plan = ("--no-refresh", "--dry-run", *flags)
    fresh = bake(docker, project, *plan).ok().json["projects"][0]["image_plan"]
    assert (fresh["made_by_statebake"], fresh["out_of_date"]) == (True, False)
    other = bake(docker, project, *plan, "--user", "2000").ok().json["projects"][0]["image_plan"]
    assert (other["made_by_statebake"], other["out_of_date"]) == (True, True)
    written = bake(docker, project, "--no-refresh", "--no-build", *flags, "--user", "2000", shown="text").ok()
    advice = f"statebake dockerfile --base-image {BASE} --user 2000"
    assert f"{project / 'Dockerfile'} is out of date: {advice}" in " ".join(written.err.split())
    alone = bake(docker, project, "--no-refresh", "--dry-run").ok().json["projects"][0]["image_plan"]
    assert (alone["base_image"], alone["out_of_date"]) == (BASE, False)

    statebake("dockerfile", "--refresh-in-build", *flags, cwd=project).ok()
    refused = the_error(bake(docker, project, "--no-refresh", "--dry-run").err)
    assert refused.code == "SB103"
    assert refused.next_step == (
        "statebake bake docker --refresh-in-build; or write one that is given the state: "
        f"statebake dockerfile --base-image {BASE}"
    )
    bake(docker, project, "--refresh-in-build", "--dry-run").ok()

    (project / "Dockerfile").write_text(OWN)
    (project / ".dockerignore").unlink()
    ignored = bake(docker, project, "--no-refresh", "--no-build", *flags, "--user", "3000", shown="text").ok()
    assert "Dockerfile is built as it is: --base-image, --user would change nothing in it" in " ".join(
        ignored.err.split()
    )


def test_one_document(docker, project):
    """With ``--format json`` standard output is one document, whatever the engine prints; progress goes beside it."""
    result = bake(docker, write(project, f"{OWN}LABEL a=1\n"), "--no-refresh").ok()
    document = json.loads(result.out)
    assert set(document) == {"format", "statebake", "projects"}
    assert set(document["projects"][0]) == {"project", "directory", "check", "verification", "image"}
    assert set(document["projects"][0]["image"]) == {
        *("id", "tags", "digest", "pushed", "builder", "loses", "steps", "context", "platforms", "manifest", "notes"),
    }


def test_components_of_one_key(docker, tmp_path):
    """A key that several components share is proved once."""
    shared = component("one", defs_state={"key": "Shared"})
    project = own_project(tmp_path / "shop", OWN, shared, shared)
    image = image_of(bake(docker, project, "--no-refresh"))
    assert [record["key"] for record in image["manifest"]["keys"]] == ["Shared"]
