"""What CI gets: a workflow of GitHub, and a job of GitLab; no I/O.

Sources: https://docs.github.com/actions/reference/workflow-syntax-for-github-actions and
https://docs.gitlab.com/ci/yaml/.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from statebake.bake.dependency_source import DependencyKind
from statebake.bake.image.generated import seal
from statebake.bake.templates import render

_MARK = re.compile(r"\A# Made by statebake [^\n]*\n# sha256:[0-9a-f]+\n")
_BY_HAND = "statebake init; what is edited stays as it is"


@dataclass(frozen=True)
class CiJob:
    """What a job of CI does.

    Attributes:
        directory: where it is in the repository; empty where they are one.
        uv: whether uv is used.
        lock: what kind of file says what is installed, or none: only the project itself does.
        lock_path: where that file is, from the project's directory.
        python: the version of Python, such as ``3.12``.
        variables: the environment variables that components read.
        built: whether the project is built as a package.
        member: whether it is a member of a workspace of uv, which builds into the root's ``dist`` unless told another.
    """

    directory: str
    uv: bool
    lock: DependencyKind | None
    lock_path: str
    python: str
    variables: tuple[str, ...]
    built: bool
    member: bool = False

    @property
    def title(self) -> str:
        """What the job is called, and its file: of several projects in a repository, each has its own."""
        return f"statebake-{_name_of(self.directory)}" if self.directory else "statebake"


def _name_of(directory: str) -> str:
    """Return a name of a file that no other directory has: ``apps--north``; with a digest where it is not that easy."""
    if re.fullmatch(r"[A-Za-z0-9._/-]*", directory) and not re.search(r"--|-/|/-|-\Z|\A-", directory):
        return directory.replace("/", "--")
    digest = hashlib.sha256(directory.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._]+', '-', directory)}---{digest}"


def github_workflow(job: CiJob) -> str:
    """Return the text of a workflow, with the mark of a generated file."""
    return seal(render("github-workflow.yml", install=_install(job), **_values(job)), _BY_HAND)


def gitlab_job(job: CiJob, stage: str | None) -> str:
    """Return the text of a file to include, with the mark of a generated file; ``stage``: see ``gitlab.stage_of``."""
    first = ["pip install uv"] if job.uv else []
    return seal(render("gitlab-job.yml", install=[*first, *_install(job)], stage=stage, **_values(job)), _BY_HAND)


def without_mark(text: str) -> str:
    """Return a generated file without its mark, which has the version of statebake, and with the line ends of Unix."""
    return _MARK.sub("", text.replace("\r\n", "\n"))


def _values(job: CiJob) -> Mapping[str, Any]:
    prefix = f"{job.directory}/" if job.directory else ""
    return {
        "title": job.title,
        "directory": job.directory,
        "enter": f"cd {shlex.quote(job.directory)}",
        "prefix": prefix,
        "uv": job.uv,
        "python": job.python,
        "variables": job.variables,
        "statebake": "uvx statebake" if job.uv else "statebake",
        "build": _build(job) if job.built else None,
        "dist": f"{prefix}dist/",
        "artifact": "dist" if not job.directory else f"dist-{job.title.removeprefix('statebake-')}",
    }


def _build(job: CiJob) -> str:
    if not job.uv:
        return "python -m build"
    return "uv build --out-dir dist" if job.member else "uv build"


def _install(job: CiJob) -> list[str]:
    path = shlex.quote(job.lock_path)
    if job.uv:
        if job.lock in {DependencyKind.PYLOCK, DependencyKind.REQUIREMENTS}:
            return ["uv venv", f"uv pip install --requirement {path}"]
        return ["uv sync --locked" if job.lock is DependencyKind.UV_LOCK else "uv sync"]
    tools = "python -m pip install statebake build" if job.built else "python -m pip install statebake"
    if job.lock is DependencyKind.PEX_LOCK:
        return [f"{tools} pex", f"pex3 venv create --lock {path} --dir .venv"]
    if job.lock is DependencyKind.PYLOCK:  # which the pip of a new .venv does not read
        return [f"{tools} uv", "python -m venv .venv", f"uv pip install --requirement {path}"]
    project = f"--requirement {path}" if job.lock is DependencyKind.REQUIREMENTS else "--editable ."
    return ["python -m venv .venv", f".venv/bin/python -m pip install {project}", tools]
