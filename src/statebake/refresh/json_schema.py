"""Checking a document against a JSON Schema file, without a value of the document in what is said about it.

Source: JSON Schema, draft 2020-12 where the file does not name another; ``jsonschema`` (the extra ``schema``) decides.
References lead to places in the file itself or to the published drafts: nothing is ever fetched.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statebake.errors import Code, StatebakeError
from statebake.refresh.documents import MAX_JSON_BYTES, kind_of, read_json, show_label

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing.jsonschema import SchemaRegistry

_MAX_SHOWN = 5
_TOO_LARGE = f"is larger than {MAX_JSON_BYTES >> 20} MiB, the most that is compared with a schema"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def must_be_schema(schema_file: Path) -> None:
    """Raise as ``find_violations`` does for a file that is no schema, before there is a document."""
    _must_have_package(schema_file)
    _load(schema_file)


def judge_state(
    state: Path, schema_file: Path, pulse: Callable[[], None] | None = None
) -> tuple[str | None, list[str]]:
    """Return why a key's ``state`` cannot be compared with the schema, or else what of it that does not allow.

    Raises as ``find_violations`` does, and ``OSError``.
    """
    if state.is_dir():
        return "is a directory", []
    if not state.exists():
        return "is missing", []
    if state.stat().st_size > MAX_JSON_BYTES:
        return _TOO_LARGE, []
    return judge_content(state.read_bytes(), schema_file, pulse)


def judge_content(
    content: bytes, schema_file: Path, pulse: Callable[[], None] | None = None
) -> tuple[str | None, list[str]]:
    """Return the same as ``judge_state`` of the bytes of a ``state`` file, wherever that is."""
    if len(content) > MAX_JSON_BYTES:
        return _TOO_LARGE, []
    try:
        document = read_json(content)
    except ValueError as error:
        # Of a decoder's message only the part that has no text of the document in it.
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        return f"is not JSON{place}", []
    return None, find_violations(document, schema_file, pulse)


def find_violations(document: Any, schema_file: Path, pulse: Callable[[], None] | None = None) -> list[str]:
    """Return what of ``document`` the schema does not allow, at most a few lines: ``$.tables[3].id: is a string, …``.

    ``pulse`` is called again and again, and ends this by raising. Raises ``StatebakeError``: ``EXTRA_NOT_INSTALLED``,
    or ``BAD_SETTING`` for a file that is missing, is no JSON, or is no schema whose references lead to itself.
    """
    _must_have_package(schema_file)
    import referencing.exceptions

    validator = _load(schema_file, pulse)
    try:
        errors = islice(validator.iter_errors(document), 100 * _MAX_SHOWN)
        lines = dict.fromkeys(f"{_show_path(error.absolute_path)}: {_describe(error)}" for error in errors)
    except referencing.exceptions.Unresolvable as error:
        raise _no_reference(schema_file, error.ref) from error
    except RecursionError as error:
        raise _bad(schema_file, "it, or the state, refers to itself or is nested without end") from error
    except re.error as error:
        raise _bad(schema_file, f"it has a pattern that is no regular expression: {error}") from error
    shown = list(lines)
    return shown if len(shown) <= _MAX_SHOWN else [*shown[:_MAX_SHOWN], "… and more"]


def _must_have_package(schema_file: Path) -> None:
    try:
        import jsonschema  # noqa: F401
        import referencing.exceptions  # noqa: F401
    except ImportError as error:
        raise StatebakeError(
            Code.EXTRA_NOT_INSTALLED,
            "Checking state against a JSON Schema needs the package `jsonschema` (4.18 or later) beside statebake.",
            where=str(schema_file),
            next_step="pip install 'statebake[schema]'",
        ) from error


def _load(path: Path, pulse: Callable[[], None] | None = None) -> Validator:
    import jsonschema.validators
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    if path.exists() and not path.is_file():
        raise _bad(path, "it is no regular file")
    try:
        schema = read_json(path.read_bytes())
    except OSError as error:
        raise _bad(path, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _bad(path, f"it is no JSON: {error}") from error
    if not isinstance(schema, (dict, bool)):
        raise _bad(path, f"it is {kind_of(schema)}, not an object")
    registry: SchemaRegistry = importlib.import_module("jsonschema_specifications").REGISTRY
    unknown: Any = None
    draft: Any = Draft202012Validator
    extend: Any = jsonschema.validators.extend
    if isinstance(schema, dict) and "$schema" in schema:
        draft = validator_for(schema, default=unknown)
        if draft is unknown:
            raise _bad(path, f"its $schema, {show_label(str(schema['$schema']))}, is no published draft")
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        raise _bad(path, f"{_show_path(error.absolute_path)} {_describe(error)}") from error
    except RecursionError as error:
        raise _bad(path, "it is nested without end") from error
    _check_references(path, schema, draft.META_SCHEMA["$schema"], registry)
    if pulse is not None:
        draft = extend(draft, {name: _pulsing(keyword, pulse) for name, keyword in draft.VALIDATORS.items()})
    validator: Validator = draft(schema, registry=registry)
    return validator


def _pulsing(keyword: Callable[..., Any], pulse: Callable[[], None]) -> Callable[..., Any]:
    def judge(*arguments: Any) -> Any:
        pulse()
        return keyword(*arguments)

    return judge


def _check_references(path: Path, schema: Any, draft: str, registry: SchemaRegistry) -> None:
    """Raise ``BAD_SETTING`` for a reference that leads out of the file, also one that this document would not reach."""
    import referencing.exceptions
    from referencing.jsonschema import specification_with

    resource = specification_with(draft).create_resource(schema)
    waiting = [(resource, registry.resolver_with_root(resource))]
    while waiting:
        here, resolver = waiting.pop()
        if isinstance(here.contents, dict):
            for reference in (here.contents.get(keyword) for keyword in _REFERENCES):
                if isinstance(reference, str):
                    try:
                        resolver.lookup(reference)
                    except (referencing.exceptions.Unresolvable, ValueError) as error:
                        raise _no_reference(path, reference) from error
        waiting.extend((inside, resolver.in_subresource(inside)) for inside in here.subresources())


def _no_reference(path: Path, reference: str) -> StatebakeError:
    return _bad(path, f"its reference {show_label(reference)} leads out of the file or to nothing; none is fetched")


def _bad(path: Path, why: str) -> StatebakeError:
    return StatebakeError(
        Code.BAD_SETTING,
        f"`schema` names {path.name}, which cannot be used: {why}.",
        where=str(path),
        next_step="correct the file, or the `schema` setting; references go to the file's own `$defs`",
    )


def _show_path(path: Iterable[str | int]) -> str:
    parts = ["$"]
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif re.fullmatch(r"[A-Za-z_]\w{0,39}", part):
            parts.append(f".{part}")
        else:
            parts.append(f"[{json.dumps(show_label(part), ensure_ascii=False)}]")
    return "".join(parts)


def _describe(error: Any) -> str:
    """Return what is wrong, in words of the schema, of names, and of counts; never with the value that is wrong."""
    wanted = error.validator_value
    describe = _WORDS.get(str(error.validator))
    if describe is not None:
        return describe(wanted, error.instance)
    if error.validator in {"additionalProperties", "unevaluatedProperties"}:
        names = list(islice(_unexpected(error.schema, error.instance), 4))
        shown = ", ".join(show_label(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
        return f"has members that the schema does not know: {shown}"
    return f"breaks the schema's `{error.validator}`" if error.validator else "is not allowed by the schema"


def _unexpected(schema: dict[str, Any], instance: dict[str, Any]) -> Iterator[str]:
    patterns = schema.get("patternProperties", {})
    for name in instance:
        if name not in schema.get("properties", {}) and not any(re.search(pattern, name) for pattern in patterns):
            yield name


def _missing(wanted: Any, instance: dict[str, Any]) -> str:
    if not isinstance(wanted, list):  # draft 3 says it where the member is described
        return "a member that the schema requires"
    return ", ".join(show_label(name) for name in wanted if name not in instance)


def _types(wanted: Any) -> str:
    kinds = wanted if isinstance(wanted, list) else [wanted]
    return " or ".join(kind if isinstance(kind, str) else "another type" for kind in kinds)


_WORDS: dict[str, Callable[[Any, Any], str]] = {
    "type": lambda wanted, value: f"is {kind_of(value)}, where the schema has {_types(wanted)}",
    "required": lambda wanted, value: f"lacks {_missing(wanted, value)}",
    "minItems": lambda wanted, value: f"has {len(value)} items, fewer than {wanted}",
    "maxItems": lambda wanted, value: f"has {len(value)} items, more than {wanted}",
    "minProperties": lambda wanted, value: f"has {len(value)} members, fewer than {wanted}",
    "maxProperties": lambda wanted, value: f"has {len(value)} members, more than {wanted}",
    "minLength": lambda wanted, value: f"has {len(value)} characters, fewer than {wanted}",
    "maxLength": lambda wanted, value: f"has {len(value)} characters, more than {wanted}",
    "minimum": lambda wanted, _: f"is less than {wanted}",
    "maximum": lambda wanted, _: f"is greater than {wanted}",
    "exclusiveMinimum": lambda wanted, _: f"is not greater than {wanted}",
    "exclusiveMaximum": lambda wanted, _: f"is not less than {wanted}",
    "multipleOf": lambda wanted, _: f"is no multiple of {wanted}",
    "pattern": lambda wanted, _: f"does not match the pattern {show_label(wanted)}",
    "enum": lambda *_: "is none of the values that the schema lists",
    "const": lambda *_: "is not the value that the schema has",
    "uniqueItems": lambda *_: "has an item twice",
    "anyOf": lambda wanted, _: f"fits none of the schema's {len(wanted)} alternatives",
    "oneOf": lambda wanted, _: f"does not fit exactly one of the schema's {len(wanted)} alternatives",
    "not": lambda *_: "fits what the schema excludes",
    "contains": lambda *_: "does not contain the items that the schema demands",
    "format": lambda wanted, _: f"is no {wanted}",
}
