"""Ending tasks for certain."""

import asyncio

import pytest

from libs.runtime.ending import end, together


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


async def test_parts_that_run_together_end_with_the_first_that_fails() -> None:
    ended: list[str] = []

    async def goes_on() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("goes on")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await together(goes_on(), fails())
    assert ended == ["goes on"]


async def test_parts_that_run_together_are_waited_for() -> None:
    ended: list[int] = []

    async def part(n: int) -> None:
        for _ in range(n):
            await asyncio.sleep(0)
        ended.append(n)

    await together(part(3), part(1), part(2))
    assert ended == [1, 2, 3]
