"""What went wrong in a build, as one error; no I/O. Everything that a tool said is read without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from statebake.engine.connection import full
from statebake.engine.events import BuildLog, Step
from statebake.engine.progress import parse_step
from statebake.errors import Code, StatebakeError
from statebake.redact import redact

SHOWN_LINES = 20
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_PLATFORM = re.compile(
    r"no match for platform in manifest|exec format error|does not match the specified platform"
    r"|multiple platforms feature is currently not supported|Multi-platform build is not supported"
    r"|operating system is not supported"
    r"|no matching manifest for",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"cannot connect to the docker daemon|error during connect|connection refused|error reading from server"
    r"|(?:code = |^)Unavailable\b|transport is closing|no active session|client connection lost",
    re.IGNORECASE,
)
_REGISTRY = re.compile(r"failed to do request: ")  # it is the registry that does not answer
_BASE = re.compile(
    r"failed to resolve source metadata for (?P<image>\S+?):? |pull access denied for (?P<denied>[^\s,]+)"
    r"|manifest for (?P<manifest>\S+) not found|(?P<missing>\S+): not found$|failed to do request: "
    r"|repository does not exist|manifest unknown|failed to authorize|401 Unauthorized|no such host",
)
_USAGE = re.compile(r"target stage .* could not be found|exporter .* could not be found|is not supported by ")
_NO_SECRET = re.compile(r"secret (\S+?):? not found")
_NO_GIT = re.compile(r"Cannot find command 'git'|git: not found|No such file or directory: 'git'")
_NOISE = re.compile(r"See '|Learn more at |\s*$|Usage: ")
_REFUSED = re.compile(r"(?:ERROR: |error: |Error response from daemon: )?(.*)")
_INSIDE = re.compile(r"failed to compute cache key: (?:failed to calculate checksum of ref \S+: )?")
_SUMMARY = re.compile(
    r"(?:(?:ERROR|error): )?(?:failed to build: )?failed to solve(?: with frontend \S+)?: "
    r"(?:failed to create LLB definition: )?(.*)"
)
_PARSE_ERROR = re.compile(r"dockerfile parse error (?:on )?line (\d+)")
_METADATA_STEP = re.compile(r"load metadata for (\S+)|FROM (\S+)")


def build_error(
    log: BuildLog,
    env: Mapping[str, str],
    *,
    dockerfile: str,
    text: str = "",
    platforms: Sequence[str] = (),
    advice: str = "mend that step, and run the command again",
) -> StatebakeError:
    """Return the error for a build that ended badly.

    ``dockerfile`` is how the user calls the Dockerfile, and ``text`` what is in it: older builders do not say at which
    line they failed. ``platforms`` are those that were asked for, ``advice`` is what to do when a step fails.
    """
    words = redact(_last_words(log), env)
    step = log.failed[0] if log.failed else None
    lines = [redact(line, env) for line in log.output_of(step)] if step else []
    shown = "\n".join([*lines[-SHOWN_LINES:], *([] if words in lines else [words])])
    everything = "\n".join([*lines, words])
    line = _failed_line(log, step, words, text)
    where = f"{dockerfile}:{line}" if line else dockerfile
    if _GONE.search(words) and not _REGISTRY.search(words):
        return StatebakeError(
            Code.ENGINE_UNREACHABLE,
            "The container engine went away during the build.",
            detail=shown,
            next_step="docker info",
        )
    if _FULL.search(everything):
        return full(shown)
    if _PLATFORM.search(everything):
        asked = f" for {', '.join(platforms)}" if platforms else " for its platform"
        return StatebakeError(
            Code.WRONG_PLATFORM,
            f"The image cannot be built{asked}.",
            where=where,
            detail=shown,
            next_step="docker buildx ls shows which platforms the builders have",
        )
    if step is not None and step.is_instruction and not step.name.startswith("FROM "):
        return StatebakeError(
            Code.BUILD_FAILED,
            f"A step of the build failed: [{step.place}] {redact(step.name, env)}.",
            where=where,
            detail=shown,
            next_step=_known_advice(words, shown) or advice,
        )
    if image := redact(_base_image(step, words) or "", env):
        only = f" for {', '.join(platforms)}" if platforms else ""
        return StatebakeError(
            Code.BASE_IMAGE,
            f"The base image {image} cannot be had{only}.",
            where=where,
            detail=shown,
            next_step=f"docker pull {f'--platform {platforms[0]} ' if platforms else ''}{image}",
        )
    if (not log.steps and not line) or _USAGE.search(words):  # it was refused before anything ran
        return StatebakeError(
            Code.BAD_SETTING,
            f"The builder does not accept what it was asked for: {_first_line(words)}",
            where=where if line else None,
            next_step="look at --secret, --build-arg, --platform, --builder and --docker-arg",
        )
    return StatebakeError(
        Code.BUILD_FAILED,
        f"The build failed: {_first_line(words)}",
        where=where,
        detail=shown,
        next_step="mend the Dockerfile, and run the command again",
    )


def _known_advice(words: str, shown: str) -> str | None:
    if missing := _NO_SECRET.search(words):
        return f"give the secret: --secret id={missing[1]},src=FILE"
    if _NO_GIT.search(shown):
        return "a dependency comes from git: start from a base image that has git (docker.base_image)"
    return None


def _last_words(log: BuildLog) -> str:
    """Return the builder's own summary, without the log that it repeats."""
    for line in reversed(log.errors):
        if found := _SUMMARY.match(line):
            return _INSIDE.sub("", found[1])
    if log.failed:
        return log.failed[1]
    said = [line for line in log.errors if not _NOISE.match(line)]
    refused = [line for line in said if line.startswith(("ERROR: ", "error: ", "Error response"))]
    for line in [*refused, *reversed(said)]:
        if found := _REFUSED.match(line.strip()):
            return found[1]
    return "it printed nothing"


def _base_image(step: Step | None, words: str) -> str | None:
    found = _METADATA_STEP.match(step.name) if step else None
    match = _BASE.search(words)
    if found:
        image = found[1] or found[2]
    elif match:
        image = next((group for group in match.groups() if group), "")
    else:
        return None
    return image.rstrip(":").removeprefix("docker.io/library/").removeprefix("docker.io/") or None


def _failed_line(log: BuildLog, step: Step | None, words: str, text: str) -> int | None:
    """Return the line at which a build failed, where it is known; ``text`` is the Dockerfile."""
    if log.place:
        return log.place[1]
    if found := _PARSE_ERROR.search(words):
        return int(found[1])
    if step is None:
        return None
    image = _base_image(step, "")
    for number, instruction in logical_lines(text):
        is_from = image and re.match(rf"FROM\s(.*\s)?{re.escape(image)}(\s|$)", instruction, re.IGNORECASE)
        if is_from or parse_step(0, instruction).name == step.name:
            return number
    return None


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Return the instructions of a Dockerfile, each with the number of its first line (Dockerfile reference)."""
    found: list[tuple[int, str]] = []
    open_line: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start, before = open_line or (number, "")
        if line.endswith("\\"):
            open_line = (start, f"{before}{line[:-1]} ")
        else:
            found.append((start, f"{before}{line}"))
            open_line = None
    return found


def _first_line(words: str) -> str:
    return words.splitlines()[0].rstrip(".") + "." if words else "it said nothing."
