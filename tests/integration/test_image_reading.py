"""Reading the state in images, in real engines and in what they write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from statebake.engine import BuildRequest, Engine, choose_builder, open_engine
from statebake.engine.reading import READER_LABEL
from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from statebake.model.record import ComponentRef, Record
from statebake.model.state_config import DefsStateManagementType
from statebake.model.tree import summarize_dir
from statebake.verify import read_image, read_layout
from support.cli import clean_env, statebake
from support.engine import Docker, Tools
from support.trees import write_tree

STATE = "/app/shop/defs/.local_defs_state"
KEYS = {"Text__a__": {"state": "1"}, "Dbt__b__": {"state": "", "project/manifest.json": "{}", "project/x": "2"}}
BASE = "python:3.11-slim"
NewImage = Callable[..., str]


def record_of(root: Path, name: str) -> Record:
    """Return the record of a key directory, as an artifact has it."""
    summary = summarize_dir(root / name)
    return Record(
        key=name.replace("__", "[", 1).replace("__", "]"),
        components=(ComponentRef("shop.T", "shop/defs.yaml:1"),),
        management_type=DefsStateManagementType.LOCAL_FILESYSTEM,
        digest=summary.digest,
        files=summary.files,
        bytes=summary.bytes,
        fetched_at="2026-01-02T03:04:05Z",
        origin="fetched",
        tool="t",
        host="h",
    )


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with two keys and a manifest."""
    root = tmp_path / "context/state"
    for name, files in KEYS.items():
        write_tree(root / name, files)
    records = tuple(record_of(root, name) for name in KEYS)
    manifest = Manifest(project="shop", tool="statebake 0", host="native 0", revision=None, keys=records)
    write_tree(root, {".gitignore": "*\n", "statebake-manifest.json": manifest.dumps()})
    for name, record in zip(KEYS, records, strict=True):
        (root / name / ".statebake.json").write_text(json.dumps(record.to_json()))
    return root


def build(docker: Docker, state: Path, dockerfile: str, tag: str = "", **change) -> str:
    """Build an image, and return its id."""
    (state.parent / "Dockerfile").write_text(f"{dockerfile}LABEL test={uuid4()}\n")  # it is this test's alone
    env = clean_env(docker.env())
    request = BuildRequest(state.parent, state.parent / "Dockerfile", "Dockerfile", args=("--network=host",))
    tags = (tag,) if tag else ()
    builder = choose_builder(open_engine(env), env)
    return builder.build(BuildRequest(**{**vars(request), "tags": tags, **change}), lambda _: None).id


def generated(base: str = "scratch") -> str:
    return f"FROM {base}\nLABEL io.statebake.state={STATE}\nCOPY state {STATE}\n"


def containers(docker: Docker, image: str) -> list[str]:
    """Return the containers in which statebake reads an image."""
    wanted = ("--filter", f"label={READER_LABEL}", "--filter", f"ancestor={image}")
    return docker.run("ps", "--all", "--quiet", *wanted).ok().out.split()


def test_state_where_the_label_says(every_docker, state):
    """Every key has the digest of the work tree; nothing is started, and nothing is left."""
    engine = open_engine(clean_env(every_docker.env()))
    identifier = build(every_docker, state, generated())
    image = read_image(engine, identifier, find_layers=True)
    [found] = image.states
    assert (found.path, found.has_ignore_file, found.unexpected) == (STATE, True, ())
    assert {key.summary.digest for key in found.keys} == {record_of(state, name).digest for name in KEYS}
    assert all(key.summary.digest == key.record.digest for key in found.keys)
    assert image.layers == {STATE: 0}
    assert containers(every_docker, identifier) == []


def test_state_that_must_be_looked_for(every_docker, state):
    """Without a label the whole image is searched, and its layers for the one with the state; volumes do no harm."""
    (state / "statebake-manifest.json").unlink()
    text = f"FROM {BASE}\nCOPY --chown=1000 . {STATE.removesuffix('.local_defs_state')}\nRUN touch /after\n"
    text += f"RUN cd {STATE.removesuffix('.local_defs_state')} && mv state .local_defs_state && rm Dockerfile\n"
    text += "VOLUME /app\nRUN touch /later\n"
    engine = open_engine(clean_env(every_docker.env()))
    image = read_image(engine, build(every_docker, state, text), find_layers=True)
    [found] = image.states
    assert found.manifest is None
    assert {key.record.key for key in found.keys} == {"Text[a]", "Dbt[b]"}
    assert all(key.summary.digest == key.record.digest for key in found.keys)
    assert image.facts.layers[image.layers[STATE]].instruction.startswith("RUN cd /app")


