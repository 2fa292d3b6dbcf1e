"""Reading ``defs.yaml``: documents of ``type`` and ``attributes``, with their lines. Alone uses PyYAML."""

from __future__ import annotations

from statebake.errors import Code, StatebakeError
from statebake.model.frozen import Frozen
from statebake.runtime.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from yaml import Node

FIELDS = ("type", "attributes")


class Document(Frozen):
    """One well-formed document: the line of its ``type``, the type as written, the attributes as written."""

    line: int
    type_name: str
    attributes: dict[str, Any]


class BadDocument(Frozen):
    """One that is not: the line to look at and the error."""

    line: int
    error: StatebakeError


def read_documents(file: Path) -> list[Document | BadDocument]:
    """Return the documents of ``file`` in order; empty ones are left out.

    Text that does not parse ends the list with a ``BadDocument``; the documents before it are still read.
    """
    import yaml

    found: list[Document | BadDocument] = []
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [_bad(file, line, "is not UTF-8")]
    except OSError as error:
        return [_bad(file, 1, f"cannot be read: {error.strerror}")]
    try:
        for node in _nodes(text):
            if not _is_null(node):
                found.append(_read_document(file, node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.problem, error.context) if part)
        line = mark.line + 1 if mark else 1
        if line > len(text.splitlines()) and error.context_mark:  # not closed: point at where it began
            line = error.context_mark.line + 1
        found.append(_bad(file, line, f"does not parse: {problem}"))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        found.append(_bad(file, line, "does not parse: it contains a character that YAML does not allow"))
    return found


def _nodes(text: str) -> Iterable[Node]:
    """Return the root node of every document; where one does not parse, iterating raises ``yaml.YAMLError``."""
    import yaml

    if hasattr(yaml, "CSafeLoader"):
        try:
            return list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
        except yaml.YAMLError:
            pass  # the parser in C is several times faster, the one in Python says better what is wrong
    return yaml.compose_all(text, Loader=yaml.SafeLoader)


def _read_document(file: Path, node: Node) -> Document | BadDocument:
    import yaml

    start = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return _bad(file, start, "has a document that is no mapping with `type` and `attributes`")
    lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
    line = lines.get("type", start)
    for bad_line, problem in _structure_problems(node):
        return _bad(file, bad_line, problem)
    for name, bad_line in lines.items():
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS) or "; a document has `type` and `attributes`"
            return _bad(file, bad_line, f"has the unknown field {name!r}{hint}")
    try:
        data = yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or node.start_mark
        return _bad(file, mark.line + 1, f"has a value that cannot be read: {error.problem}")
    except ValueError as error:  # a date such as 2024-13-01
        return _bad(file, start, f"has a value that cannot be read: {error}")
    type_name = data.get("type")
    if not isinstance(type_name, str) or not type_name.strip():
        return _bad(file, line, "has a document without `type: package.module.ClassName`")
    attributes = {} if data.get("attributes") is None else data["attributes"]
    if not isinstance(attributes, dict) or not all(isinstance(name, str) for name in attributes):
        refused = StatebakeError(
            Code.BAD_ATTRIBUTES,
            f"The attributes of {type_name} are no mapping of names to values.",
            where=f"{file}:{lines['attributes']}",
            next_step="write them as `attributes: {name: value}`",
        )
        return BadDocument(line=line, error=refused)
    return Document(line=line, type_name=type_name.strip(), attributes=attributes)


def _structure_problems(node: Node, parents: tuple[int, ...] = ()) -> Iterator[tuple[int, str]]:
    """Yield what YAML lets pass and nobody means: a key given twice (one is lost), a value inside itself."""
    import yaml

    line = node.start_mark.line + 1
    if id(node) in parents:
        yield line, "has a value that contains itself"
        return
    inner = (*parents, id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _structure_problems(item, inner)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                missing = "; separate documents with `---`" if not parents else ""
                yield key.start_mark.line + 1, f"has {key.value!r} twice in one mapping{missing}"
            seen.add(name)
            yield from _structure_problems(value, inner)


def _is_null(node: Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _bad(file: Path, line: int, problem: str) -> BadDocument:
    error = StatebakeError(
        Code.BAD_YAML,
        f"{file.name} {problem}.",
        where=f"{file}:{line}",
        next_step="correct the line",
    )
    return BadDocument(line=line, error=error)
