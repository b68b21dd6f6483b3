"""The books judged again, by code that shares a name with the product and no more: raw messages and documents.

Where `perpetua verify` follows what events say of a wallet, this one reckons profit anew from quantities and prices.
"""

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import nats
from pymongo import MongoClient

from libs.records.collections import ACCOUNTS
from tests.pace import PATIENCE_S

Body = dict[str, Any]
LAST_DIGIT = Decimal("0.00000001")
ENDS = ("validated", "rejected", "answered", "evaluated")


async def second_opinion(nats_url: str, mongodb_url: str) -> list[str]:
    """What is wrong with the books of paper accounts that were never interfered with, and with the ends of requests."""
    orders, ends = await _stream(nats_url, "ORDERS"), await _stream(nats_url, "DECISIONS")
    requests = await _stream(nats_url, "REQUESTS")
    assert orders and ends and requests, "nothing was read"
    with MongoClient[Body](mongodb_url) as client:
        accounts = list(client["perpetua"][ACCOUNTS].find())
    wrong = _ends(requests, ends)
    for account in accounts:
        mine = [(kind, body) for kind, body in orders if body["account_id"] == account["_id"]]
        wrong += [f"{account['_id']}: {said}" for said in _account(account, mine)]
    return wrong


async def _stream(url: str, name: str) -> list[tuple[str, Body]]:
    """All messages by `<noun>.<verb>`, in order."""
    connection = await nats.connect(url, inbox_prefix=f"_INBOX_{urlsplit(url).username}")
    found: list[tuple[str, Body]] = []
    try:
        reading = await connection.jetstream().subscribe(">", stream=name, ordered_consumer=True)
        left = (await connection.jetstream().stream_info(name)).state.messages
        while left:
            message = await reading.next_msg(timeout=PATIENCE_S)
            left = message.metadata.num_pending
            found.append((message.subject.rpartition(".")[0], json.loads(message.data)))
        return found
    finally:
        await connection.close()


def _ends(requests: list[tuple[str, Body]], decisions: list[tuple[str, Body]]) -> list[str]:
    ended = Counter(
        body["request_id"]
        for kind, body in decisions
        if kind.partition(".")[2] in ENDS and not body.get("arm", {}).get("shadow")
    )
    names = [body["request_id"] for _, body in requests]
    return [f"{name} ended {ended[name]} times" for name in names if ended[name] != 1]


def _account(account: Body, events: list[tuple[str, Body]]) -> list[str]:
    fills = [body for kind, body in events if kind == "order.filled"]
    moved = [body for kind, body in events if kind.startswith("position.")]
    expected = Decimal(account["initial_balance"])
    expected += sum(Decimal(body["fill"]["realized_pnl"]) - Decimal(body["fill"]["fee"]) for body in fills)
    expected += sum(Decimal(body["funding"]) + Decimal(body.get("insolvency") or 0) for body in moved)
    wallet = Decimal(account["wallet"])
    wrong = [] if wallet == expected else [f"a wallet of {wallet}, and fills and funding make {expected}"]
    return wrong + _reckoned(account, fills)


def _reckoned(account: Body, fills: list[Body]) -> list[str]:
    """Profits from quantities and prices, and what is held in the end."""
    held: dict[str, Decimal] = defaultdict(Decimal)
    cost: dict[str, Decimal] = defaultdict(Decimal)
    wrong = []
    for body in fills:
        symbol, fill = body["intent"]["symbol"], body["fill"]
        bought = Decimal(fill["quantity"]) * (1 if body["intent"]["side"] == "buy" else -1)
        profit = Decimal(0)
        if held[symbol] * bought < 0:  # it closes, all of it or in part; what turns around comes as two fills
            share = -bought / held[symbol]
            profit = -bought * Decimal(fill["price"]) - share * cost[symbol]
            cost[symbol] *= 1 - share
        else:
            cost[symbol] += bought * Decimal(fill["price"])
        held[symbol] += bought
        if abs(profit - Decimal(fill["realized_pnl"])) > 2 * LAST_DIGIT:
            wrong.append(f"fill {fill['fill_id']} made {fill['realized_pnl']}, and prices make {profit}")
    there = {
        symbol: Decimal(one["position"]["quantity"]) * (1 if one["position"]["side"] == "long" else -1)
        for symbol, one in account["positions"].items()
    }
    ours = {symbol: quantity for symbol, quantity in held.items() if quantity}
    return wrong if ours == there else [*wrong, f"it holds {there}, and its fills make {ours}"]
