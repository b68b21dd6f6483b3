"""Every sender keeps the port's promises: the fake, a webhook, a service of Apprise."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from libs.runtime.clock import WallClock
from services.notifier.adapters.apprise import AppriseSender
from services.notifier.adapters.webhook import WebhookSender
from services.notifier.ports import Sender, Undelivered
from tests.fakes.notifier_ports import FakeSender, notice
from tests.fakes.receiver import receiver
from tests.pace import PATIENCE_S


@dataclass
class SenderBench:
    """`refuse` makes the receiver refuse once; `asked` is how many messages it got, or took if it is a fake."""

    sender: Sender
    refuse: Callable[[], None]
    asked: Callable[[], int]


@pytest.fixture(params=["fake", "webhook", "apprise"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[SenderBench]:
    if request.param == "fake":
        fake = FakeSender()
        yield SenderBench(fake, lambda: fake.refusals.append(Undelivered("answered 503")), lambda: len(fake.sent))
        return
    async with receiver() as there, httpx.AsyncClient() as client:
        with ThreadPoolExecutor(1) as threads:
            address = there.url.replace("http", "json", 1)
            sender: Sender = (
                WebhookSender(there.url, None, client, WallClock(), PATIENCE_S)
                if request.param == "webhook"
                else AppriseSender(address, threads, PATIENCE_S)
            )
            yield SenderBench(sender, lambda: there.script.append(503), lambda: len(there.got))


async def test_it_returns_when_the_receiver_has_taken_it(bench: SenderBench) -> None:
    await bench.sender.send((notice(),))
    assert bench.asked() == 1


async def test_a_refusal_is_raised_without_an_address_and_may_pass(bench: SenderBench) -> None:
    bench.refuse()
    with pytest.raises(Undelivered) as error:
        await bench.sender.send((notice(),))
    assert (str(error.value), error.value.final) == ("answered 503", False)
