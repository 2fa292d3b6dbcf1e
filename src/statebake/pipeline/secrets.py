"""What a project's state and artifacts are searched for: the secrets at hand, and paths of this machine."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from statebake.config import Project, Settings
from statebake.hygiene import LOCAL_PATH, STAGING_PATH, Literal, Searcher, SecretsAtHand, secrets_at_hand, unwanted
from statebake.hygiene.parts import has_credentials
from statebake.model.keys import STAGING_NAME, STATE_DIR_NAME
from statebake.pipeline.hidden import dotenv

# Dagster's EnvVar, and what templates of components may write: {{ env.NAME }}, {{ env('NAME') }}, {{ env["NAME"] }}.
_READ = re.compile(rb"""(?:\bEnvVar(?:\.int)?\(\s*["']|\benv\.|\benv\(\s*["']|\benv\[\s*["'])([A-Za-z_]\w*)""")
# What such a variable's name may end with that is no secret, and may well be a part of the state.
_NO_SECRET = re.compile(
    r"(?:^|_)(?:ID|NAME|URL|URI|HOST|HOSTNAME|PORT|ACCOUNT|WORKSPACE|SITE|PROJECT|REGION|SCHEMA|DATABASE|DB|WAREHOUSE|"
    r"USER|USERNAME|EMAIL|DOMAIN|ROLE|PATH|DIR|FILE|ENV|ENVIRONMENT|TARGET|VERSION|BRANCH|ORG|ORGANIZATION|TEAM)$",
    re.IGNORECASE,
)
_SOURCES = (".py", ".yaml", ".yml")
_NO_SOURCES = frozenset({"node_modules", "site-packages", "dbt_packages", "target", "dist", "build", STATE_DIR_NAME})
_LARGEST_SOURCE = 1 << 20
_MOST_SOURCES = 20_000
_SHORTEST_PATH = 8
_SHORTEST_HOME = 5  # /root
_FETCHED_TO = "the path that it was fetched to"


def secrets_of(
    project: Project, settings: Settings, env: Mapping[str, str], *, given: Mapping[str, str] | None = None
) -> SecretsAtHand:
    """Return the secrets that a project's state must not have in it.

    They are values of ``env`` and of the project's ``.env``: of variables whose names say so, or match
    ``secrets.names``, or that its components read; of build arguments; and what a build is ``given``, by any names.
    """
    arguments = dict(item.partition("=")[::2] for item in settings.docker.build_args if "=" in item)
    own = dotenv(project.directory / ".env")
    # Of a variable that has two values both are secret.
    others = {f".env's {name}": value for name, value in own.items() if env.get(name, value) != value}
    known = {**own, **env, **others, **arguments, **(given or {})}
    read = read_variables(project.directory, known) | frozenset(given or ())
    return secrets_at_hand(known, names=settings.secrets.names, read=read)


def read_variables(directory: Path, known: Mapping[str, str]) -> frozenset[str]:
    """Return which of the variables ``known``, by their values, a project's components read and may be secret."""
    found = {name for text in _sources(directory) for name in _READ.findall(text)}
    names = {name.decode() for name in found} & known.keys()
    return frozenset(name for name in names if not _NO_SECRET.search(name) or has_credentials(known[name].strip()))


def state_searcher(project: Project, state_dir: Path, at_hand: SecretsAtHand, env: Mapping[str, str]) -> Searcher:
    """Return what searches the state of a project that is in ``state_dir``, also for paths of this machine."""
    literals = [_literal(state_dir / STAGING_NAME, STAGING_PATH, _FETCHED_TO), *_paths_here(project, env)]
    return Searcher(at_hand.secrets, literals=literals, judge_name=unwanted)


def paths_in_artifacts(project: Project | None, env: Mapping[str, str]) -> list[Literal]:
    """Return the paths that state in an artifact must not have in it: of where it was fetched to, and of this machine.

    ``project``: the one that it was made of; ``None``: it is not at hand.
    """
    return [_literal(Path("/", STATE_DIR_NAME, STAGING_NAME), STAGING_PATH, _FETCHED_TO), *_paths_here(project, env)]


def _paths_here(project: Project | None, env: Mapping[str, str]) -> Iterator[Literal]:
    if project is not None and len(str(project.directory)) >= _SHORTEST_PATH:
        yield _literal(project.directory, LOCAL_PATH, "a path of the project on this machine")
    if len(home := env.get("HOME", "").rstrip("/")) >= _SHORTEST_HOME:
        yield _literal(home, LOCAL_PATH, "a path of this user's home directory")


def _literal(place: Path | str, rule: str, what: str) -> Literal:
    return Literal(os.fsencode(f"{place}/"), rule, what)


def _sources(directory: Path) -> Iterator[bytes]:
    """Yield what is in the files that declare components or are code of the project.

    Links are not followed, and what cannot be read is left out.
    """
    count = 0
    for parent, names, files in os.walk(directory):
        names[:] = [name for name in names if not name.startswith(".") and name not in _NO_SOURCES]
        if "pyvenv.cfg" in files:
            names.clear()
        for path in (Path(parent, name) for name in files if name.endswith(_SOURCES)):
            try:
                status = path.lstat()
                if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_SOURCE:
                    continue
                text = path.read_bytes()
            except OSError:
                continue
            count += 1
            if count > _MOST_SOURCES:
                return
            yield text
