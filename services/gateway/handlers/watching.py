"""Things that are awaited beside an answer, as long as it lasts."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from libs.runtime.ending import end


@asynccontextmanager
async def watched(*beside: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part) for part in beside]
    try:
        yield
    finally:
        await end(tasks)
