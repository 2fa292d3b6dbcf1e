"""JSON lines to and from a worker, over two pipes that may both be full."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
from collections.abc import Mapping
from typing import Any


class GarbledError(Exception):
    """What came is not a message: something else wrote into the pipe."""


class Channel:
    """The tool's ends of the two pipes; it owns and closes the descriptors.

    While it waits for an answer it goes on sending, so that a worker that cannot get rid of its answers and a tool
    that cannot get rid of its requests never wait for each other.
    """

    def __init__(self, send: int, receive: int) -> None:
        self._send = send
        self._receive = receive
        self._outgoing = b""
        self._incoming = b""
        os.set_blocking(send, False)
        os.set_blocking(receive, False)

    def post(self, message: Mapping[str, Any]) -> None:
        """Send a message, at the latest while the next answer is waited for."""
        self._outgoing += (json.dumps(message) + "\n").encode()

    def hear(self) -> dict[str, Any] | None:
        """Return the next answer, or ``None`` when the other end is closed; raises ``GarbledError``."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._receive, selectors.EVENT_READ)
            if self._outgoing:
                selector.register(self._send, selectors.EVENT_WRITE)
            while b"\n" not in self._incoming:
                for key, _ in selector.select():
                    if key.fd == self._send:
                        self._write()
                        if not self._outgoing:
                            selector.unregister(self._send)
                    elif not self._read():
                        return None
        line, _, self._incoming = self._incoming.partition(b"\n")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise GarbledError from error
        if not isinstance(answer, dict) or "event" not in answer:
            raise GarbledError
        return answer

    def close(self) -> None:
        """Close both descriptors: a worker takes that as the end."""
        os.close(self._send)
        os.close(self._receive)

    def _write(self) -> None:
        try:
            self._outgoing = self._outgoing[os.write(self._send, self._outgoing) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it died: what it left says why
            self._outgoing = b""

    def _read(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._receive, 1 << 16)
            self._incoming += chunk
            return bool(chunk)
        return True
