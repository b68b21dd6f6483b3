"""A whole run: from what was asked for to a folder of results, in steps that can be interrupted."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from libs.schemas.account import Account
from replay.deciding import DecidingAccount
from replay.engine import Replay, ReplayInput
from replay.judged import judged, outcome
from replay.record import Recorder
from replay.results import RunFolder
from replay.shown import candles
from replay.statistics import against, equal_weight, statistics
from replay.tape import NEVER
from services.executor.domain.book import equity
from services.feed.domain.bars import TICKS_PER_BAR

HOUR = 60 * TICKS_PER_BAR
LONGEST_NAME = 32  # of an account
CANDLES, OUTCOMES = "candles.jsonl", "outcomes.jsonl"


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a run is. Candles are minutes of all symbols."""

    at: datetime
    done: int
    of: int


@dataclass(slots=True)
class ReplayRun:
    """`steps` does it and tells how far it is; left early, the folder keeps what was written, and the same run goes on
    there. `summary` is there when it is done."""

    folder: RunFolder
    wanted: ReplayInput
    full: bool = False
    summary: dict[str, Any] = field(default_factory=dict)

    def steps(self) -> Generator[ReplayProgress, None, None]:
        recorder = Recorder(self.folder, full=self.full)
        replay = Replay(self.wanted, recorder)
        world, symbols = replay.world, len(replay.world.symbols)
        first, last = world.grid.first, world.grid.last
        whole, hour = (last - first) // TICKS_PER_BAR * symbols, first
        done = False
        try:
            for moment in replay.steps():
                if moment >= hour:
                    recorder.worth(world, replay.accounts)
                    hour = moment - (moment - first) % HOUR + HOUR if moment < last else NEVER
                    yield ReplayProgress(world.clock.now(), (moment - first) // TICKS_PER_BAR * symbols, whole)
            self._write_market(recorder)
            self.summary = _summary(replay, recorder, whole)
            self.folder.finish(self.summary)
            done = True
        finally:
            if not done:
                self.folder.leave()

    def _write_market(self, recorder: Recorder) -> None:
        market, shown, became = self.wanted.market, self.folder.lines(CANDLES), self.folder.lines(OUTCOMES)
        for row in candles(market):
            shown.write(orjson.dumps(row))
        for entries in recorder.entries.values():
            for entry in entries:
                became.write(orjson.dumps(outcome(entry, market)))


def _summary(replay: Replay, recorder: Recorder, candles: int) -> dict[str, Any]:
    held = equal_weight(recorder.prices)
    return {
        "candles": candles,
        "counts": dict(sorted(recorder.counts.items())),
        "baselines": {
            "flat": 0.0,
            "equal_weight": (held[-1] - 1) * 100,
            "buy_and_hold": {s: (c[-1] / c[0] - 1) * 100 for s, c in sorted(recorder.prices.items()) if c[0]},
        },
        "accounts": [
            _account(deciding, replay) | _said(deciding.account.account_id, recorder, replay)
            for deciding in replay.accounts
        ],
    }


def _said(account_id: str, recorder: Recorder, replay: Replay) -> dict[str, Any]:
    """What the run allows to say of one account."""
    points, costs = recorder.points[account_id], recorder.costs[account_id]
    held = equal_weight(recorder.prices)
    return {
        "statistics": statistics(points, recorder.closed[account_id]),
        "against_flat": against(points, [1.0] * len(held)),
        "against_equal_weight": against(points, held),
        "judged": judged(recorder.entries[account_id], replay.market),
        "model_calls": len(costs),
        "model_cost_usd": sum(cost for cost in costs if cost is not None),
        "model_cost_unknown": sum(cost is None for cost in costs),
    }


def copies(accounts: Sequence[Account], count: int, seed: int = 0) -> list[Account]:
    """Each account so many times. All that is left to chance in a run is when in its interval each account is asked,
    and its name decides that: it ends with the seed and the number of the copy, where there are such."""
    ending = f"-seed{seed}" if seed else ""
    endings = [ending] if count == 1 else [f"{ending}-{n}" for n in range(1, count + 1)]
    return [_renamed(account, ending) for account in accounts for ending in endings]


def _renamed(account: Account, ending: str) -> Account:
    return account.model_copy(update={"account_id": account.account_id[: LONGEST_NAME - len(ending)] + ending})


def asked(wanted: ReplayInput, data: Path) -> dict[str, Any]:
    """What a run is of, for the folder: two runs with the same text are the same run."""
    market = wanted.market
    return {
        "data": data.name,
        "market": {symbol: _fingerprint(wanted, symbol) for symbol in market.symbols},
        "history_from": market.begins.isoformat(),
        "from": market.starts.isoformat(),
        "to": market.ends.isoformat(),
        "policy": wanted.policy.name,
        "accounts": [account.model_dump(mode="json") for account in wanted.accounts],
        "strategies": [s.model_dump(mode="json") for s in _used(wanted)],
        "venue": [rules.model_dump(mode="json") for rules in wanted.venue],
    }


def _used(wanted: ReplayInput) -> list[Any]:
    names = {account.strategy_id for account in wanted.accounts}
    return [strategy for strategy in wanted.strategies if strategy.strategy_id in names]


def _fingerprint(wanted: ReplayInput, symbol: str) -> str:
    """Of the candles and the funding that are played."""
    import hashlib

    market = wanted.market
    bars = market.columns(symbol, market.begins, market.ends)
    digest = hashlib.sha256()
    for column in (bars.open, bars.high, bars.low, bars.close, bars.volume):
        digest.update(memoryview(column).tobytes())  # type: ignore[arg-type]
    for rate in market.rates[symbol].rates:
        digest.update(f"{rate.time.isoformat()} {rate.rate!r} {rate.mark_price!r}".encode())
    return digest.hexdigest()[:16]


def _account(deciding: DecidingAccount, replay: Replay) -> dict[str, Any]:
    book = deciding.books.book
    quotes = {symbol: replay.world.board.quote(symbol) for symbol in book.positions}
    worth = equity(book, {symbol: quote.mark if quote else None for symbol, quote in quotes.items()})
    return {
        "account_id": book.account_id,
        "strategy_id": deciding.account.strategy_id,
        "initial_balance": str(book.initial_balance),
        "wallet": str(book.wallet),
        "equity": str(worth),
        "return_pct": float((worth / book.initial_balance - Decimal(1)) * 100),
        "realised": str(book.realised_total),
        "fees": str(book.fees_total),
        "funding": str(book.funding_total),
        "insolvency": str(book.insolvency),
        "max_drawdown_pct": book.performance.max_drawdown,
        "open_positions": sorted(book.positions),
        "trading_state": book.trading_state,
    }
