"""Apprise's services, over a server on this machine."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.notifier.adapters.apprise import AppriseSender
from services.notifier.domain.routes import RoutesError
from services.notifier.ports import Undelivered
from tests.fakes.notifier_ports import notice
from tests.fakes.receiver import Receiver, receiver
from tests.pace import PATIENCE_S


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(2)
    yield pool
    pool.shutdown(wait=True)


def address(fake: Receiver) -> str:
    return fake.url.replace("http://", "json://")


async def test_several_notices_are_one_message(threads: ThreadPoolExecutor) -> None:
    async with receiver() as phone:
        await AppriseSender(address(phone), threads, PATIENCE_S).send((notice(1), notice(2)))
    (got,) = phone.got
    told = json.loads(got.body)
    assert (told["title"], told["type"]) == ("WARNING 2 events", "warning")
    assert told["message"].splitlines()[0].startswith("WARNING drawdown limit of main: alert number 1")


async def test_what_the_service_did_not_take_may_be_tried_again(threads: ThreadPoolExecutor) -> None:
    async with receiver() as phone:
        phone.script.append(500)
        sender = AppriseSender(address(phone), threads, PATIENCE_S)
        with pytest.raises(Undelivered, match=r"^answered 500$") as error:
            await sender.send((notice(),))
    assert (len(phone.got), error.value.final) == (1, False)


async def test_a_receiver_that_hangs_holds_up_no_other(threads: ThreadPoolExecutor) -> None:
    async with receiver() as hanging, receiver() as phone:
        hanging.script.append(None)
        slow = AppriseSender(f"{address(hanging)}?rto=60", threads, 0.3)
        with pytest.raises(Undelivered, match=r"^no answer within 0\.3 s$"):
            await slow.send((notice(),))
        with pytest.raises(Undelivered, match=r"^an earlier attempt has not ended yet$"):
            await slow.send((notice(),))
        quick = AppriseSender(address(phone), threads, PATIENCE_S)
        await quick.send((notice(),))
        assert (len(hanging.got), len(phone.got)) == (1, 1)


async def test_nobody_there_is_said_and_no_address_is_logged(
    threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    sender = AppriseSender("json://user:word-of-mine@127.0.0.1:1/path-of-mine", threads, PATIENCE_S)
    with pytest.raises(Undelivered, match=r"^the service did not take it$"):
        await sender.send((notice(),))
    assert "of-mine" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("text", ["nothing://token-of-mine", "tgram://", "token-of-mine", ""])
async def test_an_address_that_apprise_does_not_know_is_refused_without_being_shown(
    threads: ThreadPoolExecutor, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RoutesError) as error:
        AppriseSender(text, threads, 1)
    assert str(error.value) == "apprise: no service takes this address: compare it with docs/notifications.md"
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "tgram://123456789:abcdefg_hij/123",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "mailtos://me:a%2Fb%40c@example.com?smtp=smtp.example.com&to=me@example.com",
    ],
)
async def test_the_services_of_the_document_are_known(threads: ThreadPoolExecutor, text: str) -> None:
    AppriseSender(text, threads, 1)
