"""One cascade of options: flag, environment variable, file, default.

Files are ``pyproject.toml`` (``[tool.statebake]``) and ``statebake.toml`` (top level) in the project's
directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statebake.config.environment import did_you_mean, unknown_variables
from statebake.config.schema import BY_NAME, SETTINGS, Setting, Settings
from statebake.config.toml_file import TomlFile, load_if_there, located, table_at
from statebake.config.values import from_variable, mask, parse
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

_GROUPS = frozenset(name.partition(".")[0] for name in BY_NAME if "." in name)
_NAMES = frozenset(BY_NAME) | _GROUPS


@dataclass(frozen=True)
class ResolvedConfig:
    """The settings of one project and where each came from.

    Attributes:
        settings: the values.
        origins: by setting name: ``flag --python``, ``env STATEBAKE_PYTHON``, ``pyproject.toml:12``,
            ``detected`` or ``default``.
        warnings: what the user should hear although nothing failed.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Given:
    """One value that somebody set: as parsed, with the short origin and the full ``file:line``."""

    value: object
    origin: str
    where: str | None = None


def resolve(
    project_dir: Path,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
) -> ResolvedConfig:
    """Return the settings of the project in ``project_dir``.

    ``flags`` has values by setting name; ``None`` and empty sequences count as not given, as does an empty
    variable in ``env``. Relative paths are taken from the project, those in flags from ``cwd`` where it is
    given.

    Every value is checked, also one that a stronger one hides. Raises ``StatebakeError``: ``BAD_TOML``,
    ``UNKNOWN_SETTING``, ``BAD_SETTING``, ``CONFIGS_DISAGREE``. Raises ``ValueError`` for a flag of no
    setting.
    """
    if strange := set(flags) - set(BY_NAME):
        raise ValueError(f"flags of no setting: {sorted(strange)}")
    layers = [_files(project_dir), _environment(env, project_dir), _flags(flags, cwd or project_dir)]
    values = {setting.name: setting.default for setting in SETTINGS}
    origins = dict.fromkeys(values, "default")
    for layer in layers:
        values |= {name: given.value for name, given in layer.items()}
        origins |= {name: given.origin for name, given in layer.items()}
    return ResolvedConfig(Settings.from_flat(values), origins, unknown_variables(env))


def _flags(flags: Mapping[str, object], base: Path) -> dict[str, _Given]:
    layer = {}
    for name, value in flags.items():
        if value is not None and value not in ((), []):
            setting = BY_NAME[name]
            layer[name] = _given(setting, value, base, f"flag {setting.flag}")
    return layer


def _environment(env: Mapping[str, str], base: Path) -> dict[str, _Given]:
    layer = {}
    for setting in SETTINGS:
        if text := env.get(setting.env, "").strip():
            origin = f"env {setting.env}"
            try:
                value = from_variable(setting.type, text)
            except ValueError as error:
                raise _bad_setting(setting, text, origin, None) from error
            layer[setting.name] = _given(setting, value, base, origin)
    return layer


def _files(directory: Path) -> dict[str, _Given]:
    pyproject = load_if_there(directory / "pyproject.toml")
    own = load_if_there(directory / "statebake.toml")
    first = _file(pyproject, ("tool", "statebake")) if pyproject else {}
    second = _file(own, ()) if own else {}
    for name in sorted(first.keys() & second.keys()):
        if first[name].value != second[name].value:
            raise StatebakeError(
                Code.CONFIGS_DISAGREE,
                f"{name} has one value in {first[name].origin} and another in {second[name].origin}",
                where=f"{first[name].where} and {second[name].where}",
                next_step=f"remove {name} from one of the two files",
            )
    return second | first


def _file(file: TomlFile, prefix: tuple[str, ...]) -> dict[str, _Given]:
    table = table_at(file.data, *prefix) if prefix else file.data
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise _not_a_table(file, prefix)
    layer = {}
    unknown = []
    for keys, value in _flatten(file, prefix, table):
        name = ".".join(keys)
        if name not in BY_NAME:
            unknown.append(keys)
            continue
        line = file.line(*prefix, *keys)
        origin = located(file.path.name, line)
        layer[name] = _given(BY_NAME[name], value, file.path.parent, origin, located(str(file.path), line))
    if unknown:
        raise _unknown_setting(file, prefix, unknown)
    return layer


def _flatten(
    file: TomlFile, prefix: tuple[str, ...], table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if key not in _GROUPS:
            yield (key,), value
        elif isinstance(value, Mapping):
            for inner, item in value.items():
                yield (key, inner), item
        else:
            raise _not_a_table(file, (*prefix, key))


def _given(setting: Setting, value: object, base: Path, origin: str, where: str | None = None) -> _Given:
    try:
        return _Given(parse(setting.type, value, base), origin, where)
    except ValueError as error:
        raise _bad_setting(setting, value, origin, where) from error


def _bad_setting(setting: Setting, value: object, origin: str, where: str | None) -> StatebakeError:
    shown = mask(repr(value))
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return StatebakeError(
        Code.BAD_SETTING,
        f"{setting.name} is {shown} ({origin}); expected: {setting.type.value}",
        where=where,
        next_step=f"correct {origin.removeprefix('flag ').removeprefix('env ')}",
    )


def _not_a_table(file: TomlFile, keys: tuple[str, ...]) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"{'.'.join(keys)} in {file.path.name} is not a table",
        where=file.where(*keys),
        next_step=f"write it as [{'.'.join(keys)}] with the settings below it",
    )


def _unknown_setting(file: TomlFile, prefix: tuple[str, ...], unknown: list[tuple[str, ...]]) -> StatebakeError:
    first, *others = unknown
    if not prefix and first == ("tool",):
        next_step = f"in {file.path.name} settings stand at the top level: remove [tool.statebake] above them"
    else:
        next_step = f"remove it from {file.path.name}, or correct its name"
    return StatebakeError(
        Code.UNKNOWN_SETTING,
        _unknown(first),
        where=file.where(*prefix, *first),
        next_step=next_step,
        detail="\n".join(f"{_unknown(keys)} ({file.where(*prefix, *keys)})" for keys in others) or None,
    )


def _unknown(keys: tuple[str, ...]) -> str:
    name = ".".join(keys)
    return f"{name} is not a setting{did_you_mean(name, _NAMES)}"
