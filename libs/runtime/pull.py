"""The pull loop of a durable: one message asked for at a time, and none that lies forgotten in this process.

It stands in for FastStream's own loop, which strands what the server sent while it stops (nobody handles it until its
ack_wait is over), goes on asking while the connection is away (all of it is answered at once afterwards), makes a
missing durable anew with settings of its own, and spins without a pause once a durable is gone.
Trap: private methods of FastStream are overridden here; its version is pinned, and test_stop.py and test_pulls.py of
tests/integration/runtime fail when they no longer mean what they meant.
"""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any, cast

import nats.errors
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.aio.msg import Msg

from libs.runtime.bus import NATS_AWAY
from libs.runtime.ending import end
from libs.schemas.topology import Durable

PULL_S = 0.5  # how long a request stays at the server, and so the longest that an idle stop takes
ANSWER_S = PULL_S + 0.5  # the server answers by then, unless it or the connection is gone
POLL_S = 0.05
PAUSES_S = (0.05, 0.2, 0.5, 1.0)
ACK_PREFIX = "$JS.ACK."
ORDINARY = frozenset({"404", "408"})  # nothing there; time is over
GIVEN_UP: tuple[type[Exception], ...] = (TimeoutError, *NATS_AWAY)
_REQUEST = json.dumps({"batch": 1, "expires": int(PULL_S * 1e9)}).encode()
log = logging.getLogger(__name__)


class Pull(PullStreamSubscriber):
    """FastStream's pull subscriber with our loop. Made of a registered one by `take_over`."""

    durable: Durable
    subscription: Any
    _inbox: str
    _requests: int
    _wanted: asyncio.Future[Msg | None] | None

    @classmethod
    def take_over(cls, subscriber: Any, durable: Durable) -> "Pull":
        """Turn the subscriber that FastStream made for `durable` into one of ours."""
        subscriber.__class__ = cls
        subscriber.durable, subscriber._wanted, subscriber._requests = durable, None, 0
        return cast("Pull", subscriber)

    async def _create_subscription(self) -> None:
        """Subscribe and begin to ask. The durable is not looked up and never created: provisioning owns it."""
        if self.subscription:
            return
        self._inbox = self.connection.new_inbox()
        self.subscription = await self.connection.subscribe(f"{self._inbox}.*", cb=self._arrived)
        self.add_task(self._loop)

    async def stop(self) -> None:
        """Return when the message in hand is finished, or cancelled after the grace.

        Trap: to unsubscribe does not take back a request. A message that the server has already chosen for it would be
        sent to nobody, so the subscription stays until the request has its answer.
        """
        self.running = False
        if self._wanted is not None and not self._wanted.done() and not self.connection.is_connected:
            self._wanted.set_result(None)
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=self._outer_config.graceful_timeout)
            await end(late)
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            with suppress(nats.errors.Error):  # the connection is gone, and the subscription with it
                await subscription.unsubscribe()
        await super().stop()

    async def _arrived(self, msg: Msg) -> None:
        """Give an answer to the request that waits for it; a message that nobody waits for goes back at once."""
        wanted, message = self._wanted, msg.reply.startswith(ACK_PREFIX)
        if not message and msg.subject != f"{self._inbox}.{self._requests}":
            return  # the end of a former request
        if wanted is not None and not wanted.done():
            wanted.set_result(msg)
        elif message:
            await self._hand_back(msg)

    async def _hand_back(self, msg: Msg) -> None:
        with suppress(*NATS_AWAY):  # then it comes back by itself when its ack_wait is over
            await msg.nak()

    async def _loop(self) -> None:
        refusals = 0
        while self.running:
            if not self.connection.is_connected:
                await asyncio.sleep(POLL_S)
                continue
            answer = await self._ask()
            if answer is None:
                continue
            if answer.reply.startswith(ACK_PREFIX):
                refusals = 0
                if not self.running:
                    await self._hand_back(answer)
                    return
                await self.consume(answer)
                continue
            status = (answer.headers or {}).get("Status", "")
            refusals = 0 if status in ORDINARY else refusals + 1
            if refusals:
                await self._refused(answer, refusals)

    async def _ask(self) -> Msg | None:
        """One message or status from the server; None when there was no answer or this subscriber stops."""
        self._requests += 1
        self._wanted = asyncio.get_running_loop().create_future()
        try:
            await self.connection.publish(self._next, _REQUEST, reply=f"{self._inbox}.{self._requests}")
            return await asyncio.wait_for(self._wanted, ANSWER_S)
        except GIVEN_UP:
            return None
        finally:
            self._wanted = None

    @property
    def _next(self) -> str:
        return f"$JS.API.CONSUMER.MSG.NEXT.{self.durable.stream}.{self.durable.name}"

    async def _refused(self, answer: Msg, refusals: int) -> None:
        """A durable that is gone is seen by the worker's watch; until then this must not ask without a pause."""
        if refusals == 1:
            log.warning("%s cannot be pulled from now: %s", self.durable.name, dict(answer.headers or {}))
        await asyncio.sleep(PAUSES_S[min(refusals, len(PAUSES_S)) - 1])
