"""A browser before the page of a running product: Debian's Chromium, driven by Playwright."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

from playwright.async_api import Browser, Page, TimeoutError, WebSocketRoute, async_playwright

from cli.project import ROOT
from tests.wanted import want

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
BUILT = ROOT / "build" / "page"
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = 60_000  # finds what never comes; a slow machine is not it
SERIOUS = """async () => (await axe.run()).violations
  .filter((one) => ['serious', 'critical'].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)}`)"""


def chromium() -> Path:
    """The test is skipped by name where it, or what drives it, is missing."""
    found = shutil.which("chromium")
    want("chromium", found is not None and find_spec("playwright") is not None, "Debian's package chromium")
    return Path(found or "")


def wanted() -> Path:
    """Chromium, and the page: the test is skipped by name where Node or its packages are missing."""
    found = chromium()
    subprocess.run(["sh", "tools/page.sh"], cwd=ROOT, check=True, capture_output=True)
    why = BUILT.with_name("page.why")
    want("chromium", BUILT.is_dir() and not why.exists(), why.read_text() if why.exists() else "the page is not built")
    return found


@dataclass
class Watched:
    """A page, what went wrong in it, and whom it asked."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def over(cls, page: Page) -> "Watched":
        watched = cls(page)
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: watched.hosts.add(request.url.split("/")[2]))
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("console", lambda said: watched.errors.append(said.text) if "Content Security" in said.text else None)
        return watched

    async def open(self, name: str) -> None:
        """One of the pages, and what it loads."""
        await self.page.evaluate("address => { location.hash = address }", f"/{name}")
        try:
            await self.page.wait_for_function(
                "() => document.querySelector('main h1') && !document.querySelector('[aria-busy=true]')"
            )
        except TimeoutError as error:
            raise AssertionError(f"{name} is not there: {await self.page.inner_text('main')}") from error

    async def sign_in(self, url: str, key: str) -> None:
        await self.page.goto(url)
        await self.page.fill("input[type=password]", key)
        await self.page.click("button.main")

    async def fits(self) -> None:
        """Nothing is wider than the window, once what was drawn has followed its size."""
        await self.page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")

    async def cells(self, table: str) -> list[list[str]]:
        """What a table says, row by row."""
        rows = self.page.get_by_role("region", name=table, exact=True).locator("tbody tr")
        return [await row.locator("td").all_inner_texts() for row in await rows.all()]

    async def serious(self) -> list[str]:
        """What axe calls serious or critical on what is shown."""
        await self.page.evaluate(AXE.read_text())
        return list(await self.page.evaluate(SERIOUS))


@dataclass
class Line:
    """The streams of a page, each through this process, which can cut it: the addresses, and what came of decisions."""

    addresses: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    _ends: tuple[WebSocketRoute, ...] = ()

    @classmethod
    async def of(cls, page: Page) -> "Line":
        line = cls()
        await page.route_web_socket("**/api/v1/stream*", line._take)
        return line

    async def cut(self) -> None:
        ends, self._ends = self._ends, ()
        assert ends
        for end in ends:
            await end.close(code=1011, reason="the line was cut")

    def _take(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        ends = self._ends = (socket, server)
        self.addresses.append(socket.url)

        def pass_on(message: str | bytes) -> None:
            if ends is self._ends:  # what is on its way when the line is cut arrives nowhere
                self.decisions.extend(decided(message))
                socket.send(message)

        server.on_message(pass_on)


def decided(message: str | bytes) -> list[str]:
    """What an event says, if it is about a decision. Its id is a place in all streams, different on each line."""
    event = json.loads(message)
    return [json.dumps([event["type"], event["data"]], sort_keys=True)] if event.get("channel") == "decisions" else []


def number(shown: str) -> Decimal:
    """A figure of the page, as the API would write it."""
    return Decimal(shown.replace(",", "").replace("−", "-"))


@contextlib.asynccontextmanager
async def browser(find: Callable[[], Path] = wanted) -> AsyncIterator[Browser]:
    path = await asyncio.to_thread(find)
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(
            executable_path=str(path), args=FLAGS, env={**os.environ, "TZ": "America/New_York"}
        )
        try:
            yield made
        finally:
            await made.close()
