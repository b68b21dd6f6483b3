"""Answers each message of `TEST_DURABLE`; `TEST_SECONDS` long, in `TEST_COPIES` copies."""

import asyncio
import logging
import os

from faststream.nats import NatsRouter

from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.runtime.failpoints import hit
from libs.runtime.settings import RuntimeSettings
from libs.runtime.worker import Worker, run
from libs.schemas.analytics import Alert
from tests.integration.runtime.messages import DURABLES, INBOX, result

log = logging.getLogger(__name__)


async def on_alert(body: Alert) -> Emit:
    info = delivered()
    log.info("handling", extra={"alert": body.alert_id, "deliveries": info.deliveries})
    hit("test.in_hand")
    await asyncio.sleep(float(os.environ.get("TEST_SECONDS", "0")))
    log.info("handled", extra={"alert": body.alert_id})
    return result(body)


def create_app() -> Worker:
    worker = Worker("echo", RuntimeSettings())
    router = NatsRouter()
    wanted = os.environ.get("TEST_DURABLE", INBOX.name)
    durable = next(durable for durable in DURABLES if durable.name == wanted)
    consume(router, durable, on_alert, concurrency=int(os.environ.get("TEST_COPIES", "1")))
    worker.include(router)
    return worker


if __name__ == "__main__":
    run(create_app)
