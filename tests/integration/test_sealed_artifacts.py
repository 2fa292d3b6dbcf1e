"""``statebake verify --sealed`` on artifacts: PEXes of every layout, wheels, and images on every engine."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import pytest
import yaml

import statebake as package
from support.cli import Result, statebake
from support.engine import Docker
from support.images import BASE
from support.loading import READ, loads, project
from support.pexes import CACHE_ENV, bake, rewrite
from support.trees import read_tree

LAYOUTS = {
    "zipapp": (),
    "venv": ("--pex-arg=--venv",),
    "packed": ("--layout", "packed"),
    "loose": ("--layout", "loose"),
}
FETCHES = "import socket\ntry: socket.create_connection(('192.0.2.7', 443), 1)\nexcept OSError: pass\n"
DOCKERFILE = f"""
FROM {BASE}
COPY site /site
COPY src /app/src
ENV PYTHONPATH=/app/src:/site
"""


def verify(artifact: Path | str, *args: str | Path, cwd: Path, env: dict | None = None) -> Result:
    command = ("verify", "--sealed", "--format", "json", artifact, *args)
    return statebake(*command, cwd=cwd, env={**CACHE_ENV, **(env or {})})


def findings(result: Result) -> list[tuple[str, str | None]]:
    found = result.json["reports"][0]["findings"]
    return [(item["code"], item["key"]) for item in found if item["code"] not in {"SB306", "SB327"}]


def keys(result: Result) -> dict[str, tuple[bool, int]]:
    return {item["key"]: (item["opened"], item["definitions"]) for item in result.json["reports"][0]["keys"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one sound component and one that tries to fetch when it is loaded."""
    return project(tmp_path_factory.mktemp("made") / "it", loads("one", READ), loads("two", FETCHES + READ))


@pytest.fixture(scope="module")
def pex(made: Path) -> Path:
    bake(made, made.parent / "shop.pex", "--no-refresh", "--python", sys.executable).ok()
    return made.parent / "shop.pex"


@pytest.mark.needs("namespaces")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pex(layout, made, pex, tmp_path):
    """Whatever its layout: its state is opened, its definitions are made, the attempt is told; it is left as it was."""
    if layout == "zipapp":
        target = Path(shutil.copy(pex, tmp_path / "shop.pex"))
    else:
        target = tmp_path / "shop"
        flags = [flag.removeprefix("--pex-arg=") for flag in LAYOUTS[layout]]
        command = [sys.executable, "-m", "pex", "--pex-repository", pex, "-D", made / "src", *flags, "-o", target]
        subprocess.run([*command, "statebake"], check=True, capture_output=True)
    before = target.read_bytes() if target.is_file() else read_tree(target)
    result = verify(target, "--project", made, cwd=tmp_path)
    assert findings(result) == [("SB602", "Text[two]")]
    assert keys(result) == {"Text[one]": (True, 3), "Text[two]": (True, 3)}
    assert result.code == 6
    assert before == (target.read_bytes() if target.is_file() else read_tree(target))


@pytest.mark.needs("namespaces")
def test_a_pex_for_another_interpreter(pex, tmp_path):
    """It is told as such, and everything but the load is verified."""

    def change(name: str, content: bytes) -> bytes:
        if name != "PEX-INFO":
            return content
        return json.dumps({**json.loads(content), "interpreter_constraints": ["CPython==3.4.*"]}).encode()

    other = rewrite(pex, tmp_path / "other.pex", change)
    other.chmod(0o755)
    result = verify(other, cwd=tmp_path)
    assert (result.code, findings(result)) == (6, [("SB608", None)])
    content = pex.read_bytes()
    lost = tmp_path / "lost.pex"
    first = content.index(b"\n")
    lost.write_bytes(b"#!/opt/nowhere/".ljust(first, b"x") + content[first:])
    lost.chmod(0o755)
    result = verify(lost, cwd=tmp_path)
    assert (result.code, findings(result)) == (6, [("SB608", None)])
    assert findings(verify(lost, "--python", sys.executable, cwd=tmp_path)) == [("SB602", "Text[two]")]


@pytest.mark.needs("namespaces")
def test_a_pex_that_lost_its_state(pex, tmp_path):
    """It loads no definitions: missing state is told by key, and where the load ends."""
    lost = rewrite(pex, tmp_path / "lost.pex", lambda name, content: None if "Text__one__/state" in name else content)
    lost.chmod(0o755)
    result = verify(lost, cwd=tmp_path)
    assert result.code == 3
    assert ("SB301", "Text[one]") in findings(result) or ("SB313", "Text[one]") in findings(result)


