"""``{{ env.NAME }}`` in attributes, resolved lazily: an unset variable matters only to who uses it."""

from __future__ import annotations

import contextlib
import functools
import re

from statebake.errors import Code, StatebakeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

_EXPRESSION = re.compile(r"\{\{(.*?)(\}\}|\Z)", re.DOTALL)
_ENV_NAME = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)")


class UnsetEnv:
    """Stands for the value of an environment variable that is not set.

    May be stored, copied, compared (by the variable) and shown by ``repr``; but compared with a value, or shown, not
    while state is fetched, for what comes of that may be written. Any use as a value raises
    ``StatebakeError(UNSET_VARIABLE)``, which names the variable and the declaration. What no object can intercept
    (``"".join([…])``, ``json.dumps``) raises Python's ``TypeError``, which names the class: each variable has its own.
    """

    __slots__ = ("_attribute", "_name", "_where")
    _attribute: str
    _name: str
    _where: str

    def __init__(self, name: str, attribute: str, where: str) -> None:
        for slot, value in (("_name", name), ("_attribute", attribute), ("_where", where)):
            object.__setattr__(self, slot, value)

    def __repr__(self) -> str:
        if _fetching:
            self.use()
        return f"<unset environment variable {self._name}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UnsetEnv):
            return self._name == other._name
        if _fetching:
            self.use()
        return False

    def __hash__(self) -> int:
        return hash(self._name)

    def __copy__(self) -> UnsetEnv:
        return self

    def __deepcopy__(self, memo: object) -> UnsetEnv:
        return self

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # Python asking what this object can do, not a use of the value
            raise AttributeError(name)
        self.use()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        self.use()

    def use(self, *_: object, **__: object) -> NoReturn:
        """Raise ``StatebakeError(UNSET_VARIABLE)``."""
        raise StatebakeError(
            Code.UNSET_VARIABLE,
            f"The environment variable {self._name} is not set; the attribute {self._attribute} needs it.",
            where=self._where,
            next_step=f"export {self._name}=…",
        )

    __str__ = __format__ = __bytes__ = __fspath__ = use
    __bool__ = __int__ = __float__ = __complex__ = __index__ = use
    __len__ = __iter__ = __reversed__ = __contains__ = __getitem__ = __setitem__ = __delitem__ = use
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = use
    __truediv__ = __rtruediv__ = __or__ = __ror__ = __and__ = __rand__ = use
    __lt__ = __le__ = __gt__ = __ge__ = __call__ = __enter__ = __exit__ = use


_fetching: list[None] = []  # an entry for each fetch that runs


@contextlib.contextmanager
def values_needed() -> Iterator[None]:
    """Have nothing but the value of a variable stand for it, in all threads: what is made now may be state."""
    _fetching.append(None)
    try:
        yield
    finally:
        _fetching.pop()


@functools.cache
def _class_of(name: str) -> type[UnsetEnv]:
    return type(f"unset environment variable {name}", (UnsetEnv,), {"__slots__": ()})


def resolve(value: Any, *, attribute: str, where: str, environ: Mapping[str, str]) -> Any:
    """Return ``value`` with ``{{ env.NAME }}`` replaced in every string, but not in the keys of mappings.

    A string whose variables are all set becomes a plain ``str``, otherwise an ``UnsetEnv``. ``attribute`` and
    ``where`` name the value in errors. Raises ``StatebakeError(BAD_ATTRIBUTES)`` for any other expression.
    """
    if isinstance(value, str):
        return _resolve_text(value, attribute, where, environ)
    if isinstance(value, list):
        return [
            resolve(item, attribute=f"{attribute}[{index}]", where=where, environ=environ)
            for index, item in enumerate(value)
        ]
    if isinstance(value, dict):
        return {
            name: resolve(item, attribute=f"{attribute}.{name}", where=where, environ=environ)
            for name, item in value.items()
        }
    return value


def _resolve_text(text: str, attribute: str, where: str, environ: Mapping[str, str]) -> str | UnsetEnv:
    names = []
    for match in _EXPRESSION.finditer(text):
        name = _ENV_NAME.fullmatch(match[1].strip())
        if not name or not match[2]:
            raise StatebakeError(
                Code.BAD_ATTRIBUTES,
                f"The attribute {attribute} has {match[0]!r}; the only expression is {{{{ env.NAME }}}}.",
                where=where,
                next_step="write {{ env.NAME }}, or move the value into an environment variable",
            )
        names.append(name[1])
    unset = next((name for name in names if name not in environ), None)
    if unset is not None:
        return _class_of(unset)(unset, attribute, where)
    values = iter(names)
    return _EXPRESSION.sub(lambda _: environ[next(values)], text)
