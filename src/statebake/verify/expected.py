"""What an artifact must carry, by something beside it: the work tree, a manifest, another artifact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.record import Record
from statebake.verify.artifact import unreadable

_LARGEST = 64 << 20


@dataclass(frozen=True)
class ExpectedKey:
    """One key.

    Attributes:
        key: its defs state key.
        declared_at: ``file:line`` of each of its components, the file relative to the project.
        digest: of its content; ``None``: it is not known, or does not matter.
        fetched_at: when that content was first fetched, RFC 3339; ``None`` where nobody knows.
    """

    key: str
    declared_at: tuple[str, ...] = ()
    digest: str | None = None
    fetched_at: str | None = None


@dataclass(frozen=True)
class Expected:
    """What is expected.

    Attributes:
        source: what says so, as it stands in a sentence: ``the work tree src/shop``.
        keys: every key, sorted.
        host: name and version of the framework; empty where it is not known.
        place: the path of the state directory as its package is imported, ``shop/defs/.local_defs_state``; ``None``
            where it is not known.
        name: the name of the project's distribution; empty where it is not known.
        state: the path of the state directory in the project; empty where it is not known.
        runtime: the keys that are fetched at run time, and so are in no artifact.
    """

    source: str
    keys: tuple[ExpectedKey, ...]
    host: str = ""
    place: str | None = None
    name: str = ""
    state: str = ""
    runtime: tuple[RuntimeKey, ...] = ()

    @property
    def has_content(self) -> bool:
        """Whether it says of any key what its content is."""
        return any(key.digest for key in self.keys)

    def get(self, key: str) -> ExpectedKey | None:
        """Return what is expected of ``key``; ``None``: it is not known here."""
        return self._by_key.get(key)

    def without_content(self) -> Expected:
        """Return the same keys, whatever their content is."""
        return replace(self, keys=tuple(replace(key, digest=None, fetched_at=None) for key in self.keys))

    @cached_property
    def _by_key(self) -> Mapping[str, ExpectedKey]:
        return {key.key: key for key in self.keys}


def expected_of(records: Iterable[Record], source: str, *, host: str = "", place: str | None = None) -> Expected:
    """Return what ``records`` say."""
    keys = (
        ExpectedKey(
            key=record.key,
            declared_at=tuple(ref.declared_at for ref in record.components),
            digest=record.digest,
            fetched_at=record.fetched_at,
        )
        for record in records
    )
    return Expected(source, tuple(sorted(keys, key=lambda key: key.key)), host, place)


def read_expected(path: Path) -> Expected:
    """Return what the manifest in the file ``path`` says.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT``, ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    try:
        if not path.is_file():
            raise unreadable("a manifest", "there is no such file", str(path))
        if path.stat().st_size > _LARGEST:
            raise unreadable("a manifest", "it is too large", str(path))
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise unreadable("a manifest", f"it cannot be read ({error.strerror})", str(path)) from error
    manifest = Manifest.loads(text, str(path))
    return expected_of(manifest.keys, f"the manifest {path}", host=manifest.host)
