"""What goes together."""

import asyncio

from libs.runtime.ending import end
from services.notifier.application.grouping import MOST, Grouped
from services.notifier.domain.texts import trial_notice
from services.notifier.ports import Undelivered
from tests.fakes.clock import START
from tests.fakes.notifier_ports import DESK, FakeSender, notice

LONG_S = 60.0  # nothing waits for so long here: what should go at once would hang the test


async def test_notices_that_come_together_are_one_message() -> None:
    sender = FakeSender()
    grouped = Grouped(sender, 0.05)
    await asyncio.gather(*(grouped.tell(notice(n)) for n in range(3)))
    assert sender.sent == [tuple(notice(n) for n in range(3))]


async def test_many_do_not_wait_for_more() -> None:
    sender = FakeSender()
    grouped = Grouped(sender, LONG_S)
    await asyncio.gather(*(grouped.tell(notice(n)) for n in range(MOST // 2)))
    assert [len(sent) for sent in sender.sent] == [MOST // 2]


async def test_what_is_critical_or_a_test_goes_at_once() -> None:
    sender = FakeSender()
    grouped = Grouped(sender, LONG_S)
    waiting = asyncio.create_task(grouped.tell(notice(1)))
    urgent, trial = notice(2, severity="critical"), trial_notice(DESK, "1", START)
    await grouped.tell(urgent)
    await grouped.tell(trial)
    assert sender.sent == [(urgent,), (trial,)]
    await end([waiting])
    await grouped.stop()


async def test_what_was_not_taken_is_told_to_each_of_them() -> None:
    grouped = Grouped(FakeSender([Undelivered("answered 503")]), 0.01)
    ended = await asyncio.gather(grouped.tell(notice(1)), grouped.tell(notice(2)), return_exceptions=True)
    assert [type(one) for one in ended] == [Undelivered, Undelivered]
