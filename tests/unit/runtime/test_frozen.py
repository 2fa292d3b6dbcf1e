"""Frozen values behave as frozen dataclasses do."""

import copy
import pickle
from pathlib import Path

import pytest

from statebake import ComponentLoadContext
from statebake.model.frozen import Frozen

CONTEXT = ComponentLoadContext(defs_dir=Path("d"), path=Path("d/a"), declared_at="a/defs.yaml:1")


def test_a_value_cannot_be_changed():
    """Neither setting nor deleting a field works."""
    with pytest.raises(AttributeError, match="frozen"):
        CONTEXT.path = Path()
    with pytest.raises(AttributeError, match="frozen"):
        del CONTEXT.path


def test_values_compare_by_their_fields():
    """Equality and hash follow class and fields, and copies are equal."""
    other = ComponentLoadContext(defs_dir=Path("d"), path=Path("d/b"), declared_at="b/defs.yaml:1")
    assert copy.deepcopy(CONTEXT) == CONTEXT == pickle.loads(pickle.dumps(CONTEXT)) != other
    assert len({CONTEXT, copy.copy(CONTEXT), other}) == 2
    assert CONTEXT != "d"
    assert repr(CONTEXT).startswith("ComponentLoadContext(defs_dir=")


def test_a_field_may_have_a_default():
    """A field with a default may be left out, and is part of the value all the same."""

    class Size(Frozen):
        width: int
        height: int = 1

    assert Size(width=2) == Size(width=2, height=1) != Size(width=2, height=2)
    assert repr(Size(width=2)) == "Size(width=2, height=1)"


def test_fields_are_checked():
    """A missing and an unknown field are named."""
    with pytest.raises(TypeError, match="declared_at, extra"):
        ComponentLoadContext(defs_dir=Path("d"), path=Path("d"), extra=1)
