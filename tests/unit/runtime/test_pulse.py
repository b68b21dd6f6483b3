"""A store that answers beats; one that is away, or hangs, does not."""

import asyncio

from libs.runtime import pulse
from libs.runtime.pulse import Pulse


class Store:
    def __init__(self) -> None:
        self.away = self.hangs = False
        self.again = asyncio.Event()
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if self.away:
            raise ConnectionError
        if self.hangs:
            await self.again.wait()


async def becomes(watched: Pulse, beats: bool) -> None:
    async with asyncio.timeout(30):
        while watched.beats is not beats:  # noqa: ASYNC110 - the pulse is looked at, as /ready does
            await asyncio.sleep(0.01)


async def test_the_pulse_follows_the_store() -> None:
    store = Store()
    watched = Pulse("a store", store.ping, (ConnectionError,))
    assert not watched.beats
    await watched.start()
    await becomes(watched, True)
    store.away = True
    await becomes(watched, False)
    store.away = False
    await becomes(watched, True)
    store.hangs = True
    await becomes(watched, False)
    asked, store.hangs = store.asked, False
    await asyncio.sleep(0)
    assert store.asked == asked, "the one that hangs is waited for"
    store.again.set()
    await becomes(watched, True)
    await watched.stop()
    assert pulse.PATIENCE_S < 5
