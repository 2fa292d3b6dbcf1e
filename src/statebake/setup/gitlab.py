"""``.gitlab-ci.yml``: which stages it has, which files it includes, and the line that includes one more; no I/O.

Sources: https://docs.gitlab.com/ci/yaml/ ("include", "stages", "Header keywords") and
https://docs.gitlab.com/ci/yaml/includes/ ("Use include:local with wildcard file paths").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from statebake.setup.notes import Note

FILE = ".gitlab-ci.yml"
_DEFAULT_STAGE = "test"
_OURS_AT_THE_END = re.compile(r"^include:\r?\n(?:  - local: /\.gitlab/statebake[\w.-]*\.yml\r?\n)+\Z", re.MULTILINE)
_COMMANDS = frozenset({"script", "run", "trigger"})
_WILDCARDS = {"**": ".*", "*": "[^/]*"}


@dataclass(frozen=True)
class _Pipeline:
    """What a file says of its pipeline.

    Attributes:
        top: the nodes of the mapping with its jobs, and of what is merged into that, by key; empty where there is none.
        lines: where each key of that is.
        line: where that begins, or what is wrong is.
        problem: why GitLab could not read it.
        header: whether another document stands before it.
    """

    top: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    line: int = 1
    problem: str | None = None
    header: bool = False


def stage_of(text: str) -> str | None:
    """Return a stage that the pipeline of a file has, ``test`` where that is one.

    ``None``: other files that it includes may say which there are. ``.pre`` and ``.post`` are none: GitLab runs no
    pipeline that has nothing else ("Stages").
    """
    import yaml

    pipeline = _read(text)
    top = pipeline.top
    if pipeline.problem or ("include" in top and not _is_ours(top["include"])):
        return None
    if "stages" not in top:
        return _DEFAULT_STAGE
    node = top["stages"]
    items = node.value if node.tag == yaml.resolver.BaseResolver.DEFAULT_SEQUENCE_TAG else []
    names = [str(item.value) for item in items if isinstance(item, yaml.ScalarNode)]
    names = [name for name in names if name not in {".pre", ".post"}]
    return _DEFAULT_STAGE if _DEFAULT_STAGE in names else next(iter(names), None)


def rival_of(text: str, title: str, *, merged: bool) -> Note | None:
    """Return what is to be done about a job in the file that is called as the one of statebake, or ``None``.

    GitLab merges the two, and what the file itself says counts ("Override included configuration values"). ``merged``:
    whether it does that already; then one that leaves the commands alone is how somebody wants the job to be.
    """
    import yaml

    pipeline = _read(text)
    if title not in pipeline.top:
        return None
    job = pipeline.top[title]
    if merged and isinstance(job, yaml.MappingNode) and _COMMANDS.isdisjoint(key.value for key, _ in _items(job)):
        return None
    return Note(
        f"{FILE}:{pipeline.lines[title]} has a job of its own called `{title}`, and GitLab would merge the one of "
        "statebake with it, which would refresh nothing then. Rename that job, and run `statebake init` again.",
        to_do=True,
    )


def include(text: str, path: str, others: Iterable[str] = ()) -> str | Note:
    """Return the file with an ``include`` of ``path`` at its end; a note, where that takes changing what is there.

    The same text comes back where it includes that already, in whatever form; or where ``others`` do, which are the
    texts of files that it includes. An ``include`` at its end that has other projects' jobs of statebake, and nothing
    else, gets one line more.
    """
    before = _read(text)
    line = f"- local: /{path}"
    end = "\r\n" if "\r\n" in text else "\n"
    if any(matches(name, path) for one in (text, *others) for name in included_files(one)):
        return text
    if before.problem:
        mend = f"{FILE}:{before.line} {before.problem}. Mend that, and add this to its `include`: {line}"
        return Note(mend, to_do=True)
    if before.header:
        place = f"{FILE}, in the document that begins at line {before.line}, behind the header"
        return Note(f"Add this to `include` in {place}: {line}", to_do=True)
    if "include" not in before.top:
        space = end if not text or text.endswith("\n") else end * 2
        new = f"{text}{space if text.strip() else ''}include:{end}  {line}{end}"
    elif _OURS_AT_THE_END.search(text):
        new = f"{text}  {line}{end}"
    else:
        return Note(f"Add this to `include` in {FILE}: {line}", to_do=True)
    after = _read(new)
    if list(after.top) == list({**before.top, "include": None}):
        return new
    in_another = after.top and after.problem
    place = f", in the document that begins at line {before.line} and ends before the file does" if in_another else ""
    return Note(f"Add this to `include` in {FILE}{place}: {line}", to_do=True)


def matches(pattern: str, path: str) -> bool:
    """Return whether a file is the one that is named: ``*`` is all but a slash, and ``**`` that too."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.fullmatch("".join(_WILDCARDS.get(part, re.escape(part)) for part in parts), path) is not None


