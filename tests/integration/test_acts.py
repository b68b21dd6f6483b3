"""Acts by hand from the API and the command line to the executor's account: done, refused, and told within a second."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.ask.acts import act_on, cancel
from cli.commands.root import app
from cli.errors import CliError
from libs.schemas import subjects
from libs.schemas.acts import CloseAct, StopAct
from libs.schemas.names import key_of
from tests.fakes import executor_values as values
from tests.integration.executing import ACCOUNT, ENTRY, World, has_events, now_validated, until
from tests.integration.test_controls import gateway

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[World]:
    made = World(nats_url, mongo_url, mongo_db_name)
    await made.start()
    yield made
    await made.stop()


async def test_a_person_moves_halves_and_closes_a_position_and_is_told_what_came_of_it(world: World) -> None:
    async with world.executor(), gateway(world) as api:
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        held = f"/accounts/{ACCOUNT}/positions/{values.SYMBOL}"

        moved = await _done(api, f"{held}/stop", price="49500")
        assert (moved["message"], moved["position"]["stop_loss"]) == ("the stop of BTCUSDT is at 49500", "49500.0")
        halved = await _done(api, f"{held}/close", share=0.5)
        assert Decimal(halved["position"]["quantity"]) == Decimal("0.025")
        refused = await api.post(f"{held}/stop", json={"price": "49000", "reason": "a test"})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:perpetua:problem:act-stop-moved-away")

        told = await act_on(world.nats_url, ACCOUNT, StopAct(symbol=values.SYMBOL, price=Decimal(49_600)), "a test")
        assert told.outcome is not None
        assert told.outcome.message == "the stop of BTCUSDT is at 49600"
        told = await act_on(world.nats_url, ACCOUNT, CloseAct(symbol=values.SYMBOL), "a test")
        assert told.outcome is not None
        assert told.outcome.message.startswith("closed long 0.025 BTCUSDT, at ")
        assert told.as_json()["result"] == "done"
        with pytest.raises(CliError, match="no open position in BTCUSDT"):
            await act_on(world.nats_url, ACCOUNT, CloseAct(symbol=values.SYMBOL), "a test")
        state = await world.state()
        assert [act.result for act in state.acts] == ["done", "done", "refused", "done", "done"]
        kinds = await _audited(world)
        assert kinds == ["act.stop.done", "act.close.done", "act.stop.refused", "act.stop.done", "act.close.done"]


async def test_an_entry_is_cancelled_by_its_id_alone(world: World) -> None:
    patient = values.strategy().model_copy(update={"order_preference": "maker_only"})
    await world.config(subjects.strategy_key(key_of("plain"), 1), patient)
    async with world.executor():
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "order.placed"))
        (order,) = (await world.state()).open_orders
        assert order.type == "limit"
        told = await cancel(world.nats_url, order.client_order_id, "a test")
        assert told.outcome is not None
        assert (told.account_id, told.outcome.result) == (ACCOUNT, "done")
        assert (await world.state()).open_orders == ()
        with pytest.raises(CliError, match="no order"):
            await cancel(world.nats_url, order.client_order_id, "a test")


async def _done(api: httpx.AsyncClient, path: str, **body: object) -> dict[str, Any]:
    """What the API says once it is done. A slow machine takes more than a second: asked again, it is the same act."""
    headers = {"Idempotency-Key": f"{path}{body}"}
    while (answer := await api.post(path, json=body | {"reason": "a test"}, headers=headers)).status_code == 202:
        pass
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _audited(world: World) -> list[str]:
    info = await world.js.stream_info("AUDIT")
    found = [await world.js.get_msg("AUDIT", seq) for seq in range(1, info.state.last_seq + 1)]
    told = [json.loads(message.data or b"{}") for message in found if "account.changed" in (message.subject or "")]
    return [event["what"] for event in told if event["what"].startswith("act.")]


MISTAKES = {
    "a share of nothing": (["close", "a", "BTCUSDT", "--share", "0"], "--share: 0 is not above 0"),
    "more than all": (["close", "a", "BTCUSDT", "--share", "2"], "a share of 2 is none"),
    "no number": (["stop", "a", "BTCUSDT", "low"], "PRICE: 'low' is no number"),
    "no symbol": (["target", "a", "B T;C", "1"], "is no symbol"),
    "no order": (["cancel", "BTCUSDT"], "'BTCUSDT' is no order"),
    "nobody to decide": (["decide"], "say which account shall decide"),
    "both": (["decide", "a", "--again", "dec-1"], "say which account shall decide"),
    "a prompt for now": (["decide", "a", "--prompt", "3"], "belong to --again"),
    "a recorded one dry": (["decide", "--again", "dec-1", "--dry-run"], "--again takes no --dry-run"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_before_anything_is_asked(case: str) -> None:
    arguments, said = MISTAKES[case]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, CliError)
    assert said in result.exception.message
