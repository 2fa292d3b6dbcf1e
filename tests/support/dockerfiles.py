"""Reading a Dockerfile as BuildKit's parser and its shell lexer do, as far as generated ones go."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name, its flags, and the rest as it is written, continued lines joined."""

    name: str
    flags: tuple[str, ...]
    rest: str

    @property
    def words(self) -> list[str]:
        """The arguments of a JSON form, as they are written."""
        found = json.loads(self.rest)
        assert all(isinstance(word, str) for word in found)
        return found

    @property
    def paths(self) -> list[str]:
        """The paths of a COPY after the lexer, the one pattern that there may be (``[[]``) taken as what it matches."""
        words = self.words if self.rest.startswith("[") else self.rest.split()
        lexed = [lex(word) for word in words]
        for source in lexed[:-1]:
            assert not re.search(r"[*?\[]", source.replace("[[]", "")), f"a wildcard in {source}"
        return [*(source.replace("[[]", "[") for source in lexed[:-1]), lexed[-1]]

    @property
    def pairs(self) -> dict[str, str]:
        """The names and values of a LABEL or an ENV."""
        pairs = [split_once(word) for word in split_words(self.rest)]
        assert len({name for name, _ in pairs}) == len(pairs)
        return {lex(name): lex(value) for name, value in pairs}


def read_dockerfile(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile."""
    found, waiting = [], ""
    for line in text.split("\n"):
        if re.match(r"\s*#", line) or (not line.strip() and not waiting):
            continue
        if continued := re.search(r"\\[ \t]*$", line):
            waiting += line[: continued.start()]
            continue
        found.append(_instruction(waiting + line))
        waiting = ""
    assert not waiting
    return found


def _instruction(line: str) -> Instruction:
    name, _, rest = line.strip().partition(" ")
    flags = []
    while (rest := rest.lstrip()).startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
    return Instruction(name, tuple(flags), rest)


def split_words(text: str) -> list[str]:
    """Split at blanks outside of quotes, quotes and backslashes kept (``parser.parseWords``)."""
    words, word, quote, position = [], "", "", 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and quote != "'":
            word += text[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in " \t":
            words += [word] if word else []
            word, position = "", position + 1
            continue
        word += sign
        position += 1
    assert not quote, f"a quote is open at the end of {text}"
    return [*words, *([word] if word else [])]


def split_once(word: str) -> tuple[str, str]:
    """Split ``name=value`` at the first ``=`` outside of quotes."""
    quote = False
    for position, sign in enumerate(word):
        if sign == '"' and word[position - 1 : position] != "\\":
            quote = not quote
        elif sign == "=" and not quote:
            return word[:position], word[position + 1 :]
    raise AssertionError(f"no value in {word}")


def lex(word: str) -> str:
    """Return what the shell lexer makes of a word; ``$PATH`` stays, any other variable is a failure."""
    result, quote, position = "", "", 0
    while position < len(word):
        sign = word[position]
        following = word[position + 1 : position + 2]
        if quote == "'":
            quote, result = ("", result) if sign == "'" else (quote, result + sign)
        elif sign == "\\" and quote == '"' and following not in {'"', "$", "\\"}:
            result += sign
        elif sign == "\\":
            assert following, f"a backslash at the end of {word}"
            result += following
            position += 1
        elif sign == "$":
            assert word[position:].startswith("$PATH"), f"a variable in {word}"
            result += sign
        elif sign == quote:
            quote = ""
        elif sign in "\"'" and not quote:
            quote = sign
        else:
            result += sign
        position += 1
    assert not quote, f"a quote is open at the end of {word}"
    return result
