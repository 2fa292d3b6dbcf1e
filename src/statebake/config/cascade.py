"""One cascade of options: flag, environment variable, file, default.

Files are ``pyproject.toml`` (``[tool.statebake]``) and ``statebake.toml`` (top level) in the project's
directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from statebake.config.environment import unknown_variables
from statebake.config.schema import BY_NAME, SETTINGS, Kind, Setting, key_setting, limit_name
from statebake.config.settings import KeySettings, Limit, Settings
from statebake.config.spelling import did_you_mean
from statebake.config.toml_file import TomlFile, load_if_there, located, table_at
from statebake.config.values import MisplacedError, from_variable, mask, parse
from statebake.errors import Code, StatebakeError

if TYPE_CHECKING:
    from pathlib import Path

_GROUPS = frozenset(name.partition(".")[0] for name in BY_NAME if "." in name)
_KEYS, _LIMITS = "keys", "limits"
_ALIASES = {setting.alias: setting.name for setting in SETTINGS if setting.alias}
_NAMES = frozenset(BY_NAME) | _GROUPS | {_KEYS, _LIMITS}
_LIMIT = Setting(_LIMITS, Kind.COUNT, None, "", "")
_SHORT: Mapping[str, Mapping[type, str]] = {"secrets": {str: "mode", list: "names"}}
"""What a table's name alone may be set to, and which of its settings that is."""
_PER_KEY = frozenset(name for name, setting in BY_NAME.items() if setting.per_key)


