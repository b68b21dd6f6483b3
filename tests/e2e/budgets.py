"""What the page costs its reader's machine, measured in Chromium before a gateway that only talks.

Times are of the page's own thread: what else runs on the machine is not in them. Only a task's length is by the clock.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page

from tests.e2e.browsing import BUILT, Watched, browser
from tests.fakes.desk import FakeDesk, fake_desk

LONG_TASKS = """() => {
  window.longest = 0
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration)
  }).observe({ type: 'longtask', buffered: true })
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
ROWS = "() => document.querySelectorAll('tbody tr').length"
NODES = "() => document.querySelectorAll('*').length"
AT_ONCE = 500  # events under way: a slow page is waited for, not given up


@dataclass
class Measured:
    """A page before a desk that says what it is told to."""

    watched: Watched
    desk: FakeDesk
    chromium: CDPSession

    @property
    def page(self) -> Page:
        return self.watched.page

    async def figures(self) -> dict[str, float]:
        answer = await self.chromium.send("Performance.getMetrics")
        return {one["name"]: one["value"] for one in answer["metrics"]}

    async def hears(self, events: int, per_s: float | None = None) -> None:
        """So many events, in a second or as fast as they are taken; returns when the page has dealt with them."""
        began = time.monotonic()
        for number in range(events):
            await self.desk.happens(number)
            if per_s is not None:
                await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
            elif number % AT_ONCE == 0:
                await self._heard()
        await self._heard()

    async def _heard(self) -> None:
        """All that was said: the page shows the last thing, and then that it goes on."""
        for log, shown in (("silent", "log silent"), ("heard", "live")):
            await self.desk.say("stream.heartbeat", None, None, {"log": log})
            await self.page.wait_for_selector(f".tag:has-text('{shown}')")

    async def scripting_ms(self, events: int, per_s: float) -> float:
        """Of one event, all that follows it included."""
        before = (await self.figures())["ScriptDuration"]
        await self.hears(events, per_s)
        return ((await self.figures())["ScriptDuration"] - before) * 1000 / events

    async def longest_task_ms(self) -> float:
        """Since the page was opened, by the clock; 0 where none took 50 ms."""
        return float(await self.page.evaluate("() => window.longest"))

    async def heap_mb(self) -> float:
        await self.chromium.send("HeapProfiler.collectGarbage")
        return (await self.figures())["JSHeapUsedSize"] / 1e6

    async def nodes(self) -> int:
        return int(await self.page.evaluate(NODES))

    async def all_older(self) -> int:
        """Asks for older decisions until the page gives no more; how many it shows."""
        older = self.page.get_by_role("button", name="Older ones")
        while await older.count():
            rows = await self.page.evaluate(ROWS)
            await older.click()
            await self.page.wait_for_function(f"rows => ({ROWS})() > rows", arg=rows)
        return int(await self.page.evaluate(ROWS))

    async def first_paint_ms(self) -> float:
        return float(await self.page.evaluate(PAINTED))


@contextlib.asynccontextmanager
async def measured() -> AsyncIterator[Measured]:
    """Signed in, with everything there; nothing has been said yet."""
    async with browser() as chromium, fake_desk(BUILT) as desk:
        page = await chromium.new_page(viewport={"width": 1280, "height": 900})
        watched = Watched.over(page)
        await page.add_init_script(f"({LONG_TASKS})()")
        tools = await page.context.new_cdp_session(page)
        await tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        await watched.sign_in(desk.url, "perp_fake")
        await page.wait_for_selector(".tag:has-text('live')")
        await watched.open("overview")
        yield Measured(watched, desk, tools)
        assert watched.errors == []
