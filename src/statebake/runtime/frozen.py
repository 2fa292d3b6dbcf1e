"""Frozen values without ``dataclasses``, whose import alone takes longer than the whole runtime may (15 ms)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda cls: cls


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Frozen:
    """A value whose fields are the annotations of its class, all required, given by keyword, and never changed.

    Equal to a value of the same class with equal fields. Raises ``TypeError`` for a missing or unknown field.
    """

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401
        names = type(self).__annotations__
        if fields.keys() != names.keys():
            wrong = sorted(fields.keys() ^ names.keys())
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}; look at {', '.join(wrong)}")
        self.__dict__.update({name: fields[name] for name in names})

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
