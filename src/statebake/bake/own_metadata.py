"""Whether a module asks for the metadata of the distribution that it is part of, which only an installed wheel has."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator

from packaging.utils import canonicalize_name

# What takes the name of a distribution, in `importlib.metadata`, its backport and `pkg_resources`. There is `files` as
# well, but that is far more often the one of `importlib.resources`, which takes the name of a package.
_ASKING = frozenset(
    {"version", "distribution", "metadata", "requires", "entry_points", "from_name", "get_distribution", "require"}
)
_OF_ITSELF = ("__name__", "__package__")


def asks_for_itself(text: str, names: Collection[str]) -> bool:
    """Return whether a module asks for a distribution called one of ``names``, or called as the module is.

    ``text``: its source; what does not parse asks for nothing.
    """
    if not ("importlib" in text and "metadata" in text) and "pkg_resources" not in text:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code, such as those of its escapes
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    own = {canonicalize_name(name) for name in names}
    called = {*_OF_ITSELF, *_assigned(tree, own)}
    return any(_names(node, own, called) for given in _given(tree) for node in ast.walk(given))


def _given(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what the functions are given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _ASKING:
                yield from (*node.args, *(keyword.value for keyword in node.keywords))


def _assigned(tree: ast.Module, own: Collection[str]) -> Iterator[str]:
    """Yield the variables that one of the names is assigned to."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and _names(node.value, own, ()):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _names(node: ast.AST, own: Collection[str], called: Collection[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and canonicalize_name(node.value) in own
    return isinstance(node, ast.Name) and node.id in called
