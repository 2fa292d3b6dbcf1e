"""Frozen values without ``dataclasses``, whose import alone takes longer than all of the runtime may."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        return lambda cls: cls


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Frozen:
    """A value whose fields are the annotations of its class: given by keyword, never changed.

    A field without a default in its class is required. Equal to a value of the same class with equal fields.
    Raises ``TypeError`` for a missing or unknown field.
    """

    def __init__(self, **fields: Any) -> None:
        cls = type(self)
        names = cls.__annotations__
        wrong = [name for name in names if name not in fields and not hasattr(cls, name)]
        wrong += [name for name in fields if name not in names]
        if wrong:
            raise TypeError(f"{cls.__name__} takes {', '.join(names)}; look at {', '.join(wrong)}")
        self.__dict__.update({name: fields[name] if name in fields else getattr(cls, name) for name in names})

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Frozen) or type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({fields})"
