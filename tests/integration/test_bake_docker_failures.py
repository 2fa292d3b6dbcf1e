"""Builds that fail: each with its code, the step, the line and the last lines that it printed, and without secrets."""

from __future__ import annotations

import json
import struct
import urllib.request

import pytest

from support.engine import unique_name
from support.images import BASE, OWN, bake, everything_of, image_id, image_of, own_project
from support.shown import the_error

pytestmark = pytest.mark.needs("docker")

SECRETS = ("correct-horse-battery-staple", 'a/b+c=d & "quoted"')
FAILS = f"""
FROM {BASE}
COPY src /app/src

RUN --network=none set -e; \\
    for n in 1 2 3; do echo "line $n"; done; \\
    exit 3
"""
PRINTS = f"""
FROM {BASE}
COPY src /app/src
RUN --network=none --mount=type=secret,id=word,required=true --mount=type=secret,id=other \\
    sha256sum /run/secrets/* | cut -c 1-64 > /told; \\
    echo "the words are $(cat /run/secrets/word) and $(cat /run/secrets/other 2>/dev/null)"; [ ! -e /app/src/fail ]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with state and its user's Dockerfile, which every test writes anew."""
    return own_project(tmp_path_factory.mktemp("failures") / "shop")


def write(project, text):
    (project / "Dockerfile").write_text(text.lstrip("\n"))
    return project


def failed(docker, project, *args, env=None):
    """Bake what cannot be baked and return how it ended, and the error; nothing may have got the name."""
    tag = unique_name()
    result = bake(docker, project, "--no-refresh", "--tag", tag, *args, env=env)
    assert image_id(docker, tag) is None
    error = the_error(result.err)
    assert result.json["error"]["code"] == error.code
    return result, error


def test_a_step_that_fails(docker, project):
    """The message has the step, the Dockerfile's line, and the last lines that the step printed."""
    result, error = failed(docker, write(project, FAILS))
    assert (result.code, error.code) == (7, "SB708")
    assert error.message.startswith("A step of the build failed: [3/3] RUN set -e; for n in 1 2 3;")
    assert error.where == "shop/Dockerfile:4"
    assert error.detail[:3] == ["line 1", "line 2", "line 3"]
    assert "exit code: 3" in error.detail[-1]
    assert error.next_step == "mend that step, and run the command again"


def test_a_dockerfile_that_is_none(docker, project):
    """An instruction that there is not is named with its line."""
    result, error = failed(docker, write(project, "FROM scratch\nNONSENSE here\n"))
    assert (result.code, error.code, error.where) == (7, "SB708", "shop/Dockerfile:2")
    assert "unknown instruction: NONSENSE" in error.message


def test_a_copy_of_what_is_not_there(docker, project):
    """A COPY of what the context does not have is named as the step that it is."""
    result, error = failed(docker, write(project, f"{OWN}COPY nothing /nothing\n"))
    assert (result.code, error.code, error.where) == (7, "SB708", "shop/Dockerfile:3")
    assert "COPY nothing /nothing" in error.message
    assert '"/nothing": not found' in "\n".join(error.detail)


def test_secrets_that_a_step_prints(docker, new_image, project, tmp_path):
    """The values of secrets are in no layer, history or configuration, and not in our output."""
    (tmp_path / "word").write_text(SECRETS[0])
    env = {"OTHER": SECRETS[1]}
    tag = new_image(docker)
    args = (
        "--no-refresh",
        "--tag",
        tag,
        "--secret",
        f"id=word,src={tmp_path / 'word'}",
        "--secret",
        "id=other,env=OTHER",
    )
    loud = ("--docker-arg=--no-cache", "--verbose")
    shown = bake(docker, write(project, PRINTS), *args, *loud, env=env, shown="text").ok()
    assert "the words are **** and ****" in shown.err
    everything = everything_of(docker, tag, tmp_path / "image.tar")
    assert b"Text__one__" in everything  # it was looked for at the right place
    for text in (shown.out.encode(), shown.err.encode(), everything):
        assert [secret for secret in SECRETS if secret.encode() in text] == []


def test_a_secret_in_a_step_that_fails(docker, project, tmp_path):
    """The last lines of a step that fails are shown without the secrets in them."""
    (tmp_path / "word").write_text(SECRETS[0])
    (project / "src/fail").touch()
    args = ("--secret", f"id=word,src={tmp_path / 'word'}", "--docker-arg=--no-cache")
    result, error = failed(docker, write(project, PRINTS), *args)
    (project / "src/fail").unlink()
    assert (result.code, error.code) == (7, "SB708")
    assert "the words are **** and " in error.detail
    assert SECRETS[0] not in result.out + result.err


def test_a_secret_that_is_not_given(docker, project):
    """A step that requires a secret which the build is not given says which one."""
    result, error = failed(docker, write(project, PRINTS), "--docker-arg=--no-cache")
    assert (result.code, error.code) == (7, "SB708")
    assert error.next_step == "give the secret: --secret id=word,src=FILE"


