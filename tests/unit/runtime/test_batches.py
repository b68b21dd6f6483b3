"""What comes within a moment is done together, and each gets its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.runtime.batches import Batches
from libs.runtime.ending import end

LONG_S = 3_600.0


class Away(Exception):
    pass


class Work:
    """Doubles numbers, when it is let; notes the batches that it was given."""

    def __init__(self, *, held: bool = False) -> None:
        self.given: list[list[int]] = []
        self.fails = False
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.given.append(list(items))
        self.begun.set()
        await self.go_on.wait()
        if self.fails:
            raise Away
        return [item * 2 for item in items]


async def test_items_of_one_moment_are_done_together_and_each_gets_its_own_result() -> None:
    work = Work()
    batches = Batches(work, size=8, delay_s=0.01)
    assert await asyncio.gather(*(batches.add(n) for n in range(3))) == [0, 2, 4]
    assert work.given == [[0, 1, 2]]


async def test_half_a_batch_waits_for_no_moment() -> None:
    work = Work()
    batches = Batches(work, size=8, delay_s=LONG_S)
    assert await asyncio.gather(*(batches.add(n) for n in range(4))) == [0, 2, 4, 6]


async def test_a_batch_holds_no_more_than_its_size_and_the_rest_follows_in_order() -> None:
    work = Work()
    batches = Batches(work, size=4, delay_s=0.01)
    assert await asyncio.gather(*(batches.add(n) for n in range(9))) == [n * 2 for n in range(9)]
    assert work.given == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


async def test_what_comes_during_a_batch_makes_up_the_next_one() -> None:
    work = Work(held=True)
    batches = Batches(work, size=2, delay_s=0.001)
    first = asyncio.create_task(batches.add(1))
    await work.begun.wait()
    rest = [asyncio.create_task(batches.add(n)) for n in (2, 3)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6]
    assert work.given == [[1], [2, 3]]


async def test_after_a_batch_that_was_no_trickle_more_is_waited_for() -> None:
    """And that for `busy_s` alone: the full batch at first does not wait, the one after it would for the other."""
    work = Work()
    batches = Batches(work, size=4, delay_s=LONG_S, busy_s=0.001)
    assert await asyncio.gather(*(batches.add(n) for n in range(4))) == [0, 2, 4, 6]
    assert await batches.add(5) == 10
    assert work.given == [[0, 1, 2, 3], [5]]


async def test_after_a_trickle_no_more_is_waited_for() -> None:
    work = Work()
    batches = Batches(work, size=64, delay_s=0.001, busy_s=LONG_S)
    assert await batches.add(1) == 2
    assert await batches.add(2) == 4
    assert work.given == [[1], [2]]


async def test_what_the_work_raises_all_of_the_batch_get_and_the_next_batch_is_done() -> None:
    work = Work()
    work.fails = True
    batches = Batches(work, size=2, delay_s=0.001)
    results = await asyncio.gather(*(batches.add(n) for n in (1, 2)), return_exceptions=True)
    assert [type(result) for result in results] == [Away, Away]
    work.fails = False
    assert await batches.add(3) == 6


async def test_an_item_that_is_given_up_does_not_keep_the_others_from_their_results() -> None:
    work = Work(held=True)
    batches = Batches(work, size=2, delay_s=LONG_S)
    given_up, kept = (asyncio.create_task(batches.add(n)) for n in (1, 2))
    await work.begun.wait()
    await end([given_up])
    work.go_on.set()
    assert await kept == 4
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_stop_ends_the_work() -> None:
    work = Work(held=True)
    batches = Batches(work, size=1, delay_s=LONG_S)
    await batches.start()
    await batches.stop()
    adding = asyncio.create_task(batches.add(1))
    await work.begun.wait()
    await batches.stop()
    await end([adding])
    work.go_on.set()
    assert work.given == [[1]]
