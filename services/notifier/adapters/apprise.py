"""Whatever Apprise knows: chats, e-mail, telephones. Its calls block, so that each runs in a thread."""

import asyncio
import logging
import re
import threading
from collections.abc import Sequence
from concurrent.futures import Executor

import apprise

from libs.schemas.notices import Notice, Severity
from services.notifier.domain.routes import RoutesError
from services.notifier.domain.texts import together
from services.notifier.ports import Undelivered

TYPES: dict[Severity, apprise.NotifyType] = {
    "info": apprise.NotifyType.INFO,
    "warning": apprise.NotifyType.WARNING,
    "critical": apprise.NotifyType.FAILURE,
}

STATUS = re.compile(r"error=(\d{3})\b")
# What Apprise logs may hold addresses, and urllib3 paths with tokens: of both nothing is kept but the status below.
LIBRARY = logging.getLogger("apprise")
LIBRARY.propagate = False
LIBRARY.addHandler(logging.NullHandler())
LIBRARY.setLevel(logging.WARNING)
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class _Heard(logging.Handler):
    """The status of HTTP that Apprise logs of a call, in the thread of the call."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.status = ""

    def emit(self, record: logging.LogRecord) -> None:
        match = STATUS.search(record.getMessage())
        if match and record.thread == self._thread:
            self.status = match[1]


class AppriseSender:
    """One receiver, one call at a time: a receiver that hangs holds one thread, and none of another route's.

    Raises RoutesError, without the address, for one that Apprise does not know.
    """

    def __init__(self, url: str, threads: Executor, timeout_s: float) -> None:
        asset = apprise.AppriseAsset(
            app_id="Perpetua",
            app_desc="Perpetua",
            app_url="",
            image_url_mask="",
            image_url_logo="",
            async_mode=False,
            secure_logging=True,
            service_timeout=0,  # else calls share six threads of Apprise, which six receivers that hang would fill
        )
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            raise RoutesError("apprise: no service takes this address: compare it with docs/notifications.md")
        self._apprise = apprise.Apprise(service, asset=asset)
        self._threads = threads
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._call: asyncio.Future[str | None] | None = None

    async def send(self, notices: Sequence[Notice]) -> None:
        title, text, severity = together(notices)
        async with self._turn:
            if self._call is not None and not self._call.done():
                raise Undelivered("an earlier attempt has not ended yet")
            loop = asyncio.get_running_loop()
            self._call = loop.run_in_executor(self._threads, self._notify, title, text, severity)
            ended, _ = await asyncio.wait({self._call}, timeout=self._timeout_s)
        if not ended:
            raise Undelivered(f"no answer within {self._timeout_s:g} s")
        if (refusal := ended.pop().result()) is not None:
            raise Undelivered(refusal)

    def _notify(self, title: str, text: str, severity: Severity) -> str | None:
        """Why it was not taken; None where it was."""
        heard = _Heard()
        LIBRARY.addHandler(heard)
        try:
            sent = self._apprise.notify(
                body=text, title=title, notify_type=TYPES[severity], body_format=apprise.NotifyFormat.TEXT
            )
        finally:
            LIBRARY.removeHandler(heard)
        if sent:
            return None
        return f"answered {heard.status}" if heard.status else "the service did not take it"