def test_inspect_an_image(every_docker, state, new_image: NewImage, tmp_path):
    """``inspect`` shows the image, its layers and its keys, as text and as JSON, and says what differs by its code."""
    name = f"{new_image(every_docker)}:1"
    identifier = build(every_docker, state, generated(), name)
    env = every_docker.env()
    text = statebake("inspect", name, cwd=tmp_path, env=env).ok().out
    for part in (name, identifier, "linux/amd64", f"io.statebake.state={STATE}", "Text[a]", "Dbt[b]", "project shop"):
        assert part in text, part
    [layer] = [line for line in text.splitlines() if "COPY state" in line]
    assert layer.split()[0] == "1"
    assert "state" in layer.split()
    document = statebake("inspect", name, "--format", "json", cwd=tmp_path, env=env).ok().json
    [image] = document["images"]
    assert (document["kind"], image["id"], image["platform"]) == ("image", identifier, "linux/amd64")
    assert [layer["state"] for layer in image["layers"]] == [True]
    [found] = image["states"]
    assert ({key["key"]: key["proved"] for key in found["keys"]}, found["error"]) == (
        {"Text[a]": True, "Dbt[b]": True},
        None,
    )
    (state / "Text__a__/state").write_text("changed")
    build(every_docker, state, generated(), name)
    result = statebake("inspect", name, cwd=tmp_path, env=env)
    assert (result.code, "differs" in result.out, "error[SB313]" in result.err) == (3, True, True)


@pytest.mark.needs("docker")
def test_a_file_of_the_same_name(docker, state, tmp_path, new_image):
    """A path counts before an image, unless ``--image`` says that it is one."""
    name = new_image(docker)
    build(docker, state, generated(), name)
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("no PEX")
    assert statebake("inspect", name, cwd=tmp_path, env=docker.env()).err.startswith("error[SB112]")
    assert statebake("inspect", "--image", name, cwd=tmp_path, env=docker.env()).ok()


@pytest.mark.needs("docker")
@pytest.mark.parametrize(
    ("name", "code", "exit_code"),
    [
        ("statebake-test/nowhere:1", "SB712", 7),
        (BASE, "SB112", 2),
        ("Not A Name", "SB114", 2),
        ("dist/app.pex", "SB112", 2),
    ],
)
def test_what_cannot_be_inspected(docker, tmp_path, name, code, exit_code):
    """No such image, one without state, no name of an image, and no such file are told apart."""
    result = statebake("inspect", name, cwd=tmp_path, env=docker.env())
    assert (result.code, result.err[: len(f"error[{code}]")]) == (exit_code, f"error[{code}]")


@pytest.mark.needs("docker")
def test_an_image_of_which_the_label_lies(docker, state):
    """Nothing at the label's place: the image is searched."""
    text = generated().replace(f"={STATE}", "=/nowhere/.local_defs_state")
    image = read_image(open_engine(clean_env(docker.env())), build(docker, state, text))
    assert [found.path for found in image.states] == [STATE]


@pytest.mark.needs("docker")
def test_a_link_to_the_state(docker, state):
    """A state directory that is a link is refused: what it leads to is not what was baked."""
    text = f"FROM {BASE}\nCOPY state /data\nRUN mkdir -p /app && ln -s /data /app/.local_defs_state\n"
    with pytest.raises(StatebakeError) as caught:
        read_image(open_engine(clean_env(docker.env())), build(docker, state, text))
    assert caught.value.code is Code.NOT_AN_ARTIFACT
    assert "a symbolic link" in caught.value.message


READER = """
import os, sys
from statebake.engine import open_engine

engine = open_engine(os.environ)
with engine.files(sys.argv[1], "/") as stream:
    print(len(stream.read(1)), flush=True)
    sys.stdin.read()
"""


