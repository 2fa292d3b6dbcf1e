"""The typed settings of one project: what the cascade makes of all that was given, and what the rest reads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from statebake.model.state_config import DefsStateManagementType

HostName = Literal["dagster", "native"]
FailurePolicy = Literal["fail", "stale"]
Isolation = Literal["fork", "spawn"]
SecretsMode = Literal["error", "warn", "off"]
DepthOfVerification = Literal["truth", "sealed"]
OnBuild = Literal["refresh", "check", "off"]
CodeSetting = Literal["auto", "wheel", "files"]
BuilderCompat = Literal["buildkit", "docker-20.10", "buildah", "classic"]
DEFAULT_JOBS = 32
DEFAULT_RETRIES = 2
DEFAULT_PORT = 4000
DEFAULT_USER = "1000:1000"
DEFAULT_DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class BakeSettings:
    """The settings under ``bake``, for every kind of artifact."""

    verify: DepthOfVerification = "truth"


@dataclass(frozen=True)
class PexSettings:
    """The settings under ``pex``. Paths are absolute."""

    entry_point: str | None = None
    code: CodeSetting = "auto"
    args: tuple[str, ...] = ()
    output: Path | None = None


@dataclass(frozen=True)
class DockerSettings:
    """The settings under ``docker``. Paths are absolute."""

    tags: tuple[str, ...] = ()
    file: Path | None = None
    template: Path | None = None
    base_image: str | None = None
    command: tuple[str, ...] = ()
    port: int = DEFAULT_PORT
    user: str = DEFAULT_USER
    platforms: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    build_args: tuple[str, ...] = ()
    refresh_secrets: tuple[str, ...] = ()
    builder: str | None = None
    builder_compat: BuilderCompat | None = None
    args: tuple[str, ...] = ()


@dataclass(frozen=True)
class PolicySettings:
    """The settings under ``policy``: what the state of an artifact must be, however it came to be."""

    max_age: float | None = None
    max_size: int | None = None
    require_keys: tuple[str, ...] = ()
    forbid_strategies: tuple[DefsStateManagementType, ...] = ()
    min_definitions: int | None = None
    min_total_definitions: int | None = None


@dataclass(frozen=True)
class SecretSettings:
    """The settings under ``secrets``: what to do about secrets in state and artifacts."""

    mode: SecretsMode = "error"
    names: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    scrub: bool = False


@dataclass(frozen=True)
class SealedSettings:
    """The settings under ``sealed``. Durations are seconds."""

    timeout: float = 300.0
    env: tuple[str, ...] = ()
    allow_empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeySettings:
    """The settings of the keys that ``pattern`` (see ``model.patterns``) matches, by setting name."""

    pattern: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Limit:
    """At most ``count`` of the keys that ``pattern`` matches, by key or by class, are fetched side by side."""

    pattern: str
    count: int


@dataclass(frozen=True)
class Settings:
    """All settings of one project. Paths are absolute, but ``python`` may be a bare command name.

    Durations are seconds, sizes bytes, shares fractions of 1. ``keys`` overrides what is ``per_key``, a later entry an
    earlier one.
    """

    host: HostName | None = None
    python: Path | None = None
    module: str | None = None
    defs_module: str | None = None
    packages: tuple[str, ...] = ()
    jobs: int = DEFAULT_JOBS
    timeout: float = 600.0
    retries: int = DEFAULT_RETRIES
    backoff: float = 1.0
    deadline: float | None = None
    max_age: float | None = None
    on_failure: FailurePolicy = "fail"
    max_stale: float | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    schema: Path | None = None
    max_shrink: float | None = None
    exclude: tuple[str, ...] = ()
    isolation: Isolation = "fork"
    allow_runtime_fetch: tuple[str, ...] = ()
    allow_differences: tuple[str, ...] = ()
    lock: Path | None = None
    secrets: SecretSettings = SecretSettings()
    build_backend: str | None = None
    backend_path: tuple[str, ...] = ()
    on_build: OnBuild = "check"
    version_from_state: bool = False
    policy: PolicySettings = PolicySettings()
    bake: BakeSettings = BakeSettings()
    pex: PexSettings = PexSettings()
    docker: DockerSettings = DockerSettings()
    sealed: SealedSettings = SealedSettings()
    keys: tuple[KeySettings, ...] = ()
    limits: tuple[Limit, ...] = ()

    @classmethod
    def from_flat(
        cls, values: Mapping[str, Any], *, keys: tuple[KeySettings, ...] = (), limits: tuple[Limit, ...] = ()
    ) -> Settings:
        """Return the settings with these values by name (``pex.output``); other names get the default."""
        rest = {name: value for name, value in values.items() if "." not in name}
        groups = {name: group(**_under(name, values)) for name, group in _GROUPS.items()}
        return cls(**rest, **groups, keys=keys, limits=limits)

    def flat(self) -> dict[str, Any]:
        """Return every value by its setting's name."""
        rest = {field.name for field in fields(self)} - {*_GROUPS, "keys", "limits"}
        values = {name: getattr(self, name) for name in rest}
        for name, group in _GROUPS.items():
            values |= {f"{name}.{field.name}": getattr(getattr(self, name), field.name) for field in fields(group)}
        return values

    def having(self, values: Mapping[str, Any]) -> Settings:
        """Return the settings with ``values``, by name, in place of their own."""
        changed = {name: value for name, value in values.items() if "." not in name}
        for name in _GROUPS:
            if inner := _under(name, values):
                changed[name] = replace(getattr(self, name), **inner)
        return replace(self, **changed) if changed else self


_GROUPS: Mapping[str, Any] = {
    "secrets": SecretSettings,
    "policy": PolicySettings,
    "bake": BakeSettings,
    "pex": PexSettings,
    "docker": DockerSettings,
    "sealed": SealedSettings,
}


def _under(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{table}."): value for name, value in values.items() if name.startswith(f"{table}.")}
