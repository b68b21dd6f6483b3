"""The ways of all routes, made of their secrets."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from libs.runtime.clock import Clock
from libs.schemas.names import Key
from services.notifier.application.grouping import Grouped, Single
from services.notifier.domain.routes import NoticeRoute, RoutesError, filled, missing, web_address
from services.notifier.domain.signing import secret_of
from services.notifier.ports import Teller


class Ways:
    """A service of the worker: connections and threads that end with it."""

    def __init__(self, clock: Clock, timeout_s: float, threads: int) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(max(threads, 1), thread_name_prefix="apprise")
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False)
        self._grouped: list[Grouped] = []

    async def start(self) -> None:
        """Nothing to begin: the first notice does."""

    async def stop(self) -> None:
        """A thread that hangs is left to the end of the process."""
        await asyncio.gather(*(grouped.stop() for grouped in self._grouped))
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    def teller(self, name: Key, route: NoticeRoute, secrets: Mapping[str, str]) -> Teller:
        """Raises RoutesError for a route that leads nowhere; its text names no secret's value."""
        if lacking := missing(route, secrets):
            raise RoutesError(f"{name}: nothing is said for {', '.join(f'${{{one}}}' for one in lacking)}")
        try:
            return self._made(route, secrets)
        except RoutesError as error:
            raise RoutesError(f"{name}: {error}") from error

    def _made(self, route: NoticeRoute, secrets: Mapping[str, str]) -> Teller:
        if route.webhook is not None:
            from services.notifier.adapters.webhook import WebhookSender

            secret = secret_of(filled(route.key, secrets)) if route.key is not None else None
            url = web_address(filled(route.webhook, secrets))
            return Single(WebhookSender(url, secret, self._client, self._clock, self._timeout_s))
        from services.notifier.adapters.apprise import AppriseSender  # 15 MiB that a webhook does not need

        sender = AppriseSender(filled(route.apprise or "", secrets), self._threads, self._timeout_s)
        grouped = Grouped(sender, route.group_s)
        self._grouped.append(grouped)
        return grouped
