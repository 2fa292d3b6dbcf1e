"""Changing values of a TOML file: everything else keeps its bytes, and the result is proved; no I/O."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from statebake.config import TomlFile, table_at
from statebake.config.toml_text import toml_key, toml_value
from statebake.errors import Code, StatebakeError
from statebake.setup.array_text import with_entry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


if TYPE_CHECKING:
    from tomlkit import TOMLDocument


@dataclass(frozen=True)
class SetValue:
    """``keys`` get ``value``, in the place of what they have; a table that is missing is made at the end."""

    keys: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class AddEntry:
    """The array at ``keys``, which is there, gets one more entry at its end."""

    keys: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class Remove:
    """What is at ``keys`` goes."""

    keys: tuple[str, ...]


Edit = SetValue | AddEntry | Remove


def edited(file: TomlFile, text: str, edits: Sequence[Edit]) -> str:
    """Return ``text``, the exact text of ``file``, with ``edits`` made one after the other, in new tables last.

    Formatting, comments and the ends of lines stay. Raises ``StatebakeError`` (``BAD_SETTING``), with what is to be
    written by hand, where the file has a form that does not allow it: what is read back must be what was there, with
    the edits and nothing else.
    """
    from tomlkit.exceptions import TOMLKitError

    expected = copy.deepcopy(dict(file.data))
    made: str | TOMLDocument = text
    for edit in sorted(edits, key=lambda edit: table_at(file.data, *edit.keys[:-1]) is None):
        if not _apply(expected, edit):
            raise _by_hand(file, edits)
        try:
            made = _with_one(made, edit)
        except TOMLKitError as error:
            raise _by_hand(file, edits) from error
    found = _text_of(made)
    if not re.search(r"(?<!\r)\n", text) and "\r\n" in text:
        found = re.sub(r"(?<!\r)\n", "\r\n", found)
    try:
        same = tomllib.loads(found) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise _by_hand(file, edits)
    return found


def _apply(data: dict[str, Any], edit: Edit) -> bool:
    """Make an edit in what a file says; return whether that has a form in which it can be made."""
    *above, last = edit.keys
    table: Any = data
    for key in above:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            return False
    if isinstance(edit, SetValue):
        table[last] = edit.value
        return True
    if isinstance(edit, AddEntry):
        if not isinstance(table.get(last), list):
            return False
        table[last].append(edit.value)
        return True
    return table.pop(last, None) is not None


def _with_one(made: str | TOMLDocument, edit: Edit) -> str | TOMLDocument:
    """Return a file with one edit: parsed, as long as that does, for a long file takes tomlkit a second."""
    import tomlkit

    document = tomlkit.parse(_with_end(made)) if isinstance(made, str) else made
    *above, last = edit.keys
    table: Any = document
    for depth, key in enumerate(above):
        if key in table:
            table = table[key]
        elif isinstance(table, tomlkit.items.InlineTable):
            value: Any = edit.value if isinstance(edit, SetValue) else None
            for name in reversed([*above[depth + 1 :], last]):
                value = {name: value}
            table[key] = _item(value)
            return document
        else:
            return _with_new_table(_with_end(_text_of(made)), above, last, edit)
    if isinstance(edit, Remove):
        del table[last]
    elif isinstance(edit, AddEntry):
        table[last] = _parsed(with_entry(table[last].as_string(), _laid_out(edit.value)))
    elif last in table:
        table[last] = _item(edit.value)
    else:
        _add(table, last, _item(edit.value))
    return document


def _text_of(made: str | TOMLDocument) -> str:
    return made if isinstance(made, str) else made.as_string()


def _with_end(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _with_new_table(text: str, above: Sequence[str], last: str, edit: Edit) -> str:
    assert isinstance(edit, SetValue)
    space = "\n" if text.strip() and not text.endswith(("\n\n", "\n\r\n")) else ""
    return f"{text}{space}[{'.'.join(toml_key(key) for key in above)}]\n{toml_key(last)} = {_laid_out(edit.value)}\n"


def _add(table: Any, key: str, item: Any) -> None:
    """Put a key behind the last one of ``table``: what stands below that, up to the next table, is about the next."""
    from tomlkit.container import Container
    from tomlkit.items import AbstractTable, Table

    body = table.value if isinstance(table, Table) and not table.is_super_table() else None
    if isinstance(body, Container):
        named = [(name, old) for name, old in body.body if name is not None]
        values = [(name, old) for name, old in named if not isinstance(old, AbstractTable) and not name.is_dotted()]
        if values and values[-1] == named[len(values) - 1] and not any(name.is_dotted() for name, _ in named):
            name, old = values[-1]
            item.indent(len(old.trivia.indent))
            body._insert_after(name, key, item)
            return
    table[key] = item


def _item(value: Any) -> Any:
    return _parsed(_laid_out(value))


def _parsed(text: str) -> Any:
    import tomlkit

    return tomlkit.parse(f"x = {text}\n")["x"]


def _laid_out(value: Any) -> str:
    """Return ``value`` as it is written behind a ``=``: a list of several tables on several lines."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(entry, Mapping) for entry in value):
        return "[\n" + "".join(f"    {toml_value(entry)},\n" for entry in value) + "]"
    return toml_value(value)


def _by_hand(file: TomlFile, edits: Sequence[Edit]) -> StatebakeError:
    lines = []
    for edit in edits:
        table, name = ".".join(edit.keys[:-1]), toml_key(edit.keys[-1])
        if isinstance(edit, SetValue):
            lines.append(f"[{table}] {name} = {toml_value(edit.value)}".removeprefix("[] "))
        elif isinstance(edit, AddEntry):
            given = table_at(file.data, *edit.keys)
            lines.append(f"[{table}] {name} = {toml_value([*(given or []), edit.value])}")
        else:
            lines.append(f"[{table}] without {name}")
    return StatebakeError(
        Code.BAD_SETTING,
        f"{file.path.name} is written in a form that cannot be extended without writing it anew.",
        where=file.where(*edits[0].keys),
        next_step="write this by hand: " + "; ".join(lines),
    )
