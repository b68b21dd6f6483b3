"""Tests of routes: the notifier is asked to tell a test, as it tells anything else, and says what came of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from pydantic import ValidationError

from cli.connection import connected
from cli.errors import CliError
from libs.runtime.clock import WallClock
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.position import Start
from libs.runtime.reader import OrderedReader, Record
from libs.schemas import subjects
from libs.schemas.names import Key
from libs.schemas.notices import NoticeSettled
from services.notifier.domain.texts import trial_notice

PATIENCE_S = 30.0


async def try_routes(url: str, routes: Sequence[Key], patience_s: float = PATIENCE_S) -> AsyncIterator[NoticeSettled]:
    """What came of a test of each route, as it is known. CliError where the notifier does not say."""
    clock = WallClock()
    number = f"{clock.wall():%Y%m%dT%H%M%S.%fZ}"
    notices = {notice.notice_id: notice for notice in (trial_notice(route, number, clock.wall()) for route in routes)}
    settled: asyncio.Queue[NoticeSettled] = asyncio.Queue()

    def take(record: Record) -> None:
        try:
            settled.put_nowait(NoticeSettled.model_validate_json(record.data))
        except ValidationError:  # of a newer version: not the answer to this test
            return

    async with connected(url) as bus:
        filters = [subjects.notice_settled(route) for route in routes]
        reader = OrderedReader(bus, subjects.NOTICES.name, filters, take, start=Start.new())
        try:
            await reader.start()
            for notice in notices.values():
                await bus.publish(Emit(subjects.notice_requested(notice.route), notice))
            async with asyncio.timeout(patience_s):
                while notices:
                    outcome = await settled.get()
                    if notices.pop(outcome.notice_id, None):
                        yield outcome
        except TimeoutError as error:
            waiting = ", ".join(notice.route for notice in notices.values())
            raise CliError(
                f"the notifier has not said within {patience_s:g} s what became of {waiting}",
                "does it run? see `perpetua status`: it is started where routes are configured",
            ) from error
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error
        finally:
            await reader.stop()


def line(outcome: NoticeSettled) -> str:
    return f"{outcome.route}: {'sent' if outcome.outcome == 'sent' else f'not sent: {outcome.detail}'}"
