"""Stacks of image layers mean what a file system model says that they mean."""

from __future__ import annotations

import io
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from statebake.model.keys import STATE_DIR_NAME
from statebake.model.tree import summarize
from statebake.verify.layers import StateTree
from statebake.verify.tar import read_layer
from support.layers import Member, tar

# Few names, so that layers meet: directories, files, and those that are one here and the other there.
PARTS = st.sampled_from(["app", "srv", STATE_DIR_NAME, "key", "other", "state", "x"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
ENTRIES = st.tuples(PATHS, st.sampled_from(["file", "file", "dir", "hide", "opaque"]), st.binary(max_size=3))


@st.composite
def layers(draw) -> list[Member]:
    """Return the members of one layer that no two readers see differently.

    Every directory has an entry of its own before what is in it, nothing is both a directory and a file, and nothing
    is hidden that the layer brings itself.
    """
    kinds: dict[str, tuple[str, bytes]] = {}
    hidden = []
    for path, kind, content in draw(st.lists(ENTRIES, max_size=8)):
        above = [path[:at] for at, letter in enumerate(path) if letter == "/"]
        if kind in {"hide", "opaque"}:
            hidden.append((kind, path))
        elif all(kinds.get(one, ("dir",))[0] == "dir" for one in above) and path not in kinds:
            kinds |= dict.fromkeys(above, ("dir", b"")) | {path: (kind, content if kind == "file" else b"")}
    members = [Member(path, kind, content) for path, (kind, content) in sorted(kinds.items())]
    for kind, path in hidden:
        if any(one == path or one.startswith(f"{path}/") for one in kinds) and kind == "hide":
            continue
        above = [path[:at] for at, letter in enumerate(path) if letter == "/"] + ([path] if kind == "opaque" else [])
        if any(kinds.get(one, ("dir",))[0] != "dir" for one in above):
            continue
        parent, _, name = path.rpartition("/")
        where = f"{path}/.wh..wh..opq" if kind == "opaque" else f"{parent}/.wh.{name}".lstrip("/")
        members.insert(draw(st.integers(0, len(members))), Member(where))
    return list({member.name: member for member in members}.values())


Tree = dict[str, bytes | None]  # a directory has no content


def apply(tree: Tree, members: Sequence[Member]) -> Tree:
    """Return what a layer makes of a tree, as an overlay file system would show it."""
    lower = dict(tree)

    def remove(path: str, *, itself: bool) -> None:
        for one in list(lower):
            if (one == path and itself) or one.startswith(f"{path}/"):
                del lower[one]

    upper: Tree = {}
    for member in members:
        parent, _, name = member.name.rpartition("/")
        if name == ".wh..wh..opq":
            remove(parent, itself=False)
        elif name.startswith(".wh."):
            remove(f"{parent}/{name[4:]}".lstrip("/"), itself=True)
        else:
            upper[member.name] = None if member.kind == "dir" else member.content
    for path, content in upper.items():
        if content is not None or lower.get(path) is not None:
            remove(path, itself=True)
    return {**lower, **upper}


def expected(tree: Tree) -> dict[str, dict[str, tuple[str, int]]]:
    """Return the key directories of every outermost state directory: digest, and number of files."""
    found: dict[str, dict[str, dict[str, bytes | None]]] = {}
    for path, content in tree.items():
        parts = path.split("/")
        if STATE_DIR_NAME not in parts:
            continue
        depth = parts.index(STATE_DIR_NAME) + 1
        keys = found.setdefault("/" + "/".join(parts[:depth]), {})
        if len(parts) > depth + 1:
            keys.setdefault(parts[depth], {})["/".join(parts[depth + 1 :])] = content
    result: dict[str, dict[str, tuple[str, int]]] = {}
    for place, keys in found.items():
        result[place] = {}
        for key, inside in keys.items():
            files = sorted((name, text) for name, text in inside.items() if text is not None)
            summary = summarize([(name, len(text), _opener(text)) for name, text in files], state_is_dir=False)
            result[place][key] = (summary.digest, summary.files)
    return result


def _opener(text: bytes):
    return lambda: io.BytesIO(text)


@given(st.lists(layers(), min_size=1, max_size=4))
def test_layers_mean_what_the_model_says(stack: list[list[Member]]) -> None:
    """Whatever layers bring and hide, the same keys are there, with the same content."""
    model: Tree = {}
    tree = StateTree("an image", "x")
    for number, members in enumerate(stack):
        model = apply(model, members)
        tree.layer = number
        read_layer(tree, io.BytesIO(tar(members)))
    seen = {
        state.path: {name: (summary.digest, summary.files) for name, summary in state.directories.items()}
        for state in (tree.states() if _plain(model) else ())
    }
    if _plain(model):
        assert seen == expected(model)


def _plain(model: Tree) -> bool:
    """Whether no state directory is a file."""
    return not any(path.split("/")[-1] == STATE_DIR_NAME and content is not None for path, content in model.items())
