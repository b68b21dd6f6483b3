"""Exports: every entry once, in lines, whatever the number of pages; of accounts that the key sees."""

import csv
import io
import json
from datetime import timedelta
from decimal import Decimal

from services.gateway.domain.records import TradeRecord
from tests.fakes.gateway_ports import Gateway, record
from tests.fakes.ledger_chain import T0, Chain

BASE = "/api/v1/export"


def gateway_with(decisions: int) -> Gateway:
    gateway = Gateway()
    for n in range(decisions):
        chain = Chain(account="alpha" if n % 2 else "beta", request_id=f"r{n}")
        made = record(chain).model_copy(update={"created_at": chain.at(n), "model_used": "=cmd()"})
        gateway.records.decisions[chain.decision_id] = made
    return gateway


def trade(n: int, account_id: str = "beta") -> TradeRecord:
    nothing = Decimal(0)
    return TradeRecord(
        trade_id=f"{account_id}-{n}",
        account_id=account_id,
        symbol="BTCUSDT" if n % 2 else "ETHUSDT",
        side="long",
        pnl=Decimal(-3),
        fees=nothing,
        funding=nothing,
        volume=Decimal(100),
        margin=Decimal(10),
        opened_at=T0,
        closed_at=T0 + timedelta(hours=n),
    )


async def test_json_lines_hold_every_decision_once_newest_first() -> None:
    gateway = gateway_with(1_203)
    answer = await gateway.call("GET", f"{BASE}/decisions")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert len({row["decision_id"] for row in rows}) == len(rows) == 1_203
    assert rows == sorted(rows, key=lambda row: row["created_at"], reverse=True)


async def test_csv_has_a_head_and_no_formulas() -> None:
    gateway = gateway_with(2)
    answer = await gateway.call("GET", f"{BASE}/decisions?format=csv", key="beta")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["account_id"], row["status"], row["model_used"]) == ("beta", "accepted", "'=cmd()")
    assert answer.headers["content-disposition"] == 'attachment; filename="decisions.csv"'


async def test_trades_are_those_of_the_period_and_symbol() -> None:
    gateway = gateway_with(1)
    gateway.records.closed = {"beta": [trade(n) for n in range(1_100)], "alpha": [trade(1, "alpha")]}
    since = (T0 + timedelta(hours=100)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = await gateway.call("GET", f"{BASE}/trades?account_id=beta&symbol=BTCUSDT&format=csv&from={since}")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({row["trade_id"] for row in rows}) == len(rows) == 500
    assert {(row["symbol"], row["pnl"]) for row in rows} == {("BTCUSDT", "-3")}


async def test_of_another_account_nothing_is_exported() -> None:
    gateway = gateway_with(4)
    for what in ("decisions", "trades"):
        assert (await gateway.call("GET", f"{BASE}/{what}?account_id=alpha", key="beta")).status_code == 404
    lines = (await gateway.call("GET", f"{BASE}/decisions", key="beta")).text.splitlines()
    assert {json.loads(line)["account_id"] for line in lines} == {"beta"}
    assert (await gateway.call("GET", f"{BASE}/trades")).status_code == 422


async def test_what_cannot_be_read_is_a_problem_and_no_empty_export() -> None:
    gateway = gateway_with(4)
    gateway.records.away = True
    answer = await gateway.call("GET", f"{BASE}/decisions")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:perpetua:problem:dependency-away")
