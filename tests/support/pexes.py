"""PEX files in tests: baked by the real command, run where nothing else is, read without statebake's own code."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from support.cli import Result, run, statebake
from support.dagster import REPO

CACHE_ENV: dict[str, str | None] = {"STATEBAKE_CACHE_DIR": str(REPO / ".cache" / "test-bake")}
"""Resolved dependencies are kept from one run of the tests to the next."""
OFFLINE = ("unshare", "-rn")
"""Runs a command without a network, not even loopback; a test that uses it ``needs("namespaces")``."""
RECORD = ".statebake.json"
MANIFEST = "statebake-manifest.json"
STATE_DIR = ".local_defs_state"


def copy_example(name: str, target: Path) -> Path:
    """Copy ``examples/<name>`` as a clone has it (no state, caches or environments) and return ``target``."""
    left_out = shutil.ignore_patterns(
        "__pycache__", STATE_DIR, ".venv", "dist", "target", "logs", "*.sqlite", ".user.yml", "*.egg-info"
    )
    shutil.copytree(REPO / "examples" / name, target, ignore=left_out)
    return target


def bake(project: Path, output: Path, *args: str | Path, env: Mapping[str, str | None] | None = None) -> Result:
    """Run ``statebake bake pex --format json`` and return how it ended."""
    command = ("bake", "pex", "--project", project, "--output", output, "--format", "json", *args)
    return statebake(*command, cwd=project.parent, env={**CACHE_ENV, **(env or {})})


def run_pex(
    pex: Path,
    *args: str | Path,
    home: Path,
    env: Mapping[str, str | None] | None = None,
    prefix: tuple[str | Path, ...] = (),
    python: Path | None = None,
) -> Result:
    """Run a PEX from an empty directory under ``home``, with its caches there as well."""
    nowhere = home / "nowhere"
    nowhere.mkdir(parents=True, exist_ok=True)
    assert not any(nowhere.iterdir())
    own: dict[str, str | None] = {"HOME": str(home), "PEX_ROOT": str(home / "pex-root"), "PYTHONUTF8": "1"}
    return run([*prefix, python or sys.executable, pex, *args], cwd=nowhere, env={**own, **(env or {})})


def members(pex: Path) -> dict[str, bytes]:
    """Return every file in a PEX by name."""
    with zipfile.ZipFile(pex) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def pex_info(pex: Path) -> dict[str, Any]:
    """Return what ``PEX-INFO`` says."""
    with zipfile.ZipFile(pex) as archive:
        info: dict[str, Any] = json.loads(archive.read("PEX-INFO"))
        return info


def distributions(pex: Path) -> dict[str, str]:
    """Return the name and version of every distribution in a PEX, by the wheels that are really in it."""
    with zipfile.ZipFile(pex) as archive:
        wheels = {name.split("/")[1] for name in archive.namelist() if name.startswith(".deps/")} - {""}
    assert wheels == set(pex_info(pex)["distributions"])
    return {wheel.split("-")[0].lower(): wheel.split("-")[1] for wheel in sorted(wheels)}


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the digest of a key directory's files by relative path, as DESIGN.md defines it."""
    lines = b""
    for name in sorted(files, key=str.encode):
        if name != RECORD:
            shown = name.replace("\\", "\\\\")
            mark = "\\" if shown != name else ""
            lines += f"{mark}{hashlib.sha256(files[name]).hexdigest()}  {shown}\n".encode()
    return f"sha256:{hashlib.sha256(lines).hexdigest()}"


def digests(state: Mapping[str, bytes]) -> dict[str, str]:
    """Return the digest of each key directory, by its name; ``state``: the state directory's files by relative path."""
    keys: dict[str, dict[str, bytes]] = {}
    for name, content in state.items():
        directory, slash, rest = name.partition("/")
        if slash and directory != ".staging":
            keys.setdefault(directory, {})[rest] = content
    return {name: digest_of(files) for name, files in keys.items()}


def state_in(pex: Path) -> dict[str, bytes]:
    """Return the files of a PEX's only state directory, by path relative to it."""
    found = members(pex)
    [manifest] = [name for name in found if name.endswith(f"{STATE_DIR}/{MANIFEST}")]
    root = manifest.removesuffix(MANIFEST)
    return {name.removeprefix(root): content for name, content in found.items() if name.startswith(root)}


def rewrite(pex: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write a PEX anew with ``change`` applied to each file (``None`` leaves it out) and return ``target``."""
    with zipfile.ZipFile(pex) as source:
        prefix = pex.read_bytes()[: min(info.header_offset for info in source.infolist())]
    target.write_bytes(prefix)  # without its first line, a PEX does not take itself for one
    with zipfile.ZipFile(pex) as source, zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for info in source.infolist():
            content = change(info.filename, source.read(info))
            if content is not None:
                archive.writestr(info, content)
    return target


def write_zip(target: Path, *entries: tuple[str, str]) -> Path:
    """Write a zip file of these entries, doubles and all, and return it."""
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as archive:
        warnings.simplefilter("ignore")  # a name that comes twice
        for name, text in entries:
            archive.writestr(name, text)
    return target
