"""Trades from the log to the API: the ledger's documents, the gateway's figures, alerts and the audit trail."""

from decimal import Decimal

import pytest

from libs.schemas import subjects
from libs.schemas.names import key_of
from tests import builders
from tests.fakes.ledger_chain import Chain
from tests.fakes.ledger_context import STRATEGY
from tests.integration.serving import Running, running

__all__ = ["running"]
pytestmark = pytest.mark.integration
LOSSES = 6


def chain_of(n: int) -> Chain:
    return Chain(account="alpha", request_id=f"r{n}")


async def closed(to: Running, n: int, pnl: str) -> None:
    """A position of a decision with the strategy `steady`, from open to flat."""
    chain = chain_of(n)
    await to.js.publish(subjects.decision_proposed(key_of("alpha")), chain.proposed().model_dump_json().encode())
    held = builders.position(
        quantity=Decimal("0.02"),
        entry_price=Decimal(60_000),
        margin=Decimal(600),
        opened_at=chain.at(n),
        decision_id=chain.decision_id,
    )
    for kind, before, after, won in (("opened", None, held, "0"), ("closed", held, None, pnl)):
        event = builders.position_event(
            kind,
            event_id=f"alpha:{n}:{kind}",
            account_id="alpha",
            account_version=n,
            before=before,
            after=after,
            realized_pnl=won,
            fee="0.60",
            decision_id=chain.decision_id,
            correlation_id=chain.request_id,
            at=chain.at(60 + n),
        )
        body = event.model_dump_json(exclude_none=True).encode()
        await to.js.publish(
            subjects.position_event(kind, key_of("alpha")), body, headers={"Nats-Msg-Id": event.event_id}
        )


async def test_trades_alerts_and_changes_come_from_the_log_to_the_api(running: Running) -> None:
    await running.js.publish(
        f"$KV.config.{subjects.strategy_key(key_of('steady'))}", STRATEGY.model_dump_json().encode()
    )
    for n in range(LOSSES):
        await closed(running, n, "-30")
    await running.stored()
    found = (await running.api.get("/api/v1/strategies/steady/performance?timeframe=366d")).json()
    figures = found["performance"]
    assert (figures["strategy_id"], figures["trades"], figures["losses"]) == ("steady", LOSSES, LOSSES)
    assert Decimal(figures["total_pnl"]) == Decimal("-31.20") * LOSSES
    assert Decimal(figures["volume"]) == (1_200 + 1_170) * LOSSES
    assert (found["score"]["grade"], found["enough_trades"]) == ("F", False)
    assert figures["model_cost"] is not None
    whole = (await running.api.get("/api/v1/accounts/alpha/performance?timeframe=366d")).json()["performance"]
    assert (whole["trades"], whole["account_id"]) == (LOSSES, "alpha")
    other = (await running.api.get("/api/v1/accounts/beta/performance?timeframe=366d")).json()
    assert (other["performance"]["trades"], other["score"]) == (0, None)

    (alert,) = (await running.api.get("/api/v1/strategies/alerts?open=true")).json()["items"]
    assert (alert["kind"], alert["account_id"], alert["strategy_id"]) == ("consecutive_losses", "alpha", "steady")
    path = f"/api/v1/alerts/{alert['alert_id']}/acknowledge"
    first = (await running.api.post(path)).json()["acknowledged"]
    assert (await running.api.post(path)).json()["acknowledged"] == first
    assert (await running.api.get("/api/v1/strategies/alerts?open=true")).json()["items"] == []

    change = {"account": {"rate_limit": 7}, "reason": "too many calls"}
    refused = await running.api.patch("/api/v1/accounts/alpha", json=change)
    assert (refused.status_code, "does not know BTCUSDT" in refused.json()["detail"]) == (409, True)
    await running.stored()
    told = (await running.api.get("/api/v1/audit?limit=2")).json()
    assert told["next"] is not None
    assert {one["what"] for one in told["items"]} <= {"account.created", "alert.acknowledged", "strategy.created"}
    more = (await running.api.get(f"/api/v1/audit?limit=2&cursor={told['next']}")).json()
    whats = [one["what"] for one in (*told["items"], *more["items"])]
    assert sorted(whats) == ["account.created", "account.created", "alert.acknowledged", "strategy.created"]
