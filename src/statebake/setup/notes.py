"""What setting a project up leaves to its user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """What the user should know.

    Attributes:
        text: it, in whole sentences.
        to_do: whether it must be done by hand before the project is set up. Else it is as the user wants it, as far as
            one can see: what was edited or written by hand, what is not built, what has another place.
    """

    text: str
    to_do: bool = False
