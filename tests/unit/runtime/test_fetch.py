"""Running a fetch: sync or async, with or without a loop around it."""

import asyncio
import contextvars
import threading

import pytest

from statebake import DefsStateConfig, StateBackedComponent
from statebake.runtime.fetch import fetch

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


class Base(StateBackedComponent):
    defs_state_config = DefsStateConfig(key="x")

    def build_defs_from_state(self, context, state_path): ...


class Sync(Base):
    def write_state_to_path(self, state_path):
        state_path.write_text(VARIABLE.get())
        return 7


class Async(Base):
    async def write_state_to_path(self, state_path):
        await asyncio.sleep(0)
        state_path.write_text(VARIABLE.get())


class Awaitable(Base):
    def write_state_to_path(self, state_path):
        class Later:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                state_path.write_text(VARIABLE.get())

        return Later()


class OwnLoop(Base):
    def write_state_to_path(self, state_path):
        asyncio.run(Async().write_state_to_path(state_path))


ALL = [Sync, Async, Awaitable, OwnLoop]


@pytest.mark.parametrize("cls", ALL)
def test_without_a_loop(cls, tmp_path):
    """Every kind of method runs in the caller's thread, and the parent directory is made."""
    fetch(cls(), tmp_path / "key" / "state")
    assert (tmp_path / "key" / "state").read_text() == "unset"
    assert threading.active_count() == 1


@pytest.mark.parametrize("cls", ALL)
def test_inside_a_running_loop(cls, tmp_path):
    """Every kind of method runs to its end inside a running loop, with the caller's context variables."""

    async def main():
        VARIABLE.set("from the caller")
        fetch(cls(), tmp_path / "state")

    asyncio.run(main())
    assert (tmp_path / "state").read_text() == "from the caller"


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_fetch_raises_comes_through(inside, tmp_path):
    """The component's own exception comes through unchanged, also out of the thread."""

    class Failing(Base):
        async def write_state_to_path(self, state_path):
            raise LookupError("down")

    async def main():
        fetch(Failing(), tmp_path / "state")

    with pytest.raises(LookupError, match="down"):
        asyncio.run(main()) if inside else fetch(Failing(), tmp_path / "state")
