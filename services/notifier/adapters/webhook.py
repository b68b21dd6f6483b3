"""Programs: one POST for each event, signed where the route has a key."""

import asyncio
from collections.abc import Sequence

import httpx

from libs.runtime.clock import Clock
from libs.schemas.notices import Notice
from services.notifier.domain.signing import headers
from services.notifier.domain.texts import payload
from services.notifier.ports import Undelivered

AGAIN = frozenset({408, 409, 425, 429})  # of the client's errors, those that may pass by themselves
LONGEST_ASKED_S = 3_600.0


class WebhookSender:
    def __init__(
        self, url: str, secret: bytes | None, client: httpx.AsyncClient, clock: Clock, timeout_s: float
    ) -> None:
        self._url = url
        self._secret = secret
        self._client = client
        self._clock = clock
        self._timeout_s = timeout_s

    async def send(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            await self._post(notice)

    async def _post(self, notice: Notice) -> None:
        body = payload(notice)
        made = headers(notice.event_id, body, self._secret, self._clock.wall())
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", self._url, content=body, headers=made) as response,
            ):
                status, after = response.status_code, response.headers.get("retry-after", "")
        except TimeoutError as error:
            raise Undelivered(f"no answer within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise Undelivered(f"no answer ({type(error).__name__})") from error
        if not 200 <= status < 300:
            raise Undelivered(f"answered {status}", final=_is_final(status), after=_seconds(after))


def _is_final(status: int) -> bool:
    """Redirections are not followed: what is signed for one address is not for another."""
    return 300 <= status < 500 and status not in AGAIN


def _seconds(text: str) -> float:
    return min(float(text), LONGEST_ASKED_S) if text.isascii() and text.isdigit() else 0.0
