"""``statebake-manifest.json``, what an artifact says of the state that it carries (format 1).

Its name has no leading dot because a PEX leaves dotfiles out of the hash that names its caches.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from statebake.errors import Code
from statebake.model.record import ComponentRef, Record, bad_record, check_format, dump_json, parse_json, text_of
from statebake.model.state_config import DefsStateManagementType

FORMAT = 1


@dataclass(frozen=True)
class RuntimeKey:
    """A key that components fetch at run time: it is not in the artifact; their strategy, and which they are."""

    key: str
    management_type: DefsStateManagementType
    components: tuple[ComponentRef, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        components = [{"type": ref.type, "declared_at": ref.declared_at} for ref in self.components]
        return {"key": self.key, "management_type": self.management_type.value, "components": components}

    @classmethod
    def from_json(cls, data: Any) -> RuntimeKey:
        """Return what ``data`` describes; raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        refs = (ComponentRef(text_of(ref["type"]), text_of(ref["declared_at"])) for ref in data["components"])
        return cls(text_of(data["key"]), DefsStateManagementType(data["management_type"]), tuple(refs))


@dataclass(frozen=True)
class Manifest:
    """The expected keys of an artifact and their records.

    Attributes:
        project: the project's name.
        tool: ``statebake <version>``.
        host: name and version of the framework that discovered the keys.
        revision: the source revision (git), with ``-dirty`` when the tree had changes; ``None`` if not known.
        keys: a record per expected key, without ``checked_at`` and ``duration_s``, sorted by key.
        runtime: the keys that are fetched at run time, sorted by key; the text has them only where there are any.
    """

    project: str
    tool: str
    host: str
    revision: str | None
    keys: tuple[Record, ...]
    runtime: tuple[RuntimeKey, ...] = ()

    def dumps(self) -> str:
        """Return the manifest's text: the same for the same records and revision. Records have times of fetches."""
        return dump_json(
            {
                "format": FORMAT,
                "project": self.project,
                "tool": self.tool,
                "host": self.host,
                "revision": self.revision,
                "keys": [record.without_volatile().to_json() for record in self.keys],
                **({"runtime_keys": [item.to_json() for item in self.runtime]} if self.runtime else {}),
            }
        )

    def sha256(self) -> str:
        """Return the SHA-256 of the manifest's file, in hexadecimal."""
        return hashlib.sha256(self.dumps().encode()).hexdigest()

    def state_sha256(self) -> str:
        """Return the SHA-256 of its keys and their digests, in hexadecimal: the same for the same state, whenever and
        wherever it was fetched.
        """
        lines = sorted(f"{record.digest}  {record.key}\n" for record in self.keys)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @classmethod
    def loads(cls, text: str, where: str) -> Manifest:
        """Return the manifest that ``text`` is; raises ``NEWER_FORMAT`` or ``BAD_RECORD``."""
        data: Any = parse_json(text, where)
        check_format(data, FORMAT, where, code=Code.BAD_RECORD)
        try:
            revision, keys, runtime = data["revision"], data["keys"], data.get("runtime_keys", [])
            if not isinstance(keys, list) or not isinstance(runtime, list):
                raise TypeError(f"`{'runtime_keys' if isinstance(keys, list) else 'keys'}` is not a list")
            return cls(
                project=text_of(data["project"]),
                tool=text_of(data["tool"]),
                host=text_of(data["host"]),
                revision=None if revision is None else text_of(revision),
                keys=tuple(Record.from_json(item, where) for item in keys),
                runtime=tuple(map(RuntimeKey.from_json, runtime)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise bad_record(where, f"{type(error).__name__}: {error}") from error
