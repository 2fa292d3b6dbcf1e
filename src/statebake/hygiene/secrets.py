"""The secrets at hand: values of variables that must not be in what is shipped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A value that must not ship.

    Attributes:
        name: the variable that has it.
        value: the value itself; never shown.
    """

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class SecretsAtHand:
    """What to search for.

    Attributes:
        secrets: the values, by the names of their variables.
        ignored: a sentence for each variable whose value is too short or too ordinary to search for.
    """

    secrets: tuple[Secret, ...]
    ignored: tuple[str, ...]


def secrets_at_hand(
    env: Mapping[str, str], *, names: Sequence[str] = (), read: Collection[str] = ()
) -> SecretsAtHand:
    """Return the secrets among the values of ``env``."""
    del env, names, read
    return SecretsAtHand((), ())