@pytest.mark.needs("docker")
def test_what_a_killed_run_leaves(docker, state):
    """The container of a run that was killed goes at the next use; that of one that still runs stays."""
    image = build(docker, state, generated())
    env = clean_env(docker.env())
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, image], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [reader.stdout.readline() for reader in readers] == ["1\n", "1\n"]
    assert len(containers(docker, image)) == 2
    readers[0].kill()
    readers[0].wait()
    read_image(open_engine(env), image)
    assert len(containers(docker, image)) == 1
    readers[1].communicate(timeout=20)
    assert containers(docker, image) == []
    readers[0].communicate()


LAYERS = f"""
    FROM scratch
    COPY state {STATE}
    COPY other {STATE}/Text__a__
    FROM {BASE}
    COPY state {STATE}
    COPY other/state /other
    RUN cd {STATE} && rm -r Dbt__b__/project && mkdir Dbt__b__/project && echo 3 > Dbt__b__/project/y
    RUN cd {STATE} && rm Text__a__/state && mkdir Text__a__/state && ln /other Text__a__/state/linked
    RUN rm -r {STATE}/Dbt__b__ && mkdir {STATE}/Dbt__b__ && echo 4 > {STATE}/Dbt__b__/state
    RUN rm -r /app/shop && mkdir -p {STATE}/c && echo 5 > {STATE}/c/state && ln {STATE}/c/state {STATE}/c/more
"""


@pytest.mark.needs("docker-containerd", "buildah")
@pytest.mark.parametrize("steps", [3, 4, 6])
def test_layers_as_another_tool_unpacks_them(docker_containerd, tools: Tools, state, tmp_path, steps):
    """Whatever real layers hide and replace, the digests are those of what umoci unpacks."""
    for path in (state / "statebake-manifest.json", *state.glob("*/.statebake.json")):
        path.unlink()
    write_tree(state.parent / "other", {"state": "other"})
    lines = [line.strip() for line in LAYERS.strip().splitlines()][3:]
    packed = tmp_path / "layout.tar"
    build(docker_containerd, state, "\n".join(lines[: steps + 1]) + "\n", output="layout", layout=packed)
    [image] = read_layout(packed)
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    layout.mkdir()
    subprocess.run(["tar", "-xf", packed, "-C", layout], check=True)
    index = json.loads((layout / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (layout / "index.json").write_text(json.dumps(index))
    tools.run("umoci", "unpack", "--image", f"{layout}:it", bundle).ok()
    unpacked = bundle / f"rootfs{STATE}"
    [found] = image.states
    assert {name: summary.digest for name, summary in found.directories.items()} == {
        path.name: summarize_dir(path).digest for path in unpacked.iterdir() if path.is_dir()
    }
    assert found.has_ignore_file == (unpacked / ".gitignore").exists()


@pytest.mark.needs("docker-containerd")
def test_inspect_a_layout(docker_containerd, state, tmp_path):
    """A layout for two platforms is shown for each of them, from an archive and from a directory."""
    packed = tmp_path / "layout.tar"
    platforms = ("linux/amd64", "linux/arm64")
    build(docker_containerd, state, generated(), output="layout", layout=packed, platforms=platforms)
    directory = tmp_path / "layout"
    directory.mkdir()
    subprocess.run(["tar", "-xf", packed, "-C", directory], check=True)
    for path in (packed, directory):
        document = statebake("inspect", path, "--format", "json", cwd=tmp_path).ok().json
        assert [image["platform"] for image in document["images"]] == list(platforms)
        assert all(key["proved"] for image in document["images"] for key in image["states"][0]["keys"])
        text = statebake("inspect", path, cwd=tmp_path).ok().out
        assert text.count("Text[a]") == 2


def refuse(*_: object) -> None:
    raise AssertionError("more is read than the place that the label names")


@pytest.mark.needs("docker")
def test_the_rest_of_an_image_is_not_read(docker, monkeypatch, state):
    """Of an image whose label says where its state is, nothing else is read, however large it is."""
    engine = open_engine(clean_env(docker.env()))
    image = build(docker, state, generated(BASE))
    monkeypatch.setattr(Engine, "whole", refuse)
    monkeypatch.setattr(Engine, "saved", refuse)
    [found] = read_image(engine, image, find_layers=True).states
    assert {key.record.key for key in found.keys} == {"Text[a]", "Dbt[b]"}
