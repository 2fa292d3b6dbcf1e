"""What went wrong in a build, as one error; no I/O. Everything that a tool said is read without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from statebake.engine.connection import full
from statebake.engine.events import BuildLog, Step
from statebake.errors import Code, StatebakeError
from statebake.redact import redact

SHOWN_LINES = 20
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_PLATFORM = re.compile(
    r"no match for platform in manifest|exec format error|does not match the specified platform"
    r"|multiple platforms feature is currently not supported|Multi-platform build is not supported"
    r"|no matching manifest for",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"cannot connect to the docker daemon|error during connect|connection refused|the docker daemon running"
    r"|rpc error: code = Unavailable|transport is closing|unexpected EOF|no active session|EOF$",
    re.IGNORECASE,
)
_BASE = re.compile(
    r"failed to resolve source metadata for (?P<image>\S+?):? |pull access denied for (?P<denied>[^\s,]+)"
    r"|manifest for (?P<manifest>\S+) not found|(?P<missing>\S+): not found$|failed to do request: "
    r"|repository does not exist|manifest unknown|failed to authorize|401 Unauthorized|no such host",
)
_USAGE = re.compile(
    r"unknown flag: |unknown shorthand flag|invalid argument .* for |failed to stat |could not find "
    r"|invalid tag |invalid reference format|target stage .* could not be found|no builder .* found"
    r"|failed to find builder|secret file .* too big|is not supported|failed to read dockerfile",
    re.IGNORECASE,
)
_METADATA_STEP = re.compile(r"load metadata for (\S+)|FROM (\S+)")


def build_error(log: BuildLog, env: Mapping[str, str], *, dockerfile: str, text: str = "") -> StatebakeError:
    """Return the error for a build that ended badly.

    ``dockerfile`` is how the user calls the Dockerfile, and ``text`` what is in it: older builders do not say at which
    line they failed.
    """
    words = redact(_last_words(log), env)
    step = log.failed[0] if log.failed else None
    lines = [redact(line, env) for line in log.output_of(step)] if step else []
    shown = "\n".join([*lines[-SHOWN_LINES:], words] if words not in lines else lines[-SHOWN_LINES:])
    everything = "\n".join([*lines, words])
    where = _where(log, step, dockerfile, text)
    if _FULL.search(everything):
        return full(shown)
    if _PLATFORM.search(everything):
        return StatebakeError(
            Code.WRONG_PLATFORM,
            "The image cannot be built for that platform.",
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
            next_step="mend that step, and run the command again",
        )
    if image := _base_image(step, words):
        return StatebakeError(
            Code.BASE_IMAGE,
            f"The base image {redact(image, env)} cannot be had.",
            where=where,
            detail=shown,
            next_step=f"docker pull {redact(image, env)}",
        )
    if step is None and _GONE.search(words):
        return StatebakeError(
            Code.ENGINE_UNREACHABLE,
            "The container engine went away during the build.",
            detail=shown,
            next_step="docker info",
        )
    if _USAGE.search(words):
        return StatebakeError(
            Code.BAD_SETTING,
            f"The builder does not accept what it was asked for: {_first_line(words)}",
            where=where if log.place else None,
            next_step="look at --secret, --build-arg, --platform, --builder and --docker-arg",
        )
    return StatebakeError(
        Code.BUILD_FAILED,
        f"The build failed: {_first_line(words)}",
        where=where if log.place else dockerfile,
        detail=shown,
        next_step="mend the Dockerfile, and run the command again",
    )


def _last_words(log: BuildLog) -> str:
    """Return the builder's own summary, without the log that it repeats."""
    for line in reversed(log.errors):
        if found := re.match(r"(?:ERROR|error): (?:failed to build: )?(?:failed to solve: )?(.*)", line):
            return found[1]
    if log.failed:
        return log.failed[1]
    return log.errors[-1].strip() if log.errors else "it printed nothing"


def _base_image(step: Step | None, words: str) -> str | None:
    found = _METADATA_STEP.match(step.name) if step else None
    if found:
        image = found[1] or found[2]
    elif match := _BASE.search(words):
        image = next((group for group in match.groups() if group), "")
    else:
        return None
    image = image.rstrip(":").removeprefix("docker.io/library/").removeprefix("docker.io/")
    return image or None


def _where(log: BuildLog, step: Step | None, dockerfile: str, text: str) -> str:
    if log.place:
        return f"{dockerfile}:{log.place[1]}"
    if step is not None:
        wanted = " ".join(step.name.split())
        for number, instruction in logical_lines(text):
            if _same(instruction, wanted):
                return f"{dockerfile}:{number}"
    return dockerfile


def _same(instruction: str, wanted: str) -> bool:
    from statebake.engine.progress import parse_step

    return parse_step(0, instruction).name == wanted


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