@pytest.mark.needs("registry")
def test_a_base_image_that_is_not_there(docker, registry, project):
    """A base image that its registry does not have, or that has no registry, is named with its line."""
    for image in (f"{registry}/absent:1", "127.0.0.1:1/absent:1"):
        result, error = failed(docker, write(project, f"# a comment\nFROM {image}\nCOPY src /app/src\n"))
        assert (result.code, error.code) == (7, "SB709")
        assert error.message == f"The base image {image} cannot be had."
        assert error.where == "shop/Dockerfile:2"
        assert error.next_step == f"docker pull {image}"


def test_a_base_image_of_the_generated_dockerfile(docker, project):
    """Where statebake's own Dockerfile has a base image that cannot be had, the flag that names it is at fault."""
    (project / "Dockerfile").unlink()
    result, error = failed(docker, project, "--base-image", "127.0.0.1:1/absent:1")
    assert (result.code, error.code) == (7, "SB709")
    assert error.message == "The base image 127.0.0.1:1/absent:1 cannot be had."


def one_platform(docker, registry, image, project):
    """Push an image for linux/amd64 below an index that names no other platform, as most registries have them."""
    image_of(bake(docker, write(project, OWN), "--no-refresh", "--push", "--tag", f"{image}:amd64"))
    url = f"http://{registry}/v2/{image.partition('/')[2]}/manifests"
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    with urllib.request.urlopen(urllib.request.Request(f"{url}/amd64", headers={"Accept": kind})) as answer:
        size, digest = len(answer.read()), answer.headers["Docker-Content-Digest"]
    platform = {"os": "linux", "architecture": "amd64"}
    listed = {"mediaType": kind, "size": size, "digest": digest, "platform": platform}
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [listed]}).encode()
    put = urllib.request.Request(f"{url}/1", data=index, method="PUT", headers={"Content-Type": kind})
    with urllib.request.urlopen(put) as answer:
        answer.read()
    return f"{image}:1"


@pytest.mark.needs("registry")
def test_a_base_image_for_another_platform(docker, registry, new_image, project):
    """A base image that there is, but not for the platform, is told from one that there is not."""
    base = one_platform(docker, registry, new_image(docker, registry), project)
    result, error = failed(docker, write(project, f"FROM {base}\nCOPY src /app/src\n"), "--platform", "linux/s390x")
    assert (result.code, error.code, error.where) == (7, "SB710", "shop/Dockerfile:1")
    assert error.message == "The image cannot be built for linux/s390x."
    assert "no match for platform in manifest" in "\n".join(error.detail)


def test_a_program_for_another_platform(docker, project):
    """A step whose program is for another processor says that the platform is wrong, and names the line."""
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 183, 1) + bytes(40)  # the header says AArch64
    (project / "program").write_bytes(elf)
    (project / "program").chmod(0o755)
    text = 'FROM scratch\nCOPY src /app/src\nCOPY program /program\nRUN --network=none ["/program"]\n'
    result, error = failed(docker, write(project, text), "--platform", "linux/arm64")
    assert (result.code, error.code, error.where) == (7, "SB710", "shop/Dockerfile:4")
    assert error.message == "The image cannot be built for linux/arm64."
    assert "exec format error" in "\n".join(error.detail)


def test_a_platform_that_nothing_runs_on(docker, project):
    """A platform that the builder does not have is named; a word that is no platform is the user's mistake."""
    result, error = failed(docker, write(project, OWN), "--platform", "plan9/pdp11")
    assert (result.code, error.code) == (7, "SB710")
    assert error.message == "The image cannot be built for plan9/pdp11."
    result, error = failed(docker, project, "--platform", "nonsense")
    assert (result.code, error.code) == (2, "SB103")
    assert '"nonsense"' in error.message


@pytest.mark.parametrize("tag", ["Upper/Case", "a b", "https://registry/x", "x:-y"])
def test_a_tag_that_is_none(tag, docker, api, tmp_path):
    """A name that no image can have is refused before anything is fetched."""
    from support.native import code_component, native_project

    fetch = f"import urllib.request; urllib.request.urlopen({api.url + '/state'!r}).read()"
    project = native_project(tmp_path / "shop", code_component("one", fetch))
    result = bake(docker, project, "--tag", "good", "--tag", tag)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (2, "SB114", "--tag")
    assert repr(tag) in error.message
    assert api.count("/state") == 0


def test_a_builder_that_there_is_not(docker, project):
    """A builder that buildx does not know is named."""
    result, error = failed(docker, write(project, OWN), "--builder", "nobody")
    assert (result.code, error.code) == (2, "SB103")
    assert "nobody" in error.message


def test_a_build_argument(docker, new_image, project):
    """``--build-arg`` reaches the Dockerfile, with a value or with that of the environment."""
    tag = new_image(docker)
    write(project, f"{OWN}ARG ONE\nARG TWO\nLABEL one=$ONE two=$TWO\n")
    args = ("--no-refresh", "--tag", tag, "--build-arg", "ONE=1", "--build-arg", "TWO")
    [platform] = image_of(bake(docker, project, *args, env={"TWO": "2"}))["platforms"]
    assert (platform["labels"]["one"], platform["labels"]["two"]) == ("1", "2")