def wheel_of(made: Path, directory: Path) -> Path:
    """Return a wheel of a project with its state."""
    wheel = directory / "shop-1-py3-none-any.whl"
    info = {
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "METADATA": "Metadata-Version: 2.1\nName: shop\nVersion: 1\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(path for path in (made / "src").rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(made / "src"))
        for name, text in info.items():
            archive.writestr(f"shop-1.dist-info/{name}", text)
        archive.writestr("shop-1.dist-info/RECORD", "")
    return wheel


@pytest.mark.needs("namespaces")
def test_a_wheel_whose_component_writes_its_state(tmp_path):
    """What is loaded is read-only, as it will be where it runs."""
    wheel = wheel_of(project(tmp_path / "it", loads("one", "state.write_text('x')\n" + READ)), tmp_path)
    result = verify(wheel, "--python", sys.executable, "--project", tmp_path / "it", cwd=tmp_path)
    assert ("SB601", "Text[one]") in findings(result)
    assert "Read-only file system" in str(result.json["reports"][0]["findings"])


@pytest.mark.needs("namespaces")
def test_a_wheel_and_where_it_is_installed(made, tmp_path):
    """A wheel is loaded by the interpreter that is named, a directory of packages by its own environment's."""
    wheel = wheel_of(made, tmp_path)
    result = verify(wheel, "--python", sys.executable, "--project", str(made), cwd=tmp_path)
    assert ("SB602", "Text[two]") in findings(result)
    assert keys(result) == {"Text[one]": (True, 3), "Text[two]": (True, 3)}
    assert verify(wheel, cwd=tmp_path).code == 6


def image(docker: Docker, made: Path, root: Path, new_image, dockerfile: str = DOCKERFILE) -> str:
    """Build an image with a project and what it needs, without asking a package index."""
    context = root / "context"
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(made / "src", context / "src", ignore=ignored)
    shutil.copytree(Path(package.__file__).parent, context / "site/statebake", ignore=ignored)
    shutil.copytree(Path(yaml.__file__).parent, context / "site/yaml", ignore=ignored)
    (context / "Dockerfile").write_text(dockerfile)
    tag = new_image(docker)
    docker.run("build", "--network=host", "--tag", tag, context).ok()
    return tag


def test_an_image(every_docker, made, new_image, tmp_path):
    """On every engine: nothing reaches a network, attempts are told with their component, and no container is left."""
    tag = image(every_docker, made, tmp_path, new_image)
    result = verify(tag, "--project", made, cwd=tmp_path, env=every_docker.env())
    assert findings(result) == [("SB602", "Text[two]")], result.out
    assert keys(result) == {"Text[one]": (True, 3), "Text[two]": (True, 3)}
    assert result.code == 6
    assert any("container engine" in check for check in result.json["reports"][0]["checks"])
    assert every_docker.run("ps", "--all", "--quiet", "--filter", f"ancestor={tag}").ok().out == ""


@pytest.mark.needs("docker")
def test_an_image_whose_python_is_not_on_path(docker, made, new_image, tmp_path):
    """It is the one beside the program that the image starts, or the one that the command line names."""
    own = 'RUN mkdir -p /opt/own/bin && ln -s "$(command -v python3)" /opt/own/bin/python\nENV PATH=/nowhere\n'
    start = 'ENTRYPOINT ["/opt/own/bin/serve", "--port", "80"]\n'
    tag = image(docker, made, tmp_path, new_image, f"{DOCKERFILE}{own}{start}")
    sound = {"Text[one]": (True, 3), "Text[two]": (True, 3)}
    assert keys(verify(tag, "--project", made, cwd=tmp_path, env=docker.env())) == sound
    (tmp_path / "context/Dockerfile").write_text(f'{DOCKERFILE}{own}ENTRYPOINT ["serve"]\n')
    docker.run("build", "--network=host", "--tag", tag, tmp_path / "context").ok()
    assert verify(tag, "--project", made, cwd=tmp_path, env=docker.env()).code == 6
    named = verify(tag, "--project", made, "--python", "/opt/own/bin/python", cwd=tmp_path, env=docker.env())
    assert keys(named) == sound


@pytest.mark.needs("docker")
def test_an_image_without_python(docker, made, new_image, tmp_path):
    """It cannot be loaded, and the engine's words say why."""
    tag = image(docker, made, tmp_path, new_image, "FROM scratch\nCOPY src /app/src\n")
    result = verify(tag, "--project", made, cwd=tmp_path, env=docker.env())
    assert result.code == 6
    assert result.json["reports"][0]["findings"][0]["code"] == "SB607"


@pytest.mark.needs("docker")
def test_an_image_for_another_processor(docker, made, new_image, tmp_path):
    """It is not started."""
    tag = image(docker, made, tmp_path, new_image, "FROM --platform=linux/s390x scratch\nCOPY src /app/src\n")
    result = verify(tag, "--project", made, cwd=tmp_path, env=docker.env())
    if docker.run("image", "inspect", "--format", "{{.Architecture}}", tag).ok().out.strip() == "s390x":
        assert result.json["reports"][0]["findings"][0]["code"] == "SB710"


@pytest.mark.needs("docker")
def test_an_image_whose_processor_was_edited(docker, made, new_image, tmp_path):
    """What its configuration says counts: it is not started, and verified all the same where nothing is loaded."""
    tag = image(docker, made, tmp_path, new_image)
    edited = new_image(docker)
    docker.run("save", "--output", tmp_path / "saved.tar", tag).ok()
    with_config(
        tmp_path / "saved.tar", tmp_path / "edited.tar", edited, lambda config: {**config, "architecture": "arm64"}
    )
    docker.run("load", "--input", tmp_path / "edited.tar").ok()
    sealed = verify(edited, "--project", made, cwd=tmp_path, env=docker.env())
    assert (sealed.code, sealed.json["reports"][0]["findings"][0]["code"]) == (7, "SB710")
    statebake("verify", edited, "--project", made, cwd=tmp_path, env=docker.env()).ok()


@pytest.mark.needs("docker")
def test_an_image_that_hangs_and_prints(docker, new_image, tmp_path):
    """The load is ended in time, its container is removed, who hung is named; megabytes of output do no harm."""
    code = "import time\nprint('x' * 50_000_000)\nfor _ in range(600): print('y' * 999, flush=True); time.sleep(1)"
    hangs = project(tmp_path / "it", loads("one", READ), loads("two", code))
    tag = image(docker, hangs, tmp_path, new_image)
    began = time.monotonic()
    result = verify(tag, "--project", hangs, "--sealed-timeout", "10s", cwd=tmp_path, env=docker.env())
    assert time.monotonic() - began < 60
    assert (result.code, ("SB606", "Text[two]") in findings(result)) == (6, True)
    assert len(result.out) < 100_000
    assert docker.run("ps", "--all", "--quiet", "--filter", f"ancestor={tag}").ok().out == ""


@pytest.mark.needs("docker")
def test_an_image_without_a_manifest(docker, made, new_image, tmp_path):
    """The project says which keys there should be, and the report says so; without a project nobody knows."""
    tag = image(docker, made, tmp_path, new_image, "FROM scratch\nCOPY src /app/src\n")
    command = ("verify", tag, "--format", "json")
    [report] = statebake(*command, "--project", made, cwd=tmp_path, env=docker.env()).ok().json["reports"]
    assert [(key["key"], key["verdict"]) for key in report["keys"]] == [("Text[one]", "ok"), ("Text[two]", "ok")]
    told = next(item["message"] for item in report["findings"] if item["code"] == "SB327")
    assert told.endswith("looked for are those of the work tree shop.")
    (tmp_path / "rules.json").write_text('{"type": "object"}')
    judged = statebake(*command, "--project", made, "--schema", "rules.json", cwd=tmp_path, env=docker.env())
    assert [item for item in findings(judged) if item[0] == "SB335"] == [("SB335", "Text[one]"), ("SB335", "Text[two]")]
    shutil.rmtree(tmp_path / "context/src/shop/defs/.local_defs_state/Text__two__")
    docker.run("build", "--tag", tag, tmp_path / "context").ok()
    lost = statebake(*command, "--project", made, cwd=tmp_path, env=docker.env())
    assert (lost.code, ("SB301", "Text[two]") in findings(lost)) == (3, True)


@pytest.mark.needs("docker")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": 99}, ["SB310"]),
        ({"keys": []}, ["SB313", "SB313"]),
        ({"host": 1}, ["SB309"]),
    ],
    ids=["newer", "tampered with", "malformed"],
)
def test_the_manifest_of_an_image(docker, new_image, made, tmp_path, *, change, code):
    """One of a newer format is refused by its number, and one that does not fit what is there is told."""
    manifest = made / "src/shop/defs/.local_defs_state/statebake-manifest.json"
    statebake("check", "--write-manifest", manifest, cwd=made).ok()
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    try:
        tag = image(docker, made, tmp_path, new_image, "FROM scratch\nCOPY src /app/src\n")
    finally:
        manifest.unlink()
    result = statebake("verify", tag, "--format", "json", cwd=tmp_path, env=docker.env())
    assert (result.code, [found for found, _ in findings(result)]) == (3, code)


def with_config(source: Path, target: Path, tag: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Copy what ``docker save`` wrote as one image called ``tag`` whose configuration is changed."""
    with tarfile.open(source) as saved:
        contents = {item.name: cast("IO[bytes]", saved.extractfile(item)).read() for item in saved if item.isreg()}
    [entry] = json.loads(contents["manifest.json"])
    config = json.dumps(change(json.loads(contents[entry["Config"]]))).encode()
    kept = {name: contents[name] for name in entry["Layers"]}
    listed = json.dumps([{"Config": "config.json", "RepoTags": [f"{tag}:latest"], "Layers": entry["Layers"]}]).encode()
    with tarfile.open(target, "w") as edited:
        for name, content in {**kept, "config.json": config, "manifest.json": listed}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            edited.addfile(member, io.BytesIO(content))
