"""Lists and records, and who sees them."""

import asyncio

from tests.fakes.gateway_ports import Gateway, record
from tests.fakes.ledger_chain import Chain

HISTORY = "/api/v1/decisions/history"


def filled() -> Gateway:
    gateway = Gateway()
    for n in range(7):
        chain = Chain(account="alpha" if n % 2 else "beta", request_id=f"r{n}")
        made = record(chain).model_copy(update={"created_at": chain.at(n // 2)})  # some at the same time
        gateway.records.decisions[chain.decision_id] = made
    return gateway


async def test_pages_hold_every_entry_once_newest_first() -> None:
    gateway, seen, cursor = filled(), [], ""
    while True:
        page = (await gateway.call("GET", f"{HISTORY}?limit=2{cursor}")).json()
        seen += [(entry["created_at"], entry["decision_id"]) for entry in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


async def test_a_key_for_one_account_sees_that_account_only() -> None:
    gateway = filled()
    page = (await gateway.call("GET", HISTORY, key="beta")).json()
    assert {entry["account_id"] for entry in page["items"]} == {"beta"}
    assert (await gateway.call("GET", f"{HISTORY}?account_id=alpha", key="beta")).status_code == 404
    accounts = (await gateway.call("GET", "/api/v1/accounts", key="beta")).json()
    assert [account["account_id"] for account in accounts["items"]] == ["beta"]


async def test_a_record_of_another_account_is_not_there() -> None:
    gateway = filled()
    own, other = Chain(account="beta", request_id="r0"), Chain(account="alpha", request_id="r1")
    assert (await gateway.call("GET", f"/api/v1/decisions/{own.decision_id}", key="beta")).status_code == 200
    assert (await gateway.call("GET", f"/api/v1/decisions/{other.decision_id}", key="beta")).status_code == 404


async def test_filters_reach_the_database() -> None:
    gateway = filled()
    query = (
        "account_id=alpha&symbol=BTCUSDT&status=accepted&action=buy&strategy_id=steady&model=m&from=2026-11-20T12:00Z"
    )
    assert (await gateway.call("GET", f"{HISTORY}?{query}")).status_code == 200
    asked = gateway.records.asked
    assert asked is not None
    assert (asked.accounts, asked.symbol, asked.status) == (frozenset({"alpha"}), "BTCUSDT", "accepted")
    assert (asked.action, asked.strategy_id, asked.model) == ("buy", "steady", "m")
    assert asked.since == Chain().start


async def test_the_last_use_of_a_key_is_remembered() -> None:
    gateway = filled()
    await gateway.call("GET", HISTORY)
    gateway.clock.advance(30)
    await gateway.call("GET", HISTORY)
    admin = next(key for key in gateway.keys.by_hash.values() if key.name == "admin")
    assert admin.last_used_at == Chain().start


async def test_a_record_that_the_ledger_brings_a_moment_later_is_waited_for() -> None:
    gateway, chain = Gateway(), Chain(account="alpha", request_id="r1")
    asked = asyncio.create_task(gateway.call("GET", f"/api/v1/decisions/{chain.decision_id}"))
    await asyncio.sleep(0.1)
    assert not asked.done()
    gateway.records.decisions[chain.decision_id] = record(chain)
    assert (await asked).json()["decision_id"] == chain.decision_id


async def test_a_record_that_never_comes_is_not_there() -> None:
    assert (await Gateway().call("GET", f"/api/v1/decisions/dec-{'0' * 32}")).status_code == 404
