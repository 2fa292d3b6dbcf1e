"""What a stack of image layers leaves below its state directories (OCI image-spec, layer.md).

Layers are applied as overlay file systems see them: what a layer brings hides what lies below at the same path, a
directory aside, which is merged. Kept are names and digests of what lies below a state directory, and the symbolic
links of the rest, through which different engines look differently: nothing of the state may lie behind one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from statebake.errors import StatebakeError
from statebake.model.keys import MANIFEST_NAME, STATE_DIR_NAME
from statebake.model.tree import SPARSE_BYTES
from statebake.verify.artifact import ArtifactState, FoundFile, artifact_state, odd_state, unreadable
from statebake.verify.files import CONFIG_NAMES
from statebake.verify.surroundings import INSTALLED_FROM, Surroundings

_DEEPEST = 4  # state directories in state directories
_MOST_NODES = 1_000_000
_LARGEST_TEXTS = 1 << 28

Kind = Literal["file", "directory", "other", "telling"]


@dataclass(frozen=True)
class Entry:
    """Something below a state directory, such a directory itself, or a symbolic link or telling file anywhere.

    Attributes:
        layer: the number of the layer that it came with, from 0.
        kind: what it is; ``other`` cannot be baked, ``telling`` is a file that says something of what is around it.
        what: that in words, where it is ``other``.
        file: its size and digest, for a file; ``None`` while only the target of a hard link is known.
        target: that target.
        text: the content of a manifest, record or configuration file.
        owner: who alone may read it, by number; ``None``: anybody may.
    """

    layer: int
    kind: Kind
    what: str = ""
    file: FoundFile | None = None
    target: str = ""
    text: bytes = b""
    owner: int | None = None


@dataclass(slots=True)
class _Node:
    """``newest`` is the last layer that brought something here or below; ``cleared`` one that hid what was below."""

    entry: Entry | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    newest: int = -1
    cleared: int = -1


class StateTree:
    """The tree, which a reader fills layer by layer, lowest first. Paths are ``/``-separated, without one in front.

    ``where`` is what is read, and ``what`` its kind: both are for errors. ``layer`` is the number of the one that is
    read; the reader counts.
    """

    def __init__(self, what: str, where: str) -> None:
        self.layer = 0
        self._what, self._where = what, where
        self._root = _Node()
        self._closed: dict[str, int] = {}
        self._nodes = 0
        self._hollow = 0

    def hide(self, path: str) -> None:
        """Take out what earlier layers have at ``path`` and below: a whiteout."""
        self._forget(self._find(path))

    def hide_below(self, path: str) -> None:
        """Take out what earlier layers have below ``path``: an opaque whiteout."""
        if node := self._find(path):
            self._forget_below(node)

    def add_other(self, path: str, *, is_dir: bool, is_link: bool, owner: int | None = None) -> None:
        """Say that the layer has something at ``path``, which no state directory is above of.

        ``owner``: who alone may pass or read it, by number; ``None``: anybody may.
        """
        if owner is None:
            self._closed.pop(path, None)
        else:
            self._closed[path] = owner
            if len(self._closed) > _MOST_NODES:
                raise self.unreadable(f"it has more than {_MOST_NODES} directories that not everybody may pass")
        node = self._find(path)
        if not is_dir or (node and node.entry):
            self._forget(node)
        if is_link:
            self._make(path).entry = Entry(self.layer, "other", "a symbolic link")

    def add_telling(self, path: str, text: bytes, owner: int | None) -> None:
        """Say that the layer has a file at ``path`` with a telling name, outside of the state; see ``add_other``."""
        self.add_other(path, is_dir=False, is_link=False, owner=owner)
        self._make(path).entry = Entry(self.layer, "telling", text=text)

    def surroundings(self) -> Surroundings:
        """Return what is around the state directories."""
        telling = {f"/{path}": entry.text for path, entry in self._entries("") if entry.kind == "telling"}
        texts = {path: text.decode("utf-8", "replace") for path, text in telling.items()}
        named = {path: path.rpartition("/")[2] for path in texts}
        return Surroundings(
            files=frozenset(telling),
            configs={path: text for path, text in texts.items() if named[path] in CONFIG_NAMES},
            origins={path: text for path, text in texts.items() if named[path] == INSTALLED_FROM},
            closed={f"/{path}": owner for path, owner in self._closed.items()},
        )

    def add(self, path: str, entry: Entry) -> None:
        """Add a state directory, or something below of one."""
        node = self._make(path)
        if entry.kind != "directory":
            if node.entry is not None and node.entry.layer == self.layer and node.entry.kind != "directory":
                raise self.unreadable(f"it has two entries called {path!r}")
            self._forget(node)
        elif node.entry is not None and node.entry.kind != "directory":
            self._forget(node)
        node.entry = entry

    def take_hollow(self, size: int) -> None:
        """Say that a sparse file of so many bytes is read, which nothing of the archive's own size stands for."""
        self._hollow += size
        if self._hollow > SPARSE_BYTES:
            raise self.unreadable(f"its state has sparse files of more than {SPARSE_BYTES} bytes")

    def get(self, path: str) -> Entry | None:
        """Return what is known at ``path``."""
        node = self._find(path)
        return node.entry if node else None

    def unresolved(self) -> dict[str, Entry]:
        """Return, by path, the hard links to files outside of the state directories."""
        return {path: entry for path, entry in self._walk("") if entry.kind == "file" and entry.file is None}

    def resolve(self, path: str, entry: Entry) -> None:
        """Say what a hard link that ``unresolved`` named leads to."""
        self._make(path).entry = entry

    def states(self) -> tuple[ArtifactState, ...]:
        """Return every state directory; raises as ``artifact_state`` does, and for what cannot be baked.

        One inside of another one is the content of a key, unless it has a manifest.
        """
        for path, entry in sorted(self.unresolved().items()):
            raise self.unreadable(f"{path!r} is a hard link to {entry.target!r}, which is not there")
        places = set()
        for path, _ in self._walk(""):
            parts = path.split("/")
            for depth in [depth for depth, part in enumerate(parts, 1) if part == STATE_DIR_NAME][:_DEEPEST]:
                place = "/".join(parts[:depth])
                if STATE_DIR_NAME not in parts[: depth - 1] or self.get(f"{place}/{MANIFEST_NAME}"):
                    places.add(place)
        return tuple(self._state(place) for place in sorted(places))

    def layer_of(self, place: str) -> int | None:
        """Return the topmost layer that brought a file of the state directory ``place``, or ``None``."""
        layers = (entry.layer for _, entry in self._walk(place.strip("/")) if entry.kind == "file")
        return max(layers, default=None)

    def unreadable(self, why: str) -> StatebakeError:
        """Return the error for what is read."""
        return unreadable(self._what, why, self._where)

    def _state(self, place: str) -> ArtifactState:
        files, directories, texts, owners = {}, set(), {}, {}
        size = 0
        for path, entry in self._walk(place):
            if entry.owner is not None:
                owners[f"/{path}"] = entry.owner
            if entry.kind == "other":
                raise odd_state(self._what, entry.what, path, self._where)
            inside = path[len(place) + 1 :]
            if entry.kind == "directory":
                directories.add(inside)
            elif entry.file is not None:
                files[inside] = entry.file
                texts[inside] = entry.text
                size += len(entry.text)
                if size > _LARGEST_TEXTS:  # hard links: any number of records may be one
                    raise self.unreadable(f"its manifests and records have more than {_LARGEST_TEXTS} bytes")
        state = artifact_state(f"/{place}", files, directories - {""}, texts.__getitem__, self._where)
        return replace(state, owners=owners)

    def _find(self, path: str) -> _Node | None:
        node: _Node | None = self._root
        for part in filter(None, path.split("/")):
            if node is None:
                return None
            node = node.children.get(part)
        return node

    def _make(self, path: str) -> _Node:
        """Return the node at ``path``; what is above of it must be directories, for every engine alike."""
        node, parts = self._root, path.split("/")
        is_state = STATE_DIR_NAME in parts
        node.newest = self.layer
        for depth, part in enumerate(parts):
            if is_state and node.entry is not None and node.entry.kind != "directory":
                raise self.unreadable(f"the entry {path!r} goes through {'/'.join(parts[:depth])!r}, no directory")
            if part not in node.children:
                self._nodes += 1
                if self._nodes > _MOST_NODES:
                    raise self.unreadable(f"it has more than {_MOST_NODES} links, and files and directories of state")
                node.children[part] = _Node()
            node = node.children[part]
            node.newest = self.layer
        return node

    def _forget(self, node: _Node | None) -> None:
        """Take out the entries of earlier layers at ``node`` and below."""
        if node is not None:
            if node.entry is not None and node.entry.layer < self.layer:
                node.entry = None
            self._forget_below(node)

    def _forget_below(self, node: _Node) -> None:
        """Take out the entries of earlier layers below ``node``, which a layer may ask for any number of times."""
        nodes = [node]
        while nodes:
            found = nodes.pop()
            if found.cleared == self.layer:
                continue
            found.cleared = self.layer
            found.children = {name: child for name, child in found.children.items() if child.newest == self.layer}
            for child in found.children.values():
                if child.entry is not None and child.entry.layer < self.layer:
                    child.entry = None
                nodes.append(child)

    def _walk(self, path: str) -> Iterator[tuple[str, Entry]]:
        """Yield every entry that belongs to a state directory, at ``path`` and below."""
        return ((place, entry) for place, entry in self._entries(path) if STATE_DIR_NAME in place.split("/"))

    def _entries(self, path: str) -> Iterator[tuple[str, Entry]]:
        """Yield every entry at ``path`` and below."""
        node = self._find(path)
        places = [(path, node)] if node else []
        while places:
            place, node = places.pop()
            if node.entry is not None:
                yield place, node.entry
            places.extend((f"{place}/{name}" if place else name, child) for name, child in node.children.items())
