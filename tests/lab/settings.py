"""How this machine reaches its package index, rendered for builds: as secrets, never as a part of an image."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from lab.places import LabError, running, write

# Names that tests give to images begin with this. What a killed run has left of them goes at the next start.
OF_TESTS = "statebake-test"

# Where base images have the CA certificates of this machine.
IN_IMAGE_CA = "/etc/ssl/certs/ca-certificates.crt"
_URLS = ("index-url", "extra-index-url", "find-links")
_KEPT = (*_URLS, "proxy", "timeout", "trusted-host")
_PROXIES = {"httpProxy": "http_proxy", "httpsProxy": "https_proxy", "noProxy": "no_proxy"}


def ca_bundle() -> Path:
    """Return the file of CA certificates that this machine trusts."""
    for name in ("SSL_CERT_FILE", "PIP_CERT"):
        if value := os.environ.get(name):
            return Path(value)
    path = Path(IN_IMAGE_CA)
    if not path.exists():
        raise LabError(f"no {path}: apt-get install ca-certificates, or set SSL_CERT_FILE")
    return path


def pip_conf() -> Path:
    """Render what pip is told here (in files and ``PIP_*``) as a pip.conf for builds, and return its path.

    What names a path of this machine is left out: a build does not see it.
    """
    lines = [f"{name} = {' '.join(values)}" for name, values in _pip().items()]
    return _rendered("pip.conf", ["[global]", f"cert = {IN_IMAGE_CA}", *lines])


def uv_toml() -> Path:
    """Render the same for uv, which does not read pip.conf, and return its path.

    CA certificates are not among it: the setting has changed its name, so base images name them in ``SSL_CERT_FILE``.
    """
    pip = _pip()
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or "".join(pip.get("index-url", ()))
    lines = []
    if index:
        lines.append(f"index-url = {json.dumps(index)}")
    names = {"extra-index-url": "extra-index-url", "find-links": "find-links", "trusted-host": "allow-insecure-host"}
    lines += [f"{ours} = {json.dumps(pip[theirs])}" for theirs, ours in names.items() if pip.get(theirs)]
    return _rendered("uv.toml", lines)


def environment() -> dict[str, str]:
    """Return where the rendered files are, for tests."""
    return {"STATEBAKE_TEST_PIP_CONF": str(pip_conf()), "STATEBAKE_TEST_UV_TOML": str(uv_toml())}


def docker_config() -> str:
    """Return the ``config.json`` of a Docker CLI: builds get the proxies that this process has."""
    env = {name.lower(): value for name, value in os.environ.items()}
    proxies = {theirs: env[ours] for theirs, ours in _PROXIES.items() if env.get(ours)}
    return json.dumps({"proxies": {"default": proxies}} if proxies else {})


def _rendered(name: str, lines: list[str]) -> Path:
    return write(running() / "settings" / name, "\n".join(lines) + "\n", 0o600)


def _pip() -> dict[str, list[str]]:
    """Return the settings of pip that a build can use; those of the environment come last, and win."""
    argv = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    found: dict[str, list[str]] = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:.")):
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        name = name.removeprefix("default-")  # PIP_DEFAULT_TIMEOUT
        if section in ("global", "install", ":env:") and name in _KEPT:
            values = str(ast.literal_eval(value)).split()
            found[name] = [item for item in values if name not in _URLS or item.startswith(("http:", "https:"))]
    return {name: values for name, values in found.items() if values}
