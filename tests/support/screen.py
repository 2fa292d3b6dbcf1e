"""A terminal as a person sees it: what is on its screen after all that was printed, and whether it has a cursor."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from support.cli import clean_env

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[^\[]")
_BEGUN = re.compile(r"\x1b(\[[0-9;?]*)?\Z")


class Screen:
    """Follows what a program prints: text, line ends, and the movements and erasures that tables are redrawn with.

    ``lines`` also has what has been scrolled out at the top. Lines are never wrapped.
    """

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.has_cursor = True
        self.strange: list[str] = []
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        """Take what was printed; what is cut within a character or a sequence waits for its rest."""
        text = self._rest + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        text, self._rest = (text[: begun.start()], begun[0]) if begun else (text, "")
        place = 0
        for found in _SEQUENCE.finditer(text):
            self._text(text[place : found.start()])
            self._control(found)
            place = found.end()
        self._text(text[place:])

    @property
    def text(self) -> str:
        """What is to be seen, without blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip()

    def _text(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif character == "\r":
                self.column = 0
            else:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1

    def _control(self, found: re.Match[str]) -> None:
        arguments, command = found[1], found[2]
        if command == "A":
            self.row = max(0, self.row - int(arguments or "1"))
        elif command == "K":
            self.lines[self.row] = "" if arguments == "2" else self.lines[self.row][: self.column]
        elif (arguments, command) in {("?25", "l"), ("?25", "h")}:
            self.has_cursor = command == "h"
        elif command != "m":
            self.strange.append(found[0])


class Terminal:
    """``statebake ARGS`` in a terminal of 100 columns and 24 lines."""

    def __init__(self, *args: str, cwd: Path, env: Mapping[str, str | None]) -> None:
        self.screen = Screen()
        self._control, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        given = clean_env({"COLUMNS": None, "LINES": None, "NO_COLOR": None, "TERM": "xterm-256color", **env})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "statebake", *args],
            cwd=cwd,
            env=given,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)

    def read(self, seconds: float) -> bool:
        """Follow the program for so long; return whether it still prints or may do so."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if select.select([self._control], [], [], left)[0]:
                try:
                    data = os.read(self._control, 1 << 16)
                except OSError:  # what Linux says where others say end of file
                    return False
                if not data:
                    return False
                self.screen.feed(data)
        return True

    def until(self, text: str, seconds: float = 30) -> str:
        """Follow the program until ``text`` is to be seen, and return the whole screen."""
        ends = time.monotonic() + seconds
        while text not in self.screen.text:
            assert time.monotonic() < ends, self.screen.text
            assert self.read(0.05), self.screen.text
        return self.screen.text

    def type(self, text: str) -> None:
        """Type ``text`` on its keyboard."""
        os.write(self._control, text.encode())

    def end(self, seconds: float = 30) -> int:
        """Follow the program to its end and return its exit code."""
        try:
            self.read(seconds)
            return self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._control)
