"""Running one fetch, whether the component's method is sync or async and wherever it is called from."""

from __future__ import annotations

import sys

from statebake.runtime.templating import values_needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from statebake.runtime.component import StateBackedComponent


def fetch(component: StateBackedComponent, state_path: Path) -> None:
    """Have ``component`` write its state to ``state_path``; its parent is created where it is missing.

    An awaitable runs in an event loop of its own. Within a running loop the whole fetch runs in a thread, for
    even a sync method may use ``asyncio.run`` itself. Raises what the component raises, unchanged.
    """
    state_path.parent.mkdir(parents=True, exist_ok=True)
    if _in_running_loop():
        import contextvars
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="statebake-fetch") as thread:
            thread.submit(contextvars.copy_context().run, _fetch, component, state_path).result()
    else:
        _fetch(component, state_path)


def _fetch(component: StateBackedComponent, state_path: Path) -> None:
    with values_needed():
        pending = component.write_state_to_path(state_path)
        if pending is not None and hasattr(pending, "__await__"):  # a return value that is none is ignored
            import asyncio

            asyncio.run(_wait_for(pending))


async def _wait_for(pending: Awaitable[None]) -> None:
    await pending


def _in_running_loop() -> bool:
    asyncio = sys.modules.get("asyncio")  # not imported, so not running
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
