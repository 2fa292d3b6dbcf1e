"""Images in tests: baked by the real command, run sealed, and looked at through the engine alone."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.cli import Result, statebake
from support.engine import Docker
from support.native import component, native_project, state_dir

BASE = "python:3.11-slim"
SEALED = ("--network", "none", "--read-only", "--user", "1000")
"""How an image runs that may neither fetch nor write anything."""
OWN = "FROM scratch\nCOPY src /app/src\n"
"""A Dockerfile that statebake did not make, and that costs nothing to build."""


def index_flags(docker: Docker) -> tuple[str, ...]:
    """Return what a generated Dockerfile needs here: the base image there is, the network, the package index."""
    return (
        *("--base-image", BASE, "--docker-arg=--network=host"),
        *("--secret", f"id=pip_conf,src={docker.pip_conf}"),
    )


def bake(
    docker: Docker,
    project: Path,
    *args: str | Path,
    env: Mapping[str, str | None] | None = None,
    shown: str = "json",
) -> Result:
    """Run ``statebake bake docker`` (``shown``: its ``--format``) and return how it ended."""
    command = ("bake", "docker", "--project", project, "--format", shown, *args)
    return statebake(*command, cwd=project.parent, env=docker.env(**(env or {})))


def image_of(result: Result) -> dict[str, Any]:
    """Return what the JSON of a bake that went well tells of its image."""
    found: dict[str, Any] = result.ok().json["projects"][0]["image"]
    return found


def own_project(root: Path, dockerfile: str = OWN, *defs: str) -> Path:
    """Write a native project with its state and a Dockerfile of its user's, and return it."""
    project = native_project(root, "---\n".join(defs or (component("one"), component("two"))))
    (project / "Dockerfile").write_text(dockerfile)
    statebake("refresh", cwd=project).ok()
    assert state_dir(project).is_dir()
    return project


def image_id(docker: Docker, image: str) -> str | None:
    """Return the id of the image that has this name, or ``None``."""
    found = docker.run("image", "inspect", "--format", "{{.Id}}", image)
    return found.out.strip() if found.code == 0 else None


def diff_ids(docker: Docker, image: str) -> list[str]:
    """Return the digests of an image's layers, unpacked, the lowest first."""
    found: list[str] = json.loads(docker.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).ok().out)
    return found


def everything_of(docker: Docker, image: str, scratch: Path) -> bytes:
    """Return every byte of an image: its layers, packed and unpacked, its history and its configuration."""
    docker.run("save", "--output", scratch, image).ok()
    found = [
        docker.run("history", "--no-trunc", "--format", "{{json .}}", image).ok().out.encode(),
        docker.run("image", "inspect", image).ok().out.encode(),
    ]
    with tarfile.open(scratch) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                data = content.read()
                found += [data, gzip.decompress(data)] if data.startswith(b"\x1f\x8b") else [data]
    scratch.unlink()
    return b"\0".join(found)
