"""The one table of all settings.

The command line, ``statebake config`` and ``docs/configuration.md`` are made from, or compared with,
``SETTINGS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from statebake.config.settings import DEFAULT_JOBS, DEFAULT_PORT, DEFAULT_RETRIES, DEFAULT_USER

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What a setting's value may be. The text is what error messages and the documentation call it."""

    HOST = "`dagster` or `native`"
    MODULE = "module name"
    ENTRY_POINT = "`module`, `module:function` or `-m module`"
    PROGRAM = "path, or command on PATH"
    PATH = "path"
    COUNT = "whole number, 1 or more"
    NATURAL = "whole number, 0 or more"
    DURATION = "duration such as `90s`, `15m`, `2h`, `1d`"
    AGE = "duration such as `90s`, `15m`, `2h`, `1d`, or `0s`"
    SIZE = "size such as `500B`, `20kB`, `2GB`, `1GiB`"
    SHARE = "percentage such as `20%`"
    FAILURE_POLICY = "`fail` or `stale`"
    ISOLATION = "`fork` or `spawn`"
    SECRETS_MODE = "`error`, `warn` or `off`"
    SWITCH = "`true` or `false`"
    VERIFICATION = "`truth` or `sealed`"
    BUILDER_COMPAT = "`buildkit`, `docker-20.10`, `buildah` or `classic`"
    CODE = "`auto`, `wheel` or `files`"
    ON_BUILD = "`refresh`, `check` or `off`"
    BACKEND = "`module` or `module:object`"
    TEXT = "string"
    PORT = "port number, 1 to 65535"
    STRATEGIES = "list of `LOCAL_FILESYSTEM`, `VERSIONED_STATE_STORAGE`, `LEGACY_CODE_SERVER_SNAPSHOTS`"
    TEXTS = "list of strings"
    PLATFORMS = "list of platforms such as `linux/arm64`, by commas or one by one"
    ARGUMENTS = "list of arguments"
    PEX_OPTIONS = "list of options of `pex`"

    @property
    def is_list(self) -> bool:
        """Whether a value has several items, so that its flag can be given several times."""
        return self in {Kind.STRATEGIES, Kind.TEXTS, Kind.PLATFORMS, Kind.ARGUMENTS, Kind.PEX_OPTIONS}


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: its key under ``[tool.statebake]``; a dot stands for a table (``pex.output``).
        type: what its value may be.
        default: the value where nobody sets it; ``None`` where it is detected or decided later.
        help: what it means, one or two sentences of Markdown.
        flag: its option on the command line.
        default_help: what a ``None`` default comes to, in words.
        alias: another spelling of its key that files may have.
        per_key: whether it can be set for some keys only, in ``[tool.statebake.keys."PATTERN"]``; under its own name,
            with the dot (``policy.max_age``), where it has one.
    """

    name: str
    type: Kind
    default: object
    help: str
    flag: str
    default_help: str = ""
    per_key: bool = False
    alias: str = ""

    @property
    def env(self) -> str:
        """Its environment variable."""
        return "STATEBAKE_" + self.name.replace(".", "_").replace("-", "_").upper()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "host",
        Kind.HOST,
        None,
        "The framework that the project is written for.",
        "--host",
        "`dagster` where there is a `dg` project configuration, else `native`",
    ),
    Setting(
        "python",
        Kind.PROGRAM,
        None,
        "The interpreter that imports the project's code.",
        "--python",
        "see [the interpreter](#the-interpreter)",
    ),
    Setting(
        "module",
        Kind.MODULE,
        None,
        "The project's root package.",
        "--module",
        "`root_module` of `dg`; else the project's name, or the only package with a `defs` directory",
    ),
    Setting(
        "defs_module",
        Kind.MODULE,
        None,
        "The module that holds the definitions.",
        "--defs-module",
        "`defs_module` of `dg`; else `<module>.defs` if that directory exists, else `<module>`",
    ),
    Setting(
        "packages",
        Kind.TEXTS,
        (),
        "Further packages or directories of the project's own code to ship, relative to the project.",
        "--package",
    ),
    Setting(
        "jobs",
        Kind.COUNT,
        DEFAULT_JOBS,
        "How many keys are fetched side by side, over all projects.",
        "--jobs",
    ),
    Setting(
        "timeout",
        Kind.DURATION,
        600.0,
        "How long one attempt to fetch may take; then it is ended, with all that it started.",
        "--timeout",
        per_key=True,
    ),
    Setting(
        "retries",
        Kind.NATURAL,
        DEFAULT_RETRIES,
        "How often a failed fetch is tried again. What cannot succeed (HTTP 401 or 404, a bug, a broken dbt model) is "
        "not.",
        "--retries",
        per_key=True,
    ),
    Setting(
        "backoff",
        Kind.DURATION,
        1.0,
        "The pause before the first retry, doubled for each further one, and varied by up to a half. A longer "
        "`Retry-After` of the server counts instead; with one above 5 minutes nothing is tried again.",
        "--backoff",
        per_key=True,
    ),
    Setting(
        "deadline",
        Kind.DURATION,
        None,
        "How long the whole refresh may take, discovery included.",
        "--deadline",
        "no limit",
    ),
    Setting(
        "max_age",
        Kind.AGE,
        None,
        "Keys whose state was fetched or confirmed within this time are not fetched again; with `0s` all are. A key "
        "that `--key` names is fetched in any case, unless `--max-age` is given as well.",
        "--max-age",
        "every key is fetched",
        per_key=True,
    ),
    Setting(
        "on_failure",
        Kind.FAILURE_POLICY,
        "fail",
        "`stale`: a key that cannot be fetched keeps its state, is marked as stale, and does not fail the refresh.",
        "--on-failure",
        per_key=True,
    ),
    Setting(
        "max_stale",
        Kind.DURATION,
        None,
        "With `stale`: state that was last confirmed longer ago, or in the future, fails nevertheless.",
        "--max-stale",
        "no limit",
        per_key=True,
    ),
    Setting(
        "min_bytes",
        Kind.SIZE,
        None,
        "Smaller state is rejected.",
        "--min-bytes",
        "no limit",
        per_key=True,
    ),
    Setting(
        "max_bytes",
        Kind.SIZE,
        None,
        "Larger state is rejected.",
        "--max-bytes",
        "no limit",
        per_key=True,
    ),
    Setting(
        "schema",
        Kind.PATH,
        None,
        "A JSON Schema that the `state` file must satisfy, when it is fetched and when it is checked. Needs the extra "
        "`statebake[schema]`.",
        "--schema",
        "none",
        per_key=True,
    ),
    Setting(
        "max_shrink",
        Kind.SHARE,
        None,
        "State that lost more than this, in bytes, files, JSON elements, or one list of them, is rejected "
        "(`--allow-shrink` accepts it).",
        "--max-shrink",
        "no limit",
        per_key=True,
    ),
    Setting(
        "exclude",
        Kind.TEXTS,
        (),
        "What is no part of the state, in gitignore syntax, relative to the key directory; for dbt projects more is "
        "left out by default, and `!pattern` keeps it.",
        "--exclude",
        per_key=True,
    ),
    Setting(
        "isolation",
        Kind.ISOLATION,
        "fork",
        "`fork`: each fetch runs in a copy of the process that imported the project. `spawn`: in a process of its own "
        "that imports it again, for libraries that do not survive a fork.",
        "--isolation",
        per_key=True,
    ),
    Setting(
        "allow_runtime_fetch",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`) of the keys that may keep a strategy that fetches at run time.",
        "--allow-runtime-fetch",
    ),
    Setting(
        "allow_differences",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`) of the keys whose components may differ in attributes that the fetch reads: all of them "
        "get the state of the first.",
        "--allow-differences",
    ),
    Setting(
        "secrets.mode",
        Kind.SECRETS_MODE,
        "error",
        "What a secret means that is found in fetched state, before it is committed, or in an artifact.",
        "--secrets",
        per_key=True,
    ),
    Setting(
        "secrets.names",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`) of further variables whose values are secret. Those whose names say so (`*_TOKEN`, "
        "`*PASSWORD*`, `*SECRET*`, `*_KEY`, `AWS_*` and the like), and those that components read, are known.",
        "--secret-name",
    ),
    Setting(
        "secrets.allow",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`) of what is no secret here: the name of a variable, a rule such as `github-token`, or the "
        "path of a file.",
        "--allow-secret",
        per_key=True,
    ),
    Setting(
        "secrets.scrub",
        Kind.SWITCH,
        False,
        "Take credentials out of git remotes in fetched state, and leave out files that should not ship, such as "
        "`.env`, `.venv` and private keys.",
        "--scrub",
        per_key=True,
    ),
    Setting(
        "policy.max_age",
        Kind.DURATION,
        None,
        "State that was last confirmed longer ago fails the check. (`max_age` is about what a refresh fetches again.)",
        "--policy-max-age",
        "no limit",
        per_key=True,
    ),
    Setting(
        "policy.max_size",
        Kind.SIZE,
        None,
        "Larger state of a key fails the check.",
        "--policy-max-size",
        "no limit",
        per_key=True,
    ),
    Setting(
        "policy.require_keys",
        Kind.TEXTS,
        (),
        "Patterns of keys, or of component classes; each must match at least one key.",
        "--require-key",
    ),
    Setting(
        "policy.forbid_strategies",
        Kind.STRATEGIES,
        (),
        "Strategies that no component may have, also where `allow_runtime_fetch` matches.",
        "--forbid-strategy",
    ),
    Setting(
        "policy.min_definitions",
        Kind.NATURAL,
        None,
        "A key that yields fewer definitions in a sealed load fails it.",
        "--min-definitions",
        "no limit",
        per_key=True,
    ),
    Setting(
        "policy.min_total_definitions",
        Kind.NATURAL,
        None,
        "A sealed load that yields fewer definitions in all fails.",
        "--min-total-definitions",
        "no limit",
    ),
    Setting(
        "lock",
        Kind.PATH,
        None,
        "The lock or requirements file that names the dependencies.",
        "--lock",
        "found in the project",
    ),
    Setting(
        "build_backend",
        Kind.BACKEND,
        None,
        "The build backend that `statebake.backend` wraps, as it would stand in `[build-system]`; may be spelled "
        "`build-backend`.",
        "-C statebake.build_backend",
        "none",
        alias="build-backend",
    ),
    Setting(
        "backend_path",
        Kind.TEXTS,
        (),
        "Directories of the project that the wrapped backend is imported from; may be spelled `backend-path`.",
        "-C statebake.backend_path",
        alias="backend-path",
    ),
    Setting(
        "on_build",
        Kind.ON_BUILD,
        "check",
        "What a build of the project does before the state goes into it: `refresh` it and check it, only `check` it; "
        "`off`: neither, and nothing is put in that the wrapped backend does not put in by itself.",
        "-C statebake.on_build",
    ),
    Setting(
        "version_from_state",
        Kind.SWITCH,
        False,
        "Whether a wheel or source distribution that `statebake.backend` builds has a version of its own for its "
        "state: `1.2` becomes `1.2+state.<12 digits>`, which are the same for the same state.",
        "-C statebake.version_from_state",
    ),
    Setting(
        "bake.verify",
        Kind.VERIFICATION,
        "truth",
        "How a bake ends, before the artifact gets its name. `truth`: by proving that it carries its state where it is "
        "read. `sealed`: by loading its definitions as well, with no network and no credentials.",
        "--verify",
    ),
    Setting(
        "pex.entry_point",
        Kind.ENTRY_POINT,
        None,
        "What the PEX runs.",
        "--entry-point",
        "decided by the host",
    ),
    Setting(
        "pex.code",
        Kind.CODE,
        "auto",
        "How the project's own code gets into the PEX. `files`: its files as they are. `wheel`: the wheel that its "
        "build backend makes, with the state put in. `auto`: the wheel where a build does more than to copy: entry "
        "points, files that are generated or moved, compiled extensions, metadata that the code reads of its project.",
        "--code",
    ),
    Setting(
        "pex.args",
        Kind.PEX_OPTIONS,
        (),
        "Further options for the `pex` command. A bare requirement is none of them: name it in the project's "
        "dependencies, in the file of `lock`, or in a file of its own, by `-r FILE`. `@FILE` stands for the options in "
        "a file, one argument on each line.",
        "--pex-arg",
    ),
    Setting(
        "pex.output",
        Kind.PATH,
        None,
        "The file to write.",
        "--output",
        "`dist/<project name>.pex`",
    ),
    Setting(
        "docker.tags",
        Kind.TEXTS,
        (),
        "The names of the image.",
        "--tag",
    ),
    Setting(
        "docker.file",
        Kind.PATH,
        None,
        "Your own Dockerfile. The state in its image is proved just the same.",
        "--file",
        "`Dockerfile` where there is one, else one is made for the build",
    ),
    Setting(
        "docker.template",
        Kind.PATH,
        None,
        "A Jinja2 template of your own for the Dockerfile.",
        "--template",
        "the one that statebake comes with",
    ),
    Setting(
        "docker.base_image",
        Kind.TEXT,
        None,
        "The image that the stages start from; with a digest (`python:3.12-slim@sha256:…`) it is always the same one.",
        "--base-image",
        "`python:<version>-slim`, of the project's Python",
    ),
    Setting(
        "docker.command",
        Kind.ARGUMENTS,
        (),
        "What the image runs.",
        "--command",
    ),
    Setting(
        "docker.port",
        Kind.PORT,
        DEFAULT_PORT,
        "The port that a Dagster code server listens on.",
        "--port",
    ),
    Setting(
        "docker.user",
        Kind.TEXT,
        DEFAULT_USER,
        "The user that the image runs as; with numbers, Kubernetes can see that it is not root. A name that the base "
        "image lacks is made, as 1000.",
        "--user",
    ),
    Setting(
        "docker.platforms",
        Kind.PLATFORMS,
        (),
        "The platforms to build for; each of them is proved.",
        "--platform",
    ),
    Setting(
        "docker.secrets",
        Kind.ARGUMENTS,
        (),
        "Build secrets, as `docker build --secret` takes them; the generated Dockerfile uses `pip_conf`, "
        "`netrc` and `ca`.",
        "--secret",
    ),
    Setting(
        "docker.build_args",
        Kind.ARGUMENTS,
        (),
        "Build arguments, `NAME=value`; never for secrets, which an image's history would show.",
        "--build-arg",
    ),
    Setting(
        "docker.refresh_secrets",
        Kind.TEXTS,
        (),
        "The variables that a refresh inside the build gets as secrets, by name.",
        "--refresh-secret",
    ),
    Setting(
        "docker.builder",
        Kind.TEXT,
        None,
        "The buildx builder, a remote one too.",
        "--builder",
        "the current one",
    ),
    Setting(
        "docker.builder_compat",
        Kind.BUILDER_COMPAT,
        None,
        "What the generated Dockerfile may use: `docker-20.10` and `buildah` know no `COPY --link`, "
        "`classic` has neither secrets nor cache mounts.",
        "--builder-compat",
        "asked of the engine; `buildkit` where there is none",
    ),
    Setting(
        "docker.args",
        Kind.ARGUMENTS,
        (),
        "Further arguments for `docker build`.",
        "--docker-arg",
    ),
    Setting(
        "sealed.timeout",
        Kind.DURATION,
        300.0,
        "How long a sealed load may take.",
        "--sealed-timeout",
    ),
    Setting(
        "sealed.env",
        Kind.ARGUMENTS,
        (),
        "The variables that a sealed load gets: `NAME` as it is set here, or `NAME=value`. Of all others it gets only "
        "`PATH`, `TZ` and the language.",
        "--sealed-env",
    ),
    Setting(
        "sealed.allow_empty",
        Kind.TEXTS,
        (),
        "Patterns (`*`, `?`) of the keys whose components may yield nothing.",
        "--allow-empty",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def key_setting(pattern: str, name: str) -> str:
    """Return how a setting of some keys is called in messages: ``keys."Weather[*]".timeout``."""
    return f'keys."{pattern}".{name}'


def limit_name(pattern: str) -> str:
    """Return how a limit is called in messages: ``limits."FivetranAccountComponent"``."""
    return f'limits."{pattern}"'