@dataclass(frozen=True)
class ResolvedConfig:
    """The settings of one project and where each came from.

    Attributes:
        settings: the values.
        origins: by setting name (``keys."Weather[*]".timeout`` for those of some keys): ``flag --python``,
            ``env STATEBAKE_PYTHON``, ``pyproject.toml:12``, ``detected`` or ``default``.
        warnings: what the user should hear although nothing failed.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def by_flag(self, name: str) -> bool:
        """Return whether the setting ``name`` was given by a flag."""
        return self.origins[name].startswith("flag ")


@dataclass(frozen=True)
class _Given:
    """One value that somebody set: as parsed, with the short origin and the full ``file:line``."""

    value: object
    origin: str
    where: str | None = None


@dataclass(frozen=True)
class _KeyValue:
    """A setting of the keys that ``pattern`` matches."""

    pattern: str
    name: str
    value: object


def resolve(
    project_dir: Path | None,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
) -> ResolvedConfig:
    """Return the settings of the project in ``project_dir``; ``None``: of no project, by flags and variables alone.

    ``flags`` has values by setting name; ``None`` and empty sequences count as not given, as does an empty
    variable in ``env``. Relative paths are taken from the project, those in flags from ``cwd`` where it is
    given.

    Every value is checked, also one that a stronger one hides. Raises ``StatebakeError``: ``BAD_TOML``,
    ``UNKNOWN_SETTING``, ``BAD_SETTING``, ``CONFIGS_DISAGREE``. Raises ``ValueError`` for a flag of no
    setting.
    """
    if strange := set(flags) - set(BY_NAME):
        raise ValueError(f"flags of no setting: {sorted(strange)}")
    base = project_dir or cwd or Path()
    layers = [_files(project_dir) if project_dir else {}, _environment(env, base), _flags(flags, cwd or base)]
    values = {setting.name: setting.default for setting in SETTINGS}
    origins = dict.fromkeys(values, "default")
    for layer in layers:
        values |= {name: given.value for name, given in layer.items() if name in BY_NAME}
        origins |= {name: given.origin for name, given in layer.items()}
    files, *stronger = layers
    keys = _key_settings(files.values(), hidden=frozenset().union(*stronger))
    limits = tuple(given.value for given in files.values() if isinstance(given.value, Limit))
    return ResolvedConfig(Settings.from_flat(values, keys=keys, limits=limits), origins, unknown_variables(env))


def _key_settings(given: Iterable[_Given], hidden: frozenset[str]) -> tuple[KeySettings, ...]:
    """Return the settings of some keys, pattern by pattern; what a variable or a flag sets holds for all keys."""
    by_pattern: dict[str, dict[str, object]] = {}
    for one in given:
        if isinstance(one.value, _KeyValue) and one.value.name not in hidden:
            by_pattern.setdefault(one.value.pattern, {})[one.value.name] = one.value.value
    return tuple(KeySettings(pattern, values) for pattern, values in by_pattern.items())


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
        line = file.line(*prefix, *keys)
        origin, where = located(file.path.name, line), located(str(file.path), line)
        name = _ALIASES.get(".".join(keys), ".".join(keys))
        if keys[0] == _LIMITS:
            count = _given(_LIMIT, value, file.path.parent, origin, where, name=limit_name(keys[1]))
            layer[limit_name(keys[1])] = replace(count, value=Limit(keys[1], cast("int", count.value)))
        elif keys[0] == _KEYS and (inner := ".".join(keys[2:])) in _PER_KEY:
            name = key_setting(keys[1], inner)
            given = _given(BY_NAME[inner], value, file.path.parent, origin, where, name=name)
            layer[name] = replace(given, value=_KeyValue(keys[1], inner, given.value))
        elif name in layer:
            raise _spelled_twice(name, layer[name], where)
        elif name in BY_NAME:
            layer[name] = _given(BY_NAME[name], value, file.path.parent, origin, where)
        else:
            unknown.append(keys)
    if unknown:
        raise _unknown_setting(file, prefix, unknown)
    return layer


def _flatten(
    file: TomlFile, prefix: tuple[str, ...], table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if key != _KEYS:
            yield from _settings_in(file, prefix, {key: value})
            continue
        for pattern, section in _table(file, prefix, (key,), value).items():
            inside = _table(file, prefix, (key, pattern), section)
            for names, item in _settings_in(file, (*prefix, key, pattern), inside):
                yield (key, pattern, *names), item


def _settings_in(
    file: TomlFile, prefix: tuple[str, ...], table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in table.items():
        if key not in _GROUPS | {_LIMITS}:
            yield (key,), value
            continue
        if inner := _SHORT.get(key, {}).get(type(value)):
            yield (key, inner), value
            continue
        for inner, item in _table(file, prefix, (key,), value).items():
            yield (key, inner), item


def _table(file: TomlFile, prefix: tuple[str, ...], keys: tuple[str, ...], value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _not_a_table(file, (*prefix, *keys))
    return value


def _given(
    setting: Setting, value: object, base: Path, origin: str, where: str | None = None, *, name: str | None = None
) -> _Given:
    try:
        return _Given(parse(setting.type, value, base), origin, where)
    except ValueError as error:
        raise _bad_setting(setting, value, origin, where, name=name, error=error) from error


def _bad_setting(
    setting: Setting,
    value: object,
    origin: str,
    where: str | None,
    *,
    name: str | None = None,
    error: ValueError | None = None,
) -> StatebakeError:
    shown = mask(repr(value))
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    misplaced = error if isinstance(error, MisplacedError) else None
    return StatebakeError(
        Code.BAD_SETTING,
        f"{name or setting.name} is {shown} ({origin}); expected: {setting.type.value}"
        f"{f', and {misplaced}' if misplaced else ''}",
        where=where,
        next_step=misplaced.next_step if misplaced else f"correct {origin.removeprefix('flag ').removeprefix('env ')}",
    )


def _spelled_twice(name: str, first: _Given, where: str) -> StatebakeError:
    return StatebakeError(
        Code.CONFIGS_DISAGREE,
        f"{name} is set twice, as {name} and as {BY_NAME[name].alias}",
        where=f"{first.where} and {where}",
        next_step="remove one of the two",
    )


def _not_a_table(file: TomlFile, keys: tuple[str, ...]) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"{'.'.join(keys)} in {file.path.name} is not a table",
        where=file.where(*keys),
        next_step=f"write it as [{'.'.join(map(_toml_key, keys))}] with the settings below it",
    )


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else f'"{key}"'


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
    if keys[0] == _KEYS and len(keys) > 2:
        inner = ".".join(keys[2:])
        why = "holds for the whole project only" if inner in BY_NAME else "is not a setting"
        return f"{key_setting(keys[1], inner)} {why}{did_you_mean(inner, _PER_KEY)}"
    name = ".".join(keys)
    return f"{name} is not a setting{did_you_mean(name, _NAMES)}"
