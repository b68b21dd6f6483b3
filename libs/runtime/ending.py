"""Ending tasks for certain."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

AGAIN_S = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]], *, again_after: float = AGAIN_S) -> None:
    """Cancel tasks and return when all have ended, whatever they raised.

    Until Python 3.12 `asyncio.wait_for` may swallow a cancellation that meets the result (python/cpython#86296), and
    every request of nats-py goes through it: a task that went on after being cancelled is cancelled again,
    `again_after` seconds later: time to clean up in.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_after)
        again_after = min(again_after, AGAIN_S)


async def together(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until all have ended or one fails: the others end with it, and its error is raised."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await end(tasks)
    for task in done:
        task.result()
