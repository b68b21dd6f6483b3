"""The pulling of a durable: as many messages asked for as there are free places, and none that lies forgotten here.

It stands in for FastStream's own loop, which strands what the server sent while it stops (nobody handles it until its
ack_wait is over), goes on asking while the connection is away (all of it is answered at once afterwards), makes a
missing durable anew with settings of its own, and spins without a pause once a durable is gone. Messages do not go
through FastStream's own delivery either (docs/decisions/0049).
Trap: private methods of FastStream are overridden here; its version is pinned, and test_stop.py and test_pulls.py of
tests/integration/runtime fail when they no longer mean what they meant.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast

import nats.errors
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.aio.msg import Msg

from libs.runtime.alarm import Alarm
from libs.runtime.bus import NATS_AWAY
from libs.runtime.credits import Credits
from libs.runtime.ending import end
from libs.schemas.topology import Durable

REQUEST_S = 60.0  # how long a request stays at the server
BEAT_S = 5.0  # how often an idle request is heard of
SILENT_S = 2 * BEAT_S + 1  # then the server no longer knows it
LINGER_S = 0.25  # how long a stop waits for what the server has already chosen to send
POLL_S = 0.05
LOOK_S = 1.0
PULLER = "perpetua_puller"  # the key in FastStream's context
PAUSES_S = (0.05, 0.2, 0.5, 1.0)
ACK_PREFIX = "$JS.ACK."
HEARTBEAT = "100"
ORDINARY = frozenset({"404", "408"})  # nothing there; time is over
PENDING = "Nats-Pending-Messages"
log = logging.getLogger(__name__)


class Puller(Protocol):
    """The process around its durables."""

    def doubt(self) -> None:
        """The server refused a request: the durable may be gone."""

    def on_reconnect(self, callback: Callable[[], None]) -> None: ...
    def off_reconnect(self, callback: Callable[[], None]) -> None: ...


Take = Callable[
    [Any, Msg], Coroutine[Any, Any, None]
]  # of the process and a message: returns when that has its outcome


class Pull(PullStreamSubscriber):
    """FastStream's pull subscriber with our loop. Made of a registered one by `take_over`."""

    durable: Durable
    subscription: Any
    _take: Take
    _credits: Credits
    _hands: set[asyncio.Task[None]]
    _changed: Alarm
    _anew: bool
    _inbox: str
    _request: int
    _refusals: int
    _not_before: float
    _heard: float
    _ends_at: float

    @classmethod
    def take_over(cls, subscriber: Any, durable: Durable, places: int, take: Take) -> "Pull":
        """Turn the subscriber that FastStream made for `durable` into one of ours, with so many messages in hand."""
        subscriber.__class__ = cls
        subscriber.durable, subscriber._take, subscriber._credits = durable, take, Credits(places)
        subscriber._hands, subscriber._changed, subscriber._anew = set(), Alarm(), False
        subscriber._request = subscriber._refusals = 0
        subscriber._not_before = subscriber._heard = subscriber._ends_at = 0.0
        return cast("Pull", subscriber)

    @property
    def places(self) -> int:
        """How many messages it holds at once."""
        return self._credits.places

    @property
    def _puller(self) -> Any:
        return self._outer_config.context.get(PULLER)

    async def _create_subscription(self) -> None:
        """Subscribe and begin to ask. The durable is not looked up and never created: provisioning owns it."""
        if self.subscription:
            return
        await self._listen()
        self._puller.on_reconnect(self._reconnected)
        self.add_task(self._loop)

    async def _listen(self) -> None:
        """Hear answers in a new inbox: what was asked for in a former one goes nowhere, and is no longer sent."""
        before, self._anew = self.subscription, False
        self._credits.forget()
        self._inbox = self.connection.new_inbox()
        self.subscription = await self.connection.subscribe(f"{self._inbox}.*", cb=partial(self._arrived, self._inbox))
        if before is not None:
            await before.unsubscribe()

    def _reconnected(self) -> None:
        self._credits.forget()
        self._anew = True
        self._changed.set()

    async def stop(self) -> None:
        """Return when the messages in hand are finished, or cancelled after the grace.

        Trap: to unsubscribe does not take back a request. A message that the server has already chosen for it would be
        sent to nobody, so the subscription stays a moment in which nothing came.
        """
        self.running = False
        self._changed.set()
        if self.subscription is not None:
            self._puller.off_reconnect(self._reconnected)
            await self._linger()
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            with suppress(nats.errors.Error):  # the connection is gone, and the subscription with it
                await subscription.unsubscribe()
        if work := [*self.tasks, *self._hands]:
            _, late = await asyncio.wait(work, timeout=self._outer_config.graceful_timeout)
            await end(late)
        await super().stop()

    async def _linger(self) -> None:
        """Hand back what still comes, until all that was asked for has come or nothing has for a moment."""
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + LINGER_S
        while self._credits.asked and self.connection.is_connected and loop.time() < self._ends_at:
            self._changed.clear()
            await self._changed.within(self._ends_at - loop.time())

    async def _arrived(self, inbox: str, msg: Msg) -> None:
        """Begin the work on a message; one that nobody asked for, or that comes while stopping, goes back at once."""
        self._heard = asyncio.get_running_loop().time()
        if not msg.reply.startswith(ACK_PREFIX):
            if inbox == self._inbox:
                self._heard_of(msg)
        elif self._credits.take():
            self._refusals = 0
            if self.running:
                self._begin(msg)
            else:
                self._credits.free()
                self._changed.set()
                await self._hand_back(msg)
        else:
            await self._hand_back(msg)

    def _begin(self, msg: Msg) -> None:
        task = asyncio.create_task(self._take(self._puller, msg))
        self._hands.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._hands.discard(task)
        self._credits.free()
        self._changed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a message of %s is left to its next delivery", self.durable.name, exc_info=error)

    async def _hand_back(self, msg: Msg) -> None:
        """Not before this stop is over: it would be sent here again."""
        wait = max(0.0, self._ends_at - asyncio.get_running_loop().time())
        with suppress(*NATS_AWAY):  # then it comes back by itself when its ack_wait is over
            await msg.nak(delay=wait or None)

    def _heard_of(self, answer: Msg) -> None:
        """A heartbeat, or the end of a request."""
        headers = answer.headers or {}
        status = headers.get("Status", "")
        if status == HEARTBEAT:
            return
        left = headers.get(PENDING)
        self._credits.end(int(answer.subject.rpartition(".")[2]), int(left) if left else None)
        if status in ORDINARY:
            self._refusals = 0
        else:
            self._refused(headers)
        self._changed.set()

    def _refused(self, headers: Mapping[str, str]) -> None:
        """A durable that is gone is seen by the worker's watch; until then this must not ask without a pause."""
        self._refusals += 1
        if self._refusals == 1:
            log.warning("%s cannot be pulled from now: %s", self.durable.name, dict(headers))
        loop, pause = asyncio.get_running_loop(), PAUSES_S[min(self._refusals, len(PAUSES_S)) - 1]
        self._not_before = loop.time() + pause
        loop.call_later(pause, self._changed.set)
        self._puller.doubt()

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        while self.running:
            self._changed.clear()
            if not self.connection.is_connected:
                await asyncio.sleep(POLL_S)
                continue
            with suppress(*NATS_AWAY):  # the reconnect begins anew
                await self._ask(loop.time())
            await self._changed.within(LOOK_S)

    async def _ask(self, now: float) -> None:
        """Ask for what is free. A server that is silent has forgotten what it was asked for."""
        self._credits.sweep(now)
        if self._anew or (self._credits.asked and now - self._heard > SILENT_S):
            await self._listen()
        count = self._credits.wanted
        if not count or now < self._not_before:
            return
        if not self._credits.asked:
            self._heard = now
        self._request += 1
        self._credits.ask(self._request, count, now + REQUEST_S + 1)
        body = {"batch": count, "expires": int(REQUEST_S * 1e9), "idle_heartbeat": int(BEAT_S * 1e9)}
        await self.connection.publish(self._next, json.dumps(body).encode(), reply=f"{self._inbox}.{self._request}")

    @property
    def _next(self) -> str:
        return f"$JS.API.CONSUMER.MSG.NEXT.{self.durable.stream}.{self.durable.name}"
