"""What becomes of events and notices."""

from datetime import timedelta

import pytest

from libs.runtime.errors import Later, Poison
from libs.schemas.notices import NoticeSettled
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import NOTIFIER_NOTICES
from services.notifier.application.telling import NoticeTelling, back_off, told_of
from services.notifier.domain.texts import trial_notice
from services.notifier.ports import Undelivered
from tests.fakes.clock import START
from tests.fakes.notifier_ports import DESK, FakeSender, NotifierWorld, alert, delivery, notice, route

LAST = NOTIFIER_NOTICES.max_deliver
NIGHT = {"from": "11:00", "to": "13:00"}


async def test_an_event_becomes_a_notice_for_each_route_that_takes_it() -> None:
    world = NotifierWorld(route(severity="warning"))
    (emit,) = await told_of(world.deps, alert(), delivery())
    assert (emit.subject, emit.body) == ("notice.requested.desk", notice())
    assert await told_of(world.deps, alert(severity="info"), delivery()) == []


async def test_old_news_are_told_to_nobody_and_counted() -> None:
    world = NotifierWorld()
    stored = START - world.deps.oldest
    assert len(await told_of(world.deps, alert(), delivery(stored=stored))) == 1
    assert await told_of(world.deps, alert(), delivery(stored=stored - timedelta(seconds=1))) == []
    assert world.count("too_old") == 1


async def test_what_the_receiver_took_is_said() -> None:
    world = NotifierWorld()
    emit = await NoticeTelling(world.deps).tell(notice(), delivery())
    assert world.sender.sent == [(notice(),)]
    assert emit.subject == "notice.settled.desk"
    assert isinstance(emit.body, NoticeSettled)
    assert (emit.body.notice_id, emit.body.outcome) == (notice().notice_id, "sent")
    assert world.count("notices", route="desk", outcome="sent") == 1


@pytest.mark.parametrize(("deliveries", "seconds"), [(1, 2), (2, 4), (8, 256), (9, 300), (23, 300)])
async def test_what_it_did_not_take_is_tried_again_after_a_while_that_grows(deliveries: int, seconds: float) -> None:
    world = NotifierWorld(sender=FakeSender([Undelivered("answered 503")]))
    with pytest.raises(Later) as later:
        await NoticeTelling(world.deps).tell(notice(), delivery(deliveries))
    assert later.value.seconds == seconds == back_off(deliveries)
    assert world.count("notices", route="desk", outcome="failed") == 1


async def test_a_receiver_that_asks_for_time_gets_it() -> None:
    world = NotifierWorld(sender=FakeSender([Undelivered("answered 429", after=77)]))
    with pytest.raises(Later) as later:
        await NoticeTelling(world.deps).tell(notice(), delivery())
    assert later.value.seconds == 77


@pytest.mark.parametrize(
    ("error", "deliveries"), [(Undelivered("answered 410", final=True), 1), (Undelivered("answered 410"), LAST)]
)
async def test_what_will_not_be_taken_is_put_aside_with_the_reason(error: Undelivered, deliveries: int) -> None:
    world = NotifierWorld(sender=FakeSender([error]))
    with pytest.raises(Poison) as poison:
        await NoticeTelling(world.deps).tell(notice(), delivery(deliveries))
    assert poison.value.code is DeadLetterCode.UNDELIVERED
    assert poison.value.message == "desk: webhook: answered 410"
    assert world.count("notices", route="desk", outcome="dead") == 1


async def test_a_notice_of_a_route_that_is_gone_is_put_aside() -> None:
    stray = notice().model_copy(update={"route": "phone"})
    with pytest.raises(Poison, match="there is no route phone"):
        await NoticeTelling(NotifierWorld().deps).tell(stray, delivery())


async def test_a_test_is_tried_once_and_says_why_it_failed() -> None:
    world = NotifierWorld(route(quiet=NIGHT), FakeSender([Undelivered("answered 404")]))
    emit = await NoticeTelling(world.deps).tell(trial_notice(DESK, "1", START), delivery())
    assert isinstance(emit.body, NoticeSettled)
    assert (emit.body.outcome, emit.body.detail) == ("failed", "webhook: answered 404")


async def test_in_quiet_hours_it_waits_for_their_end_and_is_told_then() -> None:
    world = NotifierWorld(route(quiet=NIGHT))
    telling = NoticeTelling(world.deps)
    with pytest.raises(Later) as later:
        await telling.tell(notice(), delivery())
    assert (later.value.seconds, world.sender.sent) == (3_600, [])
    world.clock.advance(3_600)
    await telling.tell(notice(), delivery(2))
    assert world.sender.sent == [(notice(),)]
    assert world.count("possible_repeats", route="desk") == 0


@pytest.mark.parametrize(("severity", "deliveries"), [("critical", 1), ("warning", LAST)])
async def test_what_is_critical_or_would_be_given_up_is_told_in_quiet_hours_too(severity: str, deliveries: int) -> None:
    world = NotifierWorld(route(quiet=NIGHT))
    given = notice(severity=severity)
    await NoticeTelling(world.deps).tell(given, delivery(deliveries))
    assert world.sender.sent == [(given,)]


async def test_a_delivery_that_ended_elsewhere_may_have_been_told() -> None:
    world = NotifierWorld(sender=FakeSender([Undelivered("answered 503")]))
    telling = NoticeTelling(world.deps)
    with pytest.raises(Later):
        await telling.tell(notice(), delivery())
    await telling.tell(notice(), delivery(2))
    assert world.count("possible_repeats", route="desk") == 0
    await telling.tell(notice(2), delivery(2))
    assert world.count("possible_repeats", route="desk") == 1
