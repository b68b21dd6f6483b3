"""Webhooks, over a server on this machine."""

from collections.abc import AsyncIterator

import httpx
import pytest

from libs.runtime.clock import WallClock
from services.notifier.adapters.webhook import WebhookSender
from services.notifier.domain.routes import RoutesError
from services.notifier.domain.signing import secret_of
from services.notifier.domain.texts import payload
from services.notifier.ports import Undelivered
from tests.fakes.notifier_ports import notice
from tests.fakes.receiver import SECRET, Receiver, receiver
from tests.pace import PATIENCE_S


@pytest.fixture
async def desk() -> AsyncIterator[Receiver]:
    async with receiver() as fake:
        yield fake


async def send(desk: Receiver, *, secret: bytes | None = None, timeout_s: float = PATIENCE_S, url: str = "") -> None:
    async with httpx.AsyncClient(timeout=timeout_s, verify=False) as client:  # reading all roots takes its time
        await WebhookSender(url or desk.url, secret, client, WallClock(), timeout_s).send((notice(),))


async def refused(desk: Receiver, **more: float) -> Undelivered:
    with pytest.raises(Undelivered) as error:
        await send(desk, timeout_s=more.get("timeout_s", PATIENCE_S))
    return error.value


async def test_an_event_is_posted_under_its_id_and_signed(desk: Receiver) -> None:
    await send(desk, secret=secret_of(SECRET))
    (got,) = desk.got
    assert (got.path, got.event_id, got.body) == ("/hook", notice().event_id, payload(notice()))
    assert got.is_signed()
    assert not got.is_signed(SECRET[:-8] + "AAAAAAA=")


async def test_without_a_key_it_is_not_signed(desk: Receiver) -> None:
    await send(desk)
    assert "webhook-signature" not in desk.got[0].headers


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503])
async def test_what_may_pass_is_tried_again(desk: Receiver, status: int) -> None:
    desk.script.append(status)
    error = await refused(desk)
    assert (str(error), error.final, error.after) == (f"answered {status}", False, 0)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 422])
async def test_what_will_not_pass_is_final(desk: Receiver, status: int) -> None:
    desk.script.append((status, {"location": desk.url}))
    error = await refused(desk)
    assert (str(error), error.final, len(desk.got)) == (f"answered {status}", True, 1)


@pytest.mark.parametrize(("said", "after"), [("120", 120), ("99999", 3_600), ("soon", 0), ("-5", 0), ("1e9", 0)])
async def test_a_receiver_may_ask_for_time_within_reason(desk: Receiver, said: str, after: float) -> None:
    desk.script.append((429, {"retry-after": said}))
    assert (await refused(desk)).after == after


async def test_a_receiver_that_does_not_answer_is_given_up_for_now(desk: Receiver) -> None:
    desk.script.append(None)
    error = await refused(desk, timeout_s=0.2)
    assert (str(error)[:9], error.final) == ("no answer", False)


async def test_nobody_there_is_no_answer_and_the_address_is_not_told(desk: Receiver) -> None:
    with pytest.raises(Undelivered) as error:
        await send(desk, url="http://user:secret@127.0.0.1:1/hook")
    assert (str(error.value), error.value.final) == ("no answer (ConnectError)", False)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_%%%", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_")])
def test_what_is_no_signing_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(RoutesError) as error:
        secret_of(text)
    assert str(error.value).startswith("key is no signing key: write whsec_ and 24 to 64 random bytes")
