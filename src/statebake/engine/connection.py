"""Connecting to the container engine, and what can go wrong with that, as three errors.

No exception of the HTTP libraries leaves this package.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from statebake.engine.endpoint import Endpoint, config_dir, unreachable
from statebake.errors import Code, StatebakeError
from statebake.redact import redact

if TYPE_CHECKING:
    from docker import APIClient

PING_S = 5.0
PING_SSH_S = 20.0
ANSWER_S = 600.0
"""The longest that an engine may be silent while it works: it says nothing while it removes or commits."""
_OLDEST_API = "1.24"


def connect(endpoint: Endpoint, env: Mapping[str, str]) -> APIClient:
    """Return a client of the engine at ``endpoint``, which has answered.

    Raises ``StatebakeError``: ``ENGINE_MISSING``, ``ENGINE_UNREACHABLE`` or ``ENGINE_DENIED``, after a few seconds at
    the latest.
    """
    if endpoint.socket is not None:
        _probe(endpoint, env)
    with engine_errors(endpoint, env, connecting=True):
        seconds = PING_SSH_S if _is_ssh(endpoint) else PING_S
        with contextlib.closing(_client(endpoint, env, _OLDEST_API, seconds)) as pinging:
            try:
                version = pinging.version(api_version=False)
            except OSError as error:
                if _is_ssh(endpoint) and (words := _ssh_says(pinging)):
                    raise unreachable(endpoint, redact(words, env), env) from error
                raise
        client = _client(endpoint, env, version["ApiVersion"], ANSWER_S)
        with contextlib.suppress(OSError):
            config = config_dir(env) / "config.json"
            if config.exists():  # left to itself the library would look at this process's environment
                client.reload_config(str(config))
        return client


@contextlib.contextmanager
def engine_errors(endpoint: Endpoint, env: Mapping[str, str], *, connecting: bool = False) -> Iterator[None]:
    """Turn what talking to the engine can raise into a ``StatebakeError``."""
    import requests
    import urllib3
    from docker.errors import APIError, DockerException

    try:
        yield
    except APIError as error:
        words = redact(str(error.explanation or error), env)
        if "no space left" in words:
            raise full(words) from error
        raise StatebakeError(
            Code.ENGINE_UNREACHABLE,
            f"The container engine could not do what it was asked for: {words}",
            where=endpoint.host,
            next_step="docker info",
        ) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError) as error:
        cause = _system_error(error)
        if cause is not None and cause.errno in {errno.EACCES, errno.EPERM}:
            raise denied(endpoint, env) from error
        why = _why(error, cause, PING_S if connecting else ANSWER_S)
        raise unreachable(endpoint, redact(why, env), env, _start(endpoint)) from error
    except (ValueError, KeyError, TypeError) as error:
        if not connecting:
            raise
        raise unreachable(endpoint, "what answers there is no container engine", env) from error


def denied(endpoint: Endpoint, env: Mapping[str, str]) -> StatebakeError:
    """Return the error that this user may not open the engine's socket."""
    return StatebakeError(
        Code.ENGINE_DENIED,
        redact(f"This user may not use the container engine at {endpoint.host} (named by {endpoint.named_by}).", env),
        where=endpoint.socket,
        next_step='sudo usermod -aG docker "$USER", and log in again',
    )


def full(words: str) -> StatebakeError:
    """Return the error that the engine has no space left, with its words."""
    return StatebakeError(
        Code.ENGINE_FULL,
        "The container engine has no space left.",
        detail=words,
        next_step="docker system df; docker buildx prune",
    )


def _probe(endpoint: Endpoint, env: Mapping[str, str]) -> None:
    """Open and close the socket: the system's own error says more than what a library makes of it."""
    assert endpoint.socket is not None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PING_S)
            probe.connect(endpoint.socket)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise denied(endpoint, env) from error
        if error.errno == errno.ENOENT and endpoint.is_default and not shutil.which("docker", path=env.get("PATH", "")):
            raise StatebakeError(
                Code.ENGINE_MISSING,
                f"There is no container engine: no docker program, and nothing at {endpoint.socket}.",
                next_step="install Docker Engine, or say where an engine is: export DOCKER_HOST=ssh://HOST",
            ) from error
        why = {
            errno.ENOENT: "there is no such socket",
            errno.ECONNREFUSED: "nobody listens there",
            errno.ENOTSOCK: "it is no socket",
        }.get(error.errno or 0, str(error.strerror or error))
        raise unreachable(endpoint, why, env, _start(endpoint)) from error


def _start(endpoint: Endpoint) -> str:
    return "docker info, or start it: sudo systemctl start docker" if endpoint.is_default else "docker info"


def _client(endpoint: Endpoint, env: Mapping[str, str], version: str, timeout: float) -> APIClient:
    try:
        return _new_client(endpoint, env, version, timeout)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # what the library makes of a file that is odd
        raise StatebakeError(
            Code.BAD_SETTING,
            f"The configuration of docker cannot be used: {redact(str(error), env)}.",
            where=str(config_dir(env) / "config.json"),
            next_step="correct the file, or name another directory: export DOCKER_CONFIG=DIR",
        ) from error


def _new_client(endpoint: Endpoint, env: Mapping[str, str], version: str, timeout: float) -> APIClient:
    import docker
    from docker.tls import TLSConfig

    if _is_ssh(endpoint):
        from statebake.engine.ssh import SshAdapter

        client = docker.APIClient(base_url="unix:///ssh", version=version, timeout=int(timeout))
        client.mount("http+docker://", SshAdapter(endpoint.host, env, timeout))
        return client
    files, tls = endpoint.tls, None
    if files:
        tls = TLSConfig(
            client_cert=(str(files.cert), str(files.key)) if files.cert and files.key else None,
            ca_cert=str(files.ca) if files.ca else None,
            verify=files.verify,
        )
    return docker.APIClient(
        base_url=endpoint.host, version=version, timeout=int(timeout), tls=tls or False, credstore_env=dict(env)
    )


def _is_ssh(endpoint: Endpoint) -> bool:
    return endpoint.host.startswith("ssh://")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from or wraps: the libraries put causes among the arguments."""
    seen: list[BaseException] = []
    left = [error]
    while left:
        found = left.pop(0)
        if any(found is other for other in seen):
            continue
        seen.append(found)
        yield found
        inner = [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
        left.extend(item for item in inner if isinstance(item, BaseException))


def _system_error(error: BaseException) -> OSError | None:
    import requests

    for found in _chain(error):
        if isinstance(found, OSError) and not isinstance(found, requests.RequestException) and found.errno:
            return found
    return None


def _why(error: BaseException, cause: OSError | None, seconds: float) -> str:
    import ssl

    for found in _chain(error):
        if isinstance(found, ssl.SSLError):
            return f"TLS: {found.reason or found}"
        if isinstance(found, TimeoutError) or "Timeout" in type(found).__name__:
            return f"no answer within {seconds:.0f} s"
    if cause is not None:
        return (cause.strerror or str(cause)).rstrip(".")
    if any(type(found).__name__ in {"BadStatusLine", "RemoteDisconnected"} for found in _chain(error)):
        return "what answers there is no container engine"
    return str(error).rstrip(".")


def _ssh_says(client: APIClient) -> str:
    from statebake.engine.ssh import SshAdapter

    adapter = client.get_adapter("http+docker://ssh")
    return adapter.last_words() if isinstance(adapter, SshAdapter) else ""
