"""Where the container engine is, found as the docker program finds it.

Sources: docker/cli, ``cli/command/cli.go`` (``resolveContextName``) and ``cli/context/store`` (the files of a context);
"Rootless mode" in Docker's manual. The environment is a mapping that is handed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from statebake.errors import Code, StatebakeError
from statebake.redact import redact

DEFAULT_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class TlsFiles:
    """What a TLS connection needs: paths, each of which may be missing, and whether the server's name is checked."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    verify: bool


@dataclass(frozen=True)
class Endpoint:
    """An engine's address.

    Attributes:
        host: ``unix:///…``, ``tcp://…``, ``ssh://…``.
        named_by: who says so, for messages: ``DOCKER_HOST``, ``the docker context "colima"``, ``the default``.
        tls: for ``tcp``, or ``None``.
        is_default: nobody named it.
    """

    host: str
    named_by: str
    tls: TlsFiles | None = None
    is_default: bool = False

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket, if it is one."""
        return self.host.removeprefix("unix://") if self.host.startswith("unix://") else None


def find_endpoint(env: Mapping[str, str]) -> Endpoint:
    """Return where the engine is: ``DOCKER_HOST``, ``DOCKER_CONTEXT``, the configured context, the default socket.

    Raises ``StatebakeError`` (``ENGINE_UNREACHABLE``) for a context that there is not.
    """
    if host := env.get("DOCKER_HOST"):
        return Endpoint(_normal(host), "DOCKER_HOST", _tls_of_environment(env))
    config = config_dir(env)
    if name := env.get("DOCKER_CONTEXT"):
        origin = f'the docker context "{name}" (DOCKER_CONTEXT)'
    elif name := _current_context(config / "config.json"):
        origin = f'the docker context "{name}" ({config / "config.json"})'
    if name and name != "default":
        return _of_context(config / "contexts", name, origin)
    rootless = Path(env.get("XDG_RUNTIME_DIR") or "/nowhere", "docker.sock")
    if not Path(DEFAULT_SOCKET).exists() and rootless.exists():
        return Endpoint(f"unix://{rootless}", "the default of rootless Docker", is_default=True)
    return Endpoint(f"unix://{DEFAULT_SOCKET}", "the default", is_default=True)


def config_dir(env: Mapping[str, str]) -> Path:
    """Return the directory with the docker program's ``config.json``."""
    if named := env.get("DOCKER_CONFIG"):
        return Path(named)
    return Path(env.get("HOME") or Path.home(), ".docker")


def with_endpoint(env: Mapping[str, str], endpoint: Endpoint) -> dict[str, str]:
    """Return the environment in which the docker program uses ``endpoint``, also where it would not find it."""
    result = dict(env)
    if endpoint.is_default and endpoint.socket != DEFAULT_SOCKET:
        result["DOCKER_HOST"] = endpoint.host
    return result


def unreachable(endpoint: Endpoint, why: str, env: Mapping[str, str], next_step: str = "docker info") -> StatebakeError:
    """Return the error that nothing answers at ``endpoint``."""
    return StatebakeError(
        Code.ENGINE_UNREACHABLE,
        redact(f"The container engine at {endpoint.host} (named by {endpoint.named_by}) does not answer: {why}.", env),
        next_step=next_step,
    )


def _normal(host: str) -> str:
    """Return ``DOCKER_HOST`` with a scheme, as docker reads it (``opts/hosts.go``)."""
    if host.startswith("/"):
        return f"unix://{host}"
    return host if "://" in host else f"tcp://{host}"


def _tls_of_environment(env: Mapping[str, str]) -> TlsFiles | None:
    verify = bool(env.get("DOCKER_TLS_VERIFY"))
    if not verify and not env.get("DOCKER_TLS"):
        return None
    return _tls_files(Path(env.get("DOCKER_CERT_PATH") or config_dir(env)), verify=verify)


def _tls_files(directory: Path, *, verify: bool) -> TlsFiles:
    ca, cert, key = (
        path if (path := directory / name).exists() else None for name in ("ca.pem", "cert.pem", "key.pem")
    )
    return TlsFiles(ca, cert, key, verify)


def _current_context(config: Path) -> str | None:
    try:
        name = json.loads(config.read_bytes()).get("currentContext")
    except (OSError, ValueError, AttributeError):
        return None  # the docker program tells what is wrong with its file
    return name if isinstance(name, str) else None


def _of_context(contexts: Path, name: str, origin: str) -> Endpoint:
    place = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta: Any = json.loads((contexts / "meta" / place / "meta.json").read_bytes())
        docker = meta["Endpoints"]["docker"]
        host = docker["Host"]
        if not isinstance(host, str):
            raise TypeError("its address is no text")
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = "there is no such context" if isinstance(error, FileNotFoundError) else "its file cannot be read"
        raise StatebakeError(
            Code.ENGINE_UNREACHABLE,
            f"The container engine is named by {origin}, and {why}.",
            where=str(contexts),
            next_step="docker context ls",
        ) from error
    files = contexts / "tls" / place / "docker"
    verify = not docker.get("SkipTLSVerify", False)
    tls = _tls_files(files, verify=verify) if host.startswith("tcp://") and files.is_dir() else None
    return Endpoint(_normal(host), origin, tls)
