"""Events become notices, one for each route that takes them; each notice goes to its receiver by itself."""

from collections import OrderedDict
from datetime import UTC, datetime

from libs.runtime.delivered import Delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Later, Poison
from libs.runtime.failpoints import hit
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.notices import TEST, Notice, NoticeSettled
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import NOTIFIER_NOTICES
from services.notifier.domain.texts import notice_of
from services.notifier.ports import Deps, Undelivered

LONGEST_S = 300.0
REMEMBERED = 10_000


def back_off(deliveries: int) -> float:
    """Seconds until a receiver that did not take it is asked again."""
    return min(LONGEST_S, 2.0 ** min(deliveries, 10))


async def told_of(deps: Deps, body: Message, info: Delivered) -> list[Emit]:
    """A notice for each route that takes the event; none for one that is too old to be news."""
    stored = datetime.fromtimestamp(info.published_ns / 1e9, UTC)
    if deps.clock.wall() - stored > deps.oldest:
        deps.meter.too_old()
        return []
    made = ((route, notice_of(body, name)) for name, route in deps.routes.items())
    notices = (
        notice
        for route, notice in made
        if notice is not None and route.takes(notice.kind, notice.severity, notice.account_id)
    )
    return [Emit(subjects.notice_requested(notice.route), notice) for notice in notices]


class NoticeTelling:
    """Notices on their way. It remembers which deliveries of a notice ended here, to tell those that did not."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._ended: OrderedDict[str, int] = OrderedDict()

    async def tell(self, notice: Notice, info: Delivered) -> Emit:
        """What came of it. Raises Later to try again, Poison where that is of no use."""
        teller = self._deps.tellers.get(notice.route)
        if teller is None:
            return self._given_up(notice, f"there is no route {notice.route} in notifications.yaml")
        self._wait_for_the_end_of_quiet(notice, info)
        if info.deliveries > 1 + self._ended.get(notice.notice_id, 0):
            self._deps.meter.may_repeat(notice.route)
        try:
            await teller.tell(notice)
        except Undelivered as error:
            return self._not_taken(notice, info, error)
        hit("notifier.after_send")
        self._ended.pop(notice.notice_id, None)
        self._deps.meter.settled(notice.route, "sent")
        return self._settled(notice, "sent")

    def _wait_for_the_end_of_quiet(self, notice: Notice, info: Delivered) -> None:
        """The last delivery is made in any case: after it the server would give the notice up."""
        quiet = self._deps.routes[notice.route].quiet
        left = quiet.left(notice.severity, self._deps.clock.wall()) if quiet else 0.0
        if left and notice.kind != TEST and info.deliveries < NOTIFIER_NOTICES.max_deliver:
            self._remember(notice)
            self._deps.meter.settled(notice.route, "quiet")
            raise Later(left)

    def _not_taken(self, notice: Notice, info: Delivered, error: Undelivered) -> Emit:
        detail = f"{self._deps.routes[notice.route].service}: {error}"
        if notice.kind == TEST or error.final or info.deliveries >= NOTIFIER_NOTICES.max_deliver:
            return self._given_up(notice, detail)
        self._remember(notice)
        self._deps.meter.settled(notice.route, "failed")
        raise Later(max(back_off(info.deliveries), error.after))

    def _given_up(self, notice: Notice, detail: str) -> Emit:
        """A test says so; anything else is put aside, from where it can be sent once the route is mended."""
        self._ended.pop(notice.notice_id, None)
        if notice.kind == TEST:
            self._deps.meter.settled(notice.route, "failed")
            return self._settled(notice, "failed", detail)
        self._deps.meter.settled(notice.route, "dead")
        raise Poison(DeadLetterCode.UNDELIVERED, f"{notice.route}: {detail}"[:4_000])

    def _remember(self, notice: Notice) -> None:
        self._ended[notice.notice_id] = self._ended.get(notice.notice_id, 0) + 1
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)

    def _settled(self, notice: Notice, outcome: str, detail: str = "") -> Emit:
        body = NoticeSettled(
            notice_id=notice.notice_id,
            event_id=notice.event_id,
            route=notice.route,
            outcome="sent" if outcome == "sent" else "failed",
            detail=detail[:500],
            at=self._deps.clock.wall(),
        )
        return Emit(subjects.notice_settled(notice.route), body)