def included_files(text: str) -> list[str]:
    """Return what a file includes of its repository, from the root of that; with wildcards, see ``matches``."""
    top = _read(text).top
    return _local_files(top["include"]) if "include" in top else []


@lru_cache(maxsize=256)
def _read(text: str) -> _Pipeline:
    import yaml

    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if not _is_empty(node)]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _unread(text, error)
    if not nodes:
        return _Pipeline()
    content = nodes[-1]
    line = content.start_mark.line + 1
    if not isinstance(content, yaml.MappingNode):
        return _Pipeline({}, {}, line, "is no mapping of keywords and jobs, as GitLab wants it")
    items = [(str(key.value), key.start_mark.line + 1, value) for key, value in _items(content)]
    top = {key: value for key, _, value in items}
    lines = {key: line for key, line, _ in items}
    problem = None
    if len(nodes) > 2:
        problem = f"begins document {len(nodes)}, and GitLab reads two: a header and the pipeline"
    elif len(nodes) > 1 and not _is_header(nodes[0]):
        problem = "begins a second document, and the first one is no header: it has no `spec`"
    return _Pipeline(top, lines, line, problem, header=len(nodes) > 1 and problem is None)


def _items(table: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the names and values of a mapping and of what is merged into it (``<<``), each of these once.

    The last one of a name counts, as for Psych, with which GitLab reads YAML; of a list of mappings the first one.
    """
    import yaml

    seen = {id(table)}
    items = [*reversed(table.value)]
    while items:
        key, value = items.pop()
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value != "<<":
            yield key, value
            continue
        for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(one, yaml.MappingNode) and id(one) not in seen:
                seen.add(id(one))
                items += reversed(one.value)


def _unread(text: str, error: Exception) -> _Pipeline:
    """Return what is known of a text that is not YAML."""
    mark = getattr(error, "problem_mark", None)
    position = getattr(error, "position", None)  # of a character that YAML does not allow
    line = mark.line + 1 if mark else text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is nested too deeply"
    return _Pipeline({}, {}, min(line, len(text.splitlines())), f"cannot be read as YAML: {reason}")


def _is_empty(node: Any) -> bool:
    return node is None or (node.tag == "tag:yaml.org,2002:null" and node.value == "")


def _is_header(node: Any) -> bool:
    import yaml

    return isinstance(node, yaml.MappingNode) and any(key.value == "spec" for key, _ in node.value)


def _is_ours(node: Any) -> bool:
    """Return whether an ``include`` names nothing but jobs of statebake."""
    return all(name.startswith(".gitlab/statebake") for name in _local_files(node))


def _local_files(node: Any) -> list[str]:
    """Return what an ``include`` names, from the repository's root; what is no file in there is the empty name.

    Every node counts once: aliases of YAML can name one many times over, and a list as an item of its own.
    """
    import yaml

    names, seen, nodes = [], set(), [node]
    while nodes:
        one = nodes.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, yaml.SequenceNode):
            nodes += reversed(one.value)
            continue
        is_table = isinstance(one, yaml.MappingNode)
        files = [value for key, value in one.value if key.value == "local"] if is_table else [one]
        names += [str(file.value).lstrip("/") if isinstance(file, yaml.ScalarNode) else "" for file in files] or [""]
    return names
