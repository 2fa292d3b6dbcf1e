"""From what a search came across to findings: what is allowed, how grave it is, and what to do about it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from statebake.config import SecretSettings
from statebake.errors import Code
from statebake.hygiene.search import Hit
from statebake.hygiene.unwanted import unwanted_root
from statebake.model.finding import Finding, Severity
from statebake.model.patterns import matches

LOCAL_PATH, STAGING_PATH = "local-path", "staging-path"
"""The rules of paths of this machine: of the project or a home, and of the place that state is fetched to."""
# dbt writes where a seed lies into its manifest, whatever one does, and looks for it where the project is.
_WRITTEN_BY_DBT = ("/target/manifest.json", "/target/partial_parse.msgpack")
_MOST_FILES = 20
_SCRUBBED = re.compile(r"(?:^|/)(?:\.gitmodules|\.git/(?:[^!]*/)?(?:config|FETCH_HEAD|packed-refs|logs/[^!]*))$")


@dataclass(frozen=True)
class Place:
    """Of what a file is part, for the findings about it.

    Attributes:
        key: the key whose state it is in; ``None``: it is no state.
        path: how it is called there: relative to the key directory, or to the artifact.
        where: what the finding points at.
        settings: what holds for it.
        label: what comes before the path in a message: ``layer 3, ``.
        in_key: its path relative to the key directory, where that is another one.
    """

    key: str | None
    path: str
    where: str
    settings: SecretSettings
    label: str = ""
    in_key: str = ""


def judge(
    hits: Iterable[Hit], place_of: Callable[[str], Place], *, mend: str, scrub: str | None = None
) -> tuple[Finding, ...]:
    """Return what ``hits`` come to: a finding for each file and kind, errors first.

    ``place_of`` tells where a file is by a hit's path. ``mend`` is what to do about a secret, ``scrub`` about one that
    git wrote. Of one kind that is in very many files the first are told of, and how many there are.
    """
    groups: dict[tuple[Code, str, str | None, str], list[tuple[Hit, Place]]] = {}
    for hit in hits:
        place = place_of(hit.path)
        code = _code(hit)
        path = unwanted_root(place.path) if code is Code.UNWANTED_FILE else place.path
        if hit.rule == LOCAL_PATH and f"/{place.path}".endswith(_WRITTEN_BY_DBT):
            continue
        names = (hit.rule, place.path, place.in_key, path)
        if place.settings.mode != "off" and not _is_allowed(place.settings.allow, names):
            groups.setdefault((code, hit.rule, place.key, path), []).append((hit, place))
    findings = []
    for (code, _, _, path), group in groups.items():
        step = scrub if scrub and _SCRUBBED.search(path) else mend
        findings.append(_finding(code, path, [hit for hit, _ in group], group[0][1], step))
    return tuple(sorted(_shortened(findings), key=lambda item: item.severity is Severity.WARNING))


def _code(hit: Hit) -> Code:
    if hit.offset is None:
        return Code.UNWANTED_FILE
    if hit.rule in {LOCAL_PATH, STAGING_PATH}:
        return Code.LOCAL_PATH
    return Code.LEAKED_CREDENTIAL if hit.name is None else Code.LEAKED_VALUE


def _is_allowed(allow: Sequence[str], names: Sequence[str]) -> bool:
    return any(matches(pattern, name) for pattern in allow for name in names if name)


def _finding(code: Code, path: str, hits: Sequence[Hit], place: Place, mend: str) -> Finding:
    severity = Severity.ERROR if place.settings.mode == "error" else Severity.WARNING
    if code in {Code.UNWANTED_FILE, Code.LOCAL_PATH}:
        severity = Severity.WARNING
    if code is Code.UNWANTED_FILE:
        message = f"{place.label}{path} is {hits[0].what}, which should not ship."
    else:
        more = f" and in {len(hits) - 1} more places of it" if len(hits) > 1 else ""
        message = f"{place.label}{path} has {hits[0].what}, at byte {hits[0].offset}{more}."
    rule = shlex.quote(hits[0].rule)
    next_step = f"{mend}; if it is no secret: --allow-secret {rule}"
    if code is Code.UNWANTED_FILE:
        in_state = "`exclude`" if "/.git/" in f"/{path}" else "`exclude` or --scrub"  # which keeps git's checkouts
        how = in_state if place.key else "the packaging settings of its project, or .dockerignore"
        next_step = f"leave it out with {how}, or allow it by its path in secrets.allow"
    elif code is Code.LOCAL_PATH:
        next_step = f"have the component write relative paths, or allow it: --allow-secret {rule}"
    return Finding(code, severity, place.key, message, place.where, next_step)


def _shortened(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings, but of one kind and key only so many, and then how many there are."""
    counts: dict[tuple[Code, Severity, str | None], int] = {}
    for finding in findings:
        kind = finding.code, finding.severity, finding.key
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= _MOST_FILES:
            yield finding
    for (code, severity, key), count in counts.items():
        if count > _MOST_FILES:
            message = f"{count - _MOST_FILES} more files have the same, {count} in all."
            yield Finding(code, severity, key, message, None, None)
