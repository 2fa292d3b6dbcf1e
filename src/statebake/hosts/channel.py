"""JSON lines to and from a worker, over two pipes that may both be full."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any


class GarbledError(Exception):
    """What came is not a message: something else wrote into the pipe."""


class Channel:
    """The tool's ends of the two pipes; it owns and closes the descriptors. To be used on one event loop.

    It sends and receives independently of each other, so that a worker that cannot get rid of its answers and a tool
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
        """Send a message, now or as soon as the pipe takes it."""
        waiting = bool(self._outgoing)
        self._outgoing += (json.dumps(message) + "\n").encode()
        if not waiting:
            self._write()

    async def hear(self) -> dict[str, Any] | None:
        """Return the next answer, or ``None`` when the other end is closed; raises ``GarbledError``."""
        while b"\n" not in self._incoming:
            await self._readable()
            with contextlib.suppress(BlockingIOError):
                chunk = os.read(self._receive, 1 << 16)
                self._incoming += chunk
                if not chunk:
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
        asyncio.get_running_loop().remove_writer(self._send)
        os.close(self._send)
        os.close(self._receive)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def is_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._receive, is_ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._receive)

    def _write(self) -> None:
        try:
            self._outgoing = self._outgoing[os.write(self._send, self._outgoing) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it died: what it left says why
            self._outgoing = b""
        loop = asyncio.get_running_loop()
        if self._outgoing:
            loop.add_writer(self._send, self._write)
        else:
            loop.remove_writer(self._send)
