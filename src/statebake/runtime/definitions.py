"""What a load returns: everything that the components built."""

from __future__ import annotations

from statebake.model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from statebake.runtime.component import StateBackedComponent

    T = TypeVar("T")


class BuiltComponent(Frozen):
    """One component and what it built.

    Attributes:
        component: the component.
        key: its defs state key.
        declared_at: ``file:line``, the file relative to the defs dir.
        defs: what it built, in its order.
    """

    component: StateBackedComponent
    key: str
    declared_at: str
    defs: tuple[Any, ...]


class Definitions(Frozen):
    """Everything that the components of a package built; iterates over it in the order of the declarations.

    Attributes:
        components: each component with its part.
    """

    components: tuple[BuiltComponent, ...]

    def __iter__(self) -> Iterator[Any]:
        for built in self.components:
            yield from built.defs

    def of_type(self, cls: type[T]) -> tuple[T, ...]:
        """Return everything built that is an instance of ``cls``, in order."""
        return tuple(item for item in self if isinstance(item, cls))


def flatten(result: Any) -> tuple[Any, ...]:
    """Return the objects that ``result`` of ``build_defs_from_state`` stands for.

    ``None`` is nothing and an iterable is its items; text, bytes, mappings and named tuples are one object.
    """
    from collections.abc import Iterable, Mapping

    if result is None:
        return ()
    one_object = isinstance(result, (str, bytes, bytearray, Mapping)) or hasattr(result, "_fields")
    if one_object or not isinstance(result, Iterable):
        return (result,)
    return tuple(result)
