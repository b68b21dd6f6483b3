"""The connection to NATS of one process: it reconnects for ever, and a process that lost it for good ends."""

import logging
import os
from contextlib import suppress

import nats.errors
from faststream.nats import NatsBroker
from faststream.nats.broker.broker import UNRECOVERABLE_CONNECT_ERRORS
from faststream.security import BaseSecurity

from libs.runtime import exits
from libs.runtime.authorities import authorities
from libs.runtime.bus import Bus
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.settings import RuntimeSettings, inbox_of

DRAIN_S = 5  # the client waits this long at a stop for answers that a pull subscription never took
FORBIDDEN = "permissions violation"
log = logging.getLogger(__name__)


class Connection:
    """Makes the broker and the bus on it, and listens to what happens to the connection."""

    def __init__(self, settings: RuntimeSettings, metrics: DeliveryMetrics, name: str) -> None:
        self._ending = False
        self._metrics = metrics
        self._said = ""
        self._refused: set[str] = set()
        self.broker = NatsBroker(
            settings.nats_url,
            name=settings.instance,
            inbox_prefix=inbox_of(settings.nats_url, settings.nats_inbox),
            security=_security(settings.nats_ca),
            graceful_timeout=settings.graceful_timeout,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=10,
            max_outstanding_pings=2,
            pending_size=8 * 1024 * 1024,
            drain_timeout=DRAIN_S,
            closed_cb=self._closed,
            reconnected_cb=self._reconnected,
            error_cb=self._error,
            logger=None,
        )
        self.bus = Bus(self.broker, name)

    def expect_close(self) -> None:
        """From here on a closed connection is the orderly end."""
        self._ending = True

    async def close(self) -> None:
        """Send what is left and close; at once when the server is away."""
        connection = self.broker._connection
        if connection is None:
            return
        if connection.is_connected:
            await self.broker.stop()
        else:
            with suppress(RuntimeError):  # nats-py sends what is pending, by a transport that is closed already
                await connection.close()

    async def _closed(self) -> None:
        if not self._ending:
            log.critical("the connection to NATS is closed for good; ending, so that the supervisor starts me again")
            os._exit(exits.NATS_CLOSED)

    async def _reconnected(self) -> None:
        self._said = ""
        self._metrics.reconnects.inc()
        await self.bus.reconnected()

    async def _error(self, error: Exception) -> None:
        """Errors of the connection, each said once, and of callbacks on it, which nobody else would see."""
        if not isinstance(error, OSError | TimeoutError | nats.errors.Error):
            log.error("a callback of the NATS connection failed", exc_info=error)
            return
        reason = str(error).removeprefix("nats: ").strip("'").lower()
        if reason in UNRECOVERABLE_CONNECT_ERRORS and not self._ending:
            # FastStream raises these out of this callback, and nats-py then never tries again, without a word.
            log.critical("NATS refuses this process: %s; check NATS_URL and its user", reason)
            os._exit(exits.NATS_CLOSED)
        if reason.startswith(FORBIDDEN):
            if reason not in self._refused:
                self._refused.add(reason)
                log.error("NATS refuses this user: %s; see its row in libs/schemas/rights.py", reason)
            return
        if repr(error) != self._said:
            self._said = repr(error)
            log.warning("NATS: %s", self._said)


def _security(file: str) -> BaseSecurity | None:
    context = authorities(file)
    return BaseSecurity(ssl_context=context) if context else None
