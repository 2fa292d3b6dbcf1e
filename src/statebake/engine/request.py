"""What is asked of a builder, and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from statebake.errors import Code, StatebakeError

_OWN = {
    *("-t", "--tag", "-f", "--file", "-o", "--output", "--push", "--load", "--iidfile", "--metadata-file"),
    *("-q", "--quiet", "--progress", "--print", "--call", "--check", "-h", "--help"),
    *("--platform", "--builder"),  # what is not known to be built is not proved
}
# RFC 7468, section 2: certificates and public keys are for everybody.
_PEM_BEGINS = re.compile(r"^-----BEGIN ", re.MULTILINE)
_PRIVATE_KEY = re.compile(r"(?ms)^-----BEGIN ([A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?-----END \1-----")
_LONGEST_SECRET = 500 << 10  # BuildKit takes no longer ones
Output = Literal["engine", "layout", "registry"]


@dataclass(frozen=True)
class BuildRequest:
    """A build.

    Attributes:
        context: the directory that is sent.
        dockerfile: the Dockerfile, which may lie outside of the context. BuildKit reads ``<name>.dockerignore`` beside
            it rather than the context's ``.dockerignore``.
        shown: what to call the Dockerfile in messages.
        output: ``engine``: the image is in the engine afterwards; ``layout``: it is in the file ``layout``, a tar
            archive of an OCI image layout; ``registry``: it is pushed with its ``tags``.
        layout: that file.
        tags: its names; none for an image that is to be proved before it gets the names of another one.
        platforms: ``linux/amd64``; none for the builder's own.
        secrets: ``id=…,src=…``, as ``docker build --secret`` takes them.
        build_args: ``NAME=value``, or ``NAME`` for the environment's value.
        labels: further labels.
        args: further arguments for ``docker build``, as they are.
        excluded: whether a path of the context is not sent, for builders that leave that to us.
        advice: what to do when a step fails.
        directory: what relative paths in ``secrets`` and ``args`` start from; ``None`` for the context.
    """

    context: Path
    dockerfile: Path
    shown: str
    output: Output = "engine"
    layout: Path | None = None
    tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    build_args: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    excluded: Callable[[str], bool] = lambda _: False
    advice: str = "mend that step, and run the command again"
    directory: Path | None = None

    def text(self) -> str:
        """Return what is in the Dockerfile; raises ``StatebakeError`` (``BAD_SETTING``) where that cannot be read."""
        try:
            return self.dockerfile.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The Dockerfile cannot be read: {error.strerror}.",
                where=self.shown,
                next_step="statebake dockerfile",
            ) from error


@dataclass(frozen=True)
class BuiltImage:
    """What a build made.

    Attributes:
        id: the engine's identifier of the image, or the digest that the builder calls it by.
        digest: the digest of its manifest or index, where there is one already.
        metadata: what ``docker buildx build --metadata-file`` wrote.
        cached: how many instructions came from the cache, and ``ran`` how many were run.
        sent: the bytes of the build context that the builder took, as it tells; ``None``: it did not.
    """

    id: str
    digest: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cached: int = 0
    ran: int = 0
    sent: int | None = None


def secret_values(request: BuildRequest, env: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of a request as variables, so that they are redacted like those of the environment."""
    return {
        f"SECRET_{number}_{n}": value
        for number, secret in enumerate(request.secrets)
        for n, value in enumerate(_secret(request, secret, env)[1])
    }


def named_secrets(request: BuildRequest, env: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of a request by names for people: ``the build's pip_conf``, and 2, 3 after it for more."""
    found: dict[str, str] = {}
    for name, values in (_secret(request, secret, env) for secret in request.secrets):
        for number, value in enumerate(values, 1):
            found[f"the build's {name}" if number == 1 else f"the build's {name} {number}"] = value
    return found


def _secret(request: BuildRequest, secret: str, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the id of a secret, and what is secret in it."""
    fields = dict(item.partition("=")[::2] for item in secret.split(","))
    source = fields.get("src") or fields.get("source")
    variable = fields.get("env") or (None if source else fields.get("id"))
    name = fields.get("id") or "secret"
    if variable and variable in env:
        return name, [env[variable]]
    return name, _values(request.directory or request.context, source) if source else []


def _values(directory: Path, source: str) -> list[str]:
    """Return what is secret in a file: all of it where it is one word, else what stands behind ``=`` or ``:``.

    Of a ``.netrc`` that is what stands behind ``password``, of PEM the private keys.
    """
    try:
        text = (directory / source).expanduser().read_bytes()[:_LONGEST_SECRET].decode("utf-8", "replace")
    except OSError:
        return []  # the builder tells what is wrong with it
    if len(text.split()) == 1:
        return [text.strip()]
    if _PEM_BEGINS.search(text):
        return [match[0] for match in _PRIVATE_KEY.finditer(text)]
    found = re.finditer(r"[=:][^\S\n]*(\S.*)|\bpassword\s+([^\s=:]\S*)", text)
    return [(match[1] or match[2]).strip() for match in found]


def must_be_others(args: Sequence[str]) -> None:
    """Raise ``BAD_SETTING`` for an argument of ``docker build`` by which an image would get away unproved, or none."""
    for argument in args:
        name = argument[:2] if re.match(r"-[a-z]", argument) else argument.partition("=")[0]
        if name in _OWN:
            raise StatebakeError(
                Code.BAD_SETTING,
                f"The argument {name} is statebake's own to give: no image gets a name, or goes anywhere, unproved.",
                where="docker.args",
                next_step="take it out; what statebake has for it: statebake bake docker --help",
            )


def cannot(what: str, builder: str, next_step: str) -> StatebakeError:
    """Return the error that a builder cannot do what is asked for."""
    return StatebakeError(Code.BAD_SETTING, f"{builder} cannot build with {what}.", next_step=next_step)
