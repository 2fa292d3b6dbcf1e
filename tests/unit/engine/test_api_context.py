"""The build context that is sent through the engine's API."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from statebake.engine.api_builder import read_arguments, write_context
from statebake.engine.request import BuildRequest, named_secrets, secret_values
from support.trees import write_tree


def sent(context: Path, dockerfile: Path, excluded=lambda path: False):
    stream = io.BytesIO()
    name = write_context(stream, BuildRequest(context, dockerfile, "Dockerfile", excluded=excluded))
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        return name, {member.name: member for member in archive}


def test_the_context(tmp_path):
    """Everything that is not excluded is sent, as root's; links stay links."""
    context = write_tree(tmp_path / "context", {"Dockerfile": "FROM x", "a/b": "1", "a/out": "2"})
    (context / "link").symlink_to("a/b")
    name, members = sent(context, context / "Dockerfile", lambda path: path == "a/out")
    assert name == "Dockerfile"
    assert sorted(members) == ["Dockerfile", "a", "a/b", "link"]
    assert members["link"].issym()
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}


def test_a_dockerfile_elsewhere(tmp_path):
    """One that lies outside, or that is excluded, is sent under another name."""
    context = write_tree(tmp_path / "context", {"Dockerfile": "FROM x", "a": "1"})
    other = tmp_path / "other.Dockerfile"
    other.write_text("FROM y")
    name, members = sent(context, other)
    assert name in members
    assert name != "Dockerfile"
    name, members = sent(context, context / "Dockerfile", lambda path: path == "Dockerfile")
    assert name in members
    assert "Dockerfile" not in members


def test_secrets_that_are_redacted(tmp_path):
    """The values of build secrets count as secrets, whether they come from a file or a variable."""
    (tmp_path / "token").write_text("t0k3n-of-one-word\n")
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://me:pa55@host/simple\n")
    request = BuildRequest(
        tmp_path,
        tmp_path / "Dockerfile",
        "Dockerfile",
        secrets=("id=a,src=token", "id=b,src=pip.conf", "id=c,env=C", "id=D", "id=e,src=nowhere"),
    )
    found = secret_values(request, {"C": "c-value", "D": "d-value"})
    assert sorted(found.values()) == ["c-value", "d-value", "https://me:pa55@host/simple", "t0k3n-of-one-word"]


def test_secrets_of_a_netrc(tmp_path):
    """Of a .netrc the passwords are secret, whatever signs they have; of a build's secret people see the id."""
    text = "machine one login me password p4ss=w0rd:1\nmachine two\n  login me\n  password other-word\n"
    (tmp_path / "netrc").write_text(text)
    (tmp_path / "ini").write_text("user = me\npassword = third-word\n")
    given = ("id=netrc,src=netrc", "id=i,src=ini")
    request = BuildRequest(tmp_path, tmp_path / "Dockerfile", "Dockerfile", secrets=given)
    assert named_secrets(request, {}) == {
        "the build's netrc": "p4ss=w0rd:1",
        "the build's netrc 2": "other-word",
        "the build's i": "me",
        "the build's i 2": "third-word",
    }


def test_certificates_are_no_secret(tmp_path):
    """Of PEM only private keys are secret, whatever stands around the certificates; nothing runs over a line's end."""
    certificate = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUbGFiIQ=\n-----END CERTIFICATE-----\n"
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIGxhYg==\n-----END EC PRIVATE KEY-----"
    (tmp_path / "ca").write_text(f"# Issuer: CN=Lab\nSerial Number: 12\n{certificate}{certificate}")
    (tmp_path / "both").write_text(f"{key}\n{certificate}")
    (tmp_path / "ini").write_text("user =\npassword = third-word\n")
    given = ("id=ca,src=ca", "id=both,src=both", "id=ini,src=ini")
    request = BuildRequest(tmp_path, tmp_path / "Dockerfile", "Dockerfile", secrets=given)
    assert named_secrets(request, {}) == {"the build's both": key, "the build's ini": "third-word"}


def test_arguments_of_docker_build():
    """What the engine's own builder knows of the docker program's arguments is passed on; the rest is named."""
    assert read_arguments(["--network=host", "--target", "app", "--no-cache", "--pull"]) == (
        {"network_mode": "host", "target": "app", "nocache": True, "pull": True},
        [],
    )
    assert read_arguments(["--add-host", "a:1", "--network"]) == ({}, ["--add-host", "a:1", "--network"])
