"""Watches that end a process which looks alive and is not."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import nats.js.errors

from libs.runtime import exits
from libs.runtime.bus import NATS_RETRY, Bus
from libs.schemas.topology import Durable

CHECK_EVERY_S = 60.0
PAUSE_S = 1.0
FROZEN_AFTER_S = 20.0
log = logging.getLogger(__name__)


async def watch_durables(bus: Bus, durables: Callable[[], Iterable[Durable]], doubted: asyncio.Event) -> None:
    """End the process when one of its durables was deleted: pulling from it gives nothing for ever, and no error.

    Looked at when a puller was refused, and from time to time whatever is heard.
    """
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(doubted.wait(), CHECK_EVERY_S)
        doubted.clear()
        for durable in durables():
            try:
                await bus.js.consumer_info(durable.stream, durable.name)
            except nats.js.errors.NotFoundError:
                log.critical("the durable %s of %s is gone; provision with `perpetua up`", durable.name, durable.stream)
                os._exit(exits.DURABLE_GONE)
            except NATS_RETRY as error:
                log.warning("cannot look at %s: %r", durable.name, error)
                break
        await asyncio.sleep(PAUSE_S)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """End the process when the event loop does not turn for 20 s: it would hold messages and answer nobody."""
    turned = time.monotonic()

    def turn() -> None:
        nonlocal turned
        turned = time.monotonic()
        loop.call_later(1.0, turn)

    def watch() -> None:
        nonlocal turned
        before = time.monotonic()
        while True:
            time.sleep(1.0)
            now = time.monotonic()
            if now - before > 5:  # this thread stood still too: the whole process was stopped, not its loop
                turned = now
            before = now
            if now - turned > FROZEN_AFTER_S:
                log.critical("the event loop has not turned for %.0f s", now - turned)
                os._exit(exits.LOOP_FROZEN)

    turn()
    threading.Thread(target=watch, name="loop-watch", daemon=True).start()
