"""A market through the bus in lockstep and through replay: the same contexts, decisions, verdicts, orders and fills."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.run.seed import read_accounts, read_venue
from libs.schemas.base import Message
from libs.schemas.strategy import TradingStrategy
from replay.engine import Replay, ReplayInput
from replay.policy import TrendPolicy
from services.executor.domain.book import AccountBook, new_book
from services.executor.domain.performance import performance
from services.feed.adapters.csv import open_replay
from services.feed.domain.recorded import RecordedMarket
from services.feed.settings import Settings as FeedSettings
from tests.chaos.invariants import Log, read_log
from tests.chaos.pipeline import pipeline
from tests.forms import sized
from tests.unit.replay.markets import Kept

DATA = Path(os.environ.get("PERPETUA_DATA_DIR", Path(__file__).parents[2].parent / "shared" / "data"))
DECISIONS = sized(70, 20_000)  # the data of the demo's days end before that
KINDS = ("order.placed", "order.filled", "order.canceled", "order.rejected", "order.denied")
OF_POSITIONS = ("position.opened", "position.changed", "position.closed", "position.liquidated")
ENDS = ("decision.validated", "decision.rejected", "decision.evaluated")
# Wall times, ids of deliveries, and how the answer came: a replay asks no model.
ELSEWHERE = frozenset({"sequence", "build_ms", "timing", "calls", "validation_time_ms", "session"})
Told = Mapping[str, Any]


def plain(value: Any) -> Any:
    """Without what may differ, and without what is left out on the bus because it is nothing."""
    if isinstance(value, dict):
        kept = {key: plain(each) for key, each in value.items() if key not in ELSEWHERE}
        return {key: each for key, each in kept.items() if each is not None}
    return [plain(each) for each in value] if isinstance(value, list) else value


def wire(messages: Iterable[Message]) -> list[Told]:
    return [orjson.loads(message.model_dump_json()) for message in messages]


async def through_the_bus(folder: Path) -> Log:
    more = {"PERPETUA_LOCKSTEP": "1", "PERPETUA_DATA_DIR": str(DATA)}
    async with pipeline(folder, feed="replay", more=more) as run:
        await run.progress(DECISIONS)
        (feed,) = run.workers("feed")
        assert feed.child is not None
        child, feed.child, feed.state = feed.child, None, "stopped"  # so that nobody restarts it
        child.stop()
        return await read_log(run.bus)


def through_replay(log: Log, until: datetime) -> Kept:
    """From the accounts as they were opened: under the wall's time, before the feed had set the market's clock."""
    defaults, contexts = FeedSettings(), log.of("context.built")
    whole = open_replay(DATA, (), defaults.start_day, defaults.history_days)
    played = RecordedMarket(whole.whole, whole.rates, whole.begins, whole.starts, min(whole.ends, until))
    accounts, known = read_accounts(), {each["account_id"]: each for each in reversed(contexts)}
    books: dict[str, AccountBook] = {
        account.account_id: opened(known[account.account_id]["account_version"], account, played.starts)
        for account in accounts
    }
    shown = (each["account_state"]["active_strategy"] for each in known.values())
    strategies = [TradingStrategy.model_validate(strategy) for strategy in shown]
    kept = Kept()
    for _ in Replay(ReplayInput(played, accounts, strategies, read_venue(), TrendPolicy(), books=books), kept).steps():
        pass
    return kept


def opened(version: int, account: Any, at: datetime) -> AccountBook:
    return replace(new_book(account, performance((), account.initial_balance), at), version=version)


def same(told: Iterable[Told], replayed: Iterable[Told], key: str, until: str, time: str) -> int:
    """All that was told stands in the replay, and all of the replay before `until` was told. How many there are."""
    ours = {each[key]: plain(each) for each in replayed}
    theirs = {each[key]: plain(each) for each in told}
    assert {name: ours.get(name) for name in theirs} == theirs
    missing = [name for name, each in ours.items() if name not in theirs and each[time] < until]
    assert missing == []
    return len(theirs)


@pytest.mark.slow
@pytest.mark.timeout(sized(300, 6 * 3_600))
async def test_the_bus_in_lockstep_and_the_replay_do_the_same(tmp_path: Path) -> None:
    log = await through_the_bus(tmp_path)
    newest = max(each["timestamp"] for each in log.of("context.built"))
    kept = through_replay(log, datetime.fromisoformat(newest) + timedelta(minutes=2))
    events = [orjson.loads(event.split(" ", 1)[1]) for event in kept.events]
    orders = [event for event in events if "intent" in event]
    positions = [event for event in events if "symbol" in event and "cause" in event]
    until = (datetime.fromisoformat(newest) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert same(log.of("context.built"), wire(kept.contexts), "context_id", until, "timestamp") >= DECISIONS / 2
    assert same(log.of("decision.proposed"), wire(kept.proposals), "decision_id", until, "proposed_at")
    ends = [{**each, "at": each.get("validated_at") or each["rejected_at"]} for each in wire(kept.ends)]
    told = [{**each, "at": each.get("validated_at") or each["rejected_at"]} for each in log.of(*ENDS)]
    assert same(told, ends, "decision_id", until, "at")
    assert same(log.of(*KINDS), orders, "event_id", until, "at") >= 10
    assert same(log.of(*OF_POSITIONS), positions, "event_id", until, "at") >= 5
