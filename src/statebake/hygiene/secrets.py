"""The secrets at hand: values of variables that must not be in what is shipped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from statebake.hygiene.ordinary import SHORTEST, is_fingerprint, is_plain, why_not
from statebake.hygiene.parts import has_credentials, parts_of, password_of_url
from statebake.model.patterns import matches
from statebake.redact import looks_secret


@dataclass(frozen=True)
class Secret:
    """A value that must not ship.

    Attributes:
        name: the variable that has it.
        value: the value itself; never shown.
        part: which part of the variable's value this is, ``a line of``; empty if it is all of it.
    """

    name: str
    value: str = field(repr=False)
    part: str = ""

    @property
    def what(self) -> str:
        """What it is, for people."""
        return f"{self.part} the value of {self.name}".lstrip()


@dataclass(frozen=True)
class SecretsAtHand:
    """What to search for.

    Attributes:
        secrets: the values, by the names of their variables; a long one is followed by those of its parts that are
            secrets by themselves.
        ignored: a sentence for each variable whose value is too short or too ordinary to search for.
    """

    secrets: tuple[Secret, ...]
    ignored: tuple[str, ...]


def secrets_at_hand(env: Mapping[str, str], *, names: Sequence[str] = (), read: Collection[str] = ()) -> SecretsAtHand:
    """Return the secrets among the values of ``env``.

    They are those of variables whose names look like secrets; the passwords of URLs; those of ``names``, a project's
    own list of names and of patterns with ``*`` and ``?``; and of ``read``, the variables that its components read,
    unless their value is plainly no secret. Equal values are told of once, by the first name.
    """
    secrets: list[Secret] = []
    ignored: list[str] = []
    known: set[str] = set()
    for name in sorted(env):
        value = env[name].strip()
        wanted = any(matches(pattern, name) for pattern in names)
        told = wanted or looks_secret(name) or has_credentials(value)
        if is_fingerprint(name, value) or not (told or (name in read and not is_plain(value))):
            continue
        part, value = _what_counts(value, whole=wanted or looks_secret(name))
        if (why := why_not(value)) is not None:
            ignored.append(f"{name} is not searched for: {why}.")
            continue
        for secret in (Secret(name, value, part), *_parts(name, value)):
            if secret.value not in known:
                known.add(secret.value)
                secrets.append(secret)
    return SecretsAtHand(tuple(secrets), tuple(ignored))


def _what_counts(value: str, *, whole: bool) -> tuple[str, str]:
    """Return which part of a value is the secret, in words, and that part."""
    password = None if whole else password_of_url(value)
    return ("", value) if password is None else ("the password in", password)


def _parts(name: str, value: str) -> Iterator[Secret]:
    for part, text in parts_of(value):
        if len(text) >= SHORTEST and why_not(text) is None:
            yield Secret(name, text, part)
