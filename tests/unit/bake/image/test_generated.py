"""The mark of a generated file."""

from __future__ import annotations

import pytest

from statebake.bake.image.generated import FileState, seal, state_of

TEXT = "FROM a\nRUN b\n"


def test_intact():
    """A sealed text is intact, also with the line ends of another system, or without the last one."""
    sealed = seal(TEXT, "how")
    assert sealed.endswith(TEXT)
    assert state_of(sealed) is FileState.INTACT
    assert state_of(sealed.replace("\n", "\r\n")) is FileState.INTACT
    assert state_of(sealed.rstrip("\n")) is FileState.INTACT


def test_the_same_text_gets_the_same_seal():
    """Sealing depends on the text and on how it was made, on nothing else."""
    assert seal(TEXT, "how") == seal(TEXT, "how") != seal(TEXT, "otherwise")


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text + "# mine\n",
        lambda text: text.replace("RUN b", "RUN c"),
        lambda text: "# mine\n" + text,
        lambda text: text.replace("how", "otherwise"),
        lambda text: text.replace("# sha256:", "# sha256: "),
        lambda text: "".join(line for line in text.splitlines(True) if "sha256" not in line),
    ],
)
def test_edited(edit):
    """Whatever line is changed, added or removed, the text is seen as edited."""
    assert state_of(edit(seal(TEXT, "how"))) is FileState.EDITED


@pytest.mark.parametrize("text", ["", TEXT, "FROM a\n" * 30 + seal(TEXT, "how")])
def test_foreign(text):
    """A text without the mark at its top is somebody else's."""
    assert state_of(text) is FileState.FOREIGN


def test_directives_stay_on_top():
    """What a Dockerfile must begin with stays at its beginning."""
    sealed = seal("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\n", "how")
    assert [line.split("=")[0] for line in sealed.splitlines()[:2]] == ["# syntax", "# escape"]
    assert state_of(sealed) is FileState.INTACT
