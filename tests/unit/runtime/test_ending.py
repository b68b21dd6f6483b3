"""Ending tasks for certain."""

import asyncio

from libs.runtime.ending import end


async def test_a_task_that_swallowed_a_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(end([task], again_after=0.01), 5)
    assert task.cancelled()
    assert swallowed == 2


async def test_tasks_that_ended_or_fail_are_left_as_they_are() -> None:
    async def fails() -> None:
        raise ValueError("on purpose")

    async def gives() -> int:
        return 1

    failing, giving = asyncio.create_task(fails()), asyncio.create_task(gives())
    await asyncio.wait([failing, giving])
    await end([failing, giving])
    assert isinstance(failing.exception(), ValueError)
    assert giving.result() == 1
