"""JSON lines over two pipes, with a peer that is slow, garbled, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from statebake.hosts.channel import Channel, GarbledError

SMALLEST_PIPE = 4096


class Peer:
    """The worker's ends of the two pipes, and the channel on the tool's ends."""

    def __init__(self) -> None:
        self.hears, send = os.pipe()
        receive, self.says = os.pipe()
        if sys.platform.startswith("linux"):
            for descriptor in (send, receive):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, SMALLEST_PIPE)
        self.channel = Channel(send, receive)
        self.loop = asyncio.new_event_loop()
        self.threads: list[Thread] = []
        self.failed: list[BaseException] = []

    def hear(self) -> dict[str, object] | None:
        """Return the next answer; the loop runs until then, and sends what is still to be sent."""
        return self.loop.run_until_complete(self.channel.hear())

    def post(self, message: dict[str, object]) -> None:
        self._in_loop(lambda: self.channel.post(message))

    def shut(self) -> None:
        """Close the tool's ends."""
        self._in_loop(self.channel.close)

    def _in_loop(self, work: Callable[[], None]) -> None:
        async def call() -> None:
            work()

        self.loop.run_until_complete(call())

    def write(self, data: bytes) -> None:
        """Write all of ``data``, waiting for the other end as a worker does."""
        while data:
            data = data[os.write(self.says, data) :]

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors or (self.hears, self.says):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def run(self, work: Callable[[], None]) -> None:
        """Run the peer's side beside the test."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - the test says it
                self.failed.append(error)

        self.threads.append(Thread(target=guarded, daemon=True))
        self.threads[-1].start()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A peer whose threads have ended, without an error, when the test has."""
    made = Peer()
    yield made
    for thread in made.threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    made.close()
    with contextlib.suppress(OSError):
        made.shut()
    made.loop.close()
    assert made.failed == []


def line(**fields: object) -> bytes:
    return (json.dumps({"event": "it", **fields}) + "\n").encode()


def test_a_message_each_way(peer):
    """What is posted arrives as one JSON line, and an answer comes back as it was sent."""
    peer.post({"do": "discover", "name": "ü\n日"})
    peer.write(line(text="ü\n日"))
    assert peer.hear() == {"event": "it", "text": "ü\n日"}
    peer.write(line(number=2))
    assert peer.hear() == {"event": "it", "number": 2}
    sent = os.read(peer.hears, 1 << 16)
    assert sent.count(b"\n") == 1
    assert json.loads(sent) == {"do": "discover", "name": "ü\n日"}


def test_big_messages_both_ways_at_once(peer):
    """Neither end waits for the other where both have more to say than a pipe holds, however little is read."""
    requests = [{"do": "fetch", "id": number, "text": "x" * 30_000} for number in range(30)]
    received = bytearray()

    def work() -> None:
        # It answers before it has read, so that it cannot get rid of its answers while the tool only sends.
        for number in range(len(requests)):
            peer.write(line(id=number, text="y" * 50_000))
            received.extend(os.read(peer.hears, 100))
        while received.count(b"\n") < len(requests):
            received.extend(os.read(peer.hears, 777))
        peer.write(line(id="last"))

    peer.run(work)
    for request in requests:
        peer.post(request)
    for number in range(len(requests)):
        answer = peer.hear()
        assert answer is not None
        assert (answer["id"], len(answer["text"])) == (number, 50_000)
    assert peer.hear() == {"event": "it", "id": "last"}
    assert [json.loads(text) for text in received.splitlines()] == requests


def test_several_answers_in_one_chunk(peer):
    """Answers that come in one piece are heard one by one, in order; the last one waits for its end."""
    peer.write(line(id=1) + line(id=2) + line(id=3) + line(id=4)[:9])
    assert [peer.hear()["id"] for _ in range(3)] == [1, 2, 3]
    peer.write(line(id=4)[9:])
    assert peer.hear()["id"] == 4


def test_an_answer_in_many_pieces(peer):
    """An answer that comes byte by byte, cut within a letter too, is heard whole."""
    data = '{"event": "it", "text": "日本"}\n'.encode()

    def work() -> None:
        for byte in data:
            peer.write(bytes([byte]))

    peer.run(work)
    assert peer.hear() == {"event": "it", "text": "日本"}


@pytest.mark.parametrize(
    "garbage",
    [
        b"yyyy\n",
        b"\n",
        b"\x00\xff\xfe\n",
        b'{"event": "it"\n',
        b'{"event": "it"} {"event": "it"}\n',
        b"[]\n",
        b'"event"\n',
        b"null\n",
        b"{}\n",
        b"7\n",
        b"yyyy" + line(id=1),
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_garbage(peer, garbage):
    """A line that is no message is told from one, whatever it is made of."""
    peer.run(lambda: peer.write(garbage))
    with pytest.raises(GarbledError):
        peer.hear()


@pytest.mark.parametrize("before", [b"", line(id=1)[:-1], b"yyyy"], ids=["nothing", "half an answer", "garbage"])
def test_the_end(peer, before):
    """When the other end is closed there is no answer, and a part of one is none."""
    peer.write(before)
    peer.close()
    assert peer.hear() is None


def test_answers_before_the_end(peer):
    """What the other end has said before it was closed is heard first."""
    peer.write(line(id=1) + line(id=2))
    peer.close()
    assert [peer.hear(), peer.hear(), peer.hear()] == [
        {"event": "it", "id": 1},
        {"event": "it", "id": 2},
        None,
    ]


def test_a_peer_that_reads_no_more(peer):
    """Requests to a peer that is gone are no error: its last words, and then the end, say what became of it."""
    peer.close(peer.hears)
    peer.post({"do": "fetch", "text": "x" * 100_000})
    peer.write(line(id=1))
    assert peer.hear() == {"event": "it", "id": 1}
    peer.post({"do": "fetch", "text": "x" * 100_000})
    peer.close(peer.says)
    assert peer.hear() is None


def test_closing_is_the_peers_end(peer):
    """A closed channel is the end of what the peer hears, and nobody reads what it says."""
    peer.shut()
    assert os.read(peer.hears, 1) == b""
    with pytest.raises(BrokenPipeError):
        os.write(peer.says, b"x")
