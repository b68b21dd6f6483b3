"""PyMongo's waits under a lock leave it to whom it belongs, also where a cancellation meets their end."""

import asyncio

from pymongo.lock import _async_cond_wait, _async_create_condition, _async_create_lock

import libs.runtime.mongo  # noqa: F401 - it gives them their way of waiting

SHORT_S = 0.01


async def test_a_cancellation_that_meets_the_end_of_a_wait_leaves_the_lock_with_its_holder() -> None:
    lock = _async_create_lock()
    condition = _async_create_condition(lock)
    waits = asyncio.Event()

    async def select() -> None:
        async with asyncio.timeout(5 * SHORT_S), lock:
            waits.set()
            await _async_cond_wait(condition, SHORT_S)

    task = asyncio.create_task(select())
    await waits.wait()
    await lock.acquire()  # given free by the wait
    await asyncio.wait([task], timeout=20 * SHORT_S)  # the wait has ended, wants the lock back, and is cancelled
    assert not task.done(), "it left without the lock, and gave back what is ours"
    lock.release()
    await asyncio.wait([task], timeout=30)
    assert isinstance(task.exception(), TimeoutError)
    assert not lock.locked(), "nobody holds it, and nobody can take it"
