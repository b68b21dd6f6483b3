"""What became of the assets of a decision: a document that its end makes, filled in as the market goes on. Prices are
kept, and returns made of them when they are read."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from libs.analytics.excursions import Excursion, TradeHeld
from libs.analytics.forward import HORIZONS, Closes, slack_s
from libs.records.collections import OUTCOMES
from libs.schemas.decision import AssetDecision
from libs.schemas.events import Terminal, terminal_at
from services.ledger.domain.upserts import Advance, Upsert, Upserts, Value

SIGNS = {"buy": 1, "sell": -1}
SETTLED = timedelta(minutes=2)  # candles of the feed may come after those that were built meanwhile
GIVEN_UP = timedelta(hours=1)  # a gap may be filled until the market has gone on for so long behind it
NO_PRICE = "no price was known when it was judged"
NAMES = tuple(HORIZONS)


@dataclass(frozen=True, slots=True)
class OutcomeDue:
    """An asset of a decision whose price after `horizon` is to be found. `rank` is that of the end which it follows."""

    key: str
    rank: str
    asset: str
    judged_at: datetime
    horizon: str

    @property
    def target(self) -> datetime:
        return self.judged_at + HORIZONS[self.horizon]


@dataclass(frozen=True, slots=True)
class PriceAfter:
    """What is written of a due outcome: the price, or why nobody knows it."""

    due: OutcomeDue
    price: float | None
    why: str | None = None

    @property
    def fields(self) -> dict[str, Any]:
        place, value = ("unknown", self.why) if self.price is None else ("after", self.price)
        return {f"assets.{self.due.asset}.{place}.{self.due.horizon}": value}

    @property
    def next(self) -> dict[str, Any] | None:
        """What is due of the asset then; None when its last horizon is done."""
        left = NAMES[NAMES.index(self.due.horizon) + 1 :]
        return _waiting(self.due.asset, self.due.judged_at, left[0]) if left else None


@dataclass(frozen=True, slots=True)
class UnseenTrade:
    """A trade whose path is to be looked up; `held` is None where its prices were not kept."""

    key: str
    symbol: str
    closed_at: datetime
    held: TradeHeld | None


@dataclass(frozen=True, slots=True)
class PathSeen:
    """How far the market went while a trade was held; None where the candles of the time are not there."""

    trade: UnseenTrade
    seen: Excursion | None

    @property
    def fields(self) -> dict[str, Any]:
        known = {"mfe": self.seen.mfe, "mae": self.seen.mae} if self.seen else {}
        return {"path_known": self.seen is not None, **known}


def of_end(body: Terminal, rank: str) -> Upserts:
    """The outcomes that an end begins. One that outranks another begins them anew: it was judged at its own time."""
    rows = _first_of_each(body)
    if not rows:
        return ()
    at, prices = terminal_at(body), body.prices_at_validation
    fields: dict[str, Value] = {
        "account_id": body.account_id,
        "arm": body.arm.name,
        "shadow": body.arm.shadow,
        "dry_run": body.dry_run,
        "strategy_id": body.strategy.id if body.strategy else None,
        "judged_at": at,
        "assets": {row.asset: _begun(row, prices.get(row.asset)) for row in rows},
        "due": [_waiting(row.asset, at, NAMES[0]) for row in rows if row.asset in prices],
    }
    return (Upsert(OUTCOMES, body.decision_id, guards=(Advance(rank, fields),)),)


def price_after(due: OutcomeDue, closes: Closes, newest: datetime) -> PriceAfter | None:
    """None while the market has not come so far, or may still bring what is missing."""
    if newest < due.target + SETTLED:
        return None
    price = closes.at(due.target.timestamp(), slack_s(HORIZONS[due.horizon]))
    if price is not None:
        return PriceAfter(due, price)
    return PriceAfter(due, None, _why(due, closes)) if given_up(due.target, closes, newest) else None


def given_up(at: datetime, closes: Closes, newest: datetime) -> bool:
    """Whether what is missing at a time will not come any more. After an outage live candles come before the old ones:
    the hour begins behind the gap."""
    going_on = closes.next_after(at.timestamp())
    return going_on is not None and newest.timestamp() >= going_on + GIVEN_UP.total_seconds()


def _waiting(asset: str, judged_at: datetime, horizon: str) -> dict[str, Any]:
    return {"asset": asset, "horizon": horizon, "at": judged_at + HORIZONS[horizon]}


def _first_of_each(body: Terminal) -> list[AssetDecision]:
    """Two rows of one asset are both denied: what the first of them wanted counts."""
    rows = body.decision.decisions if body.decision else ()
    return list({one.asset: one for one in reversed(rows)}.values())


def _begun(row: AssetDecision, price: float | None) -> dict[str, Any]:
    return {
        "action": row.action,
        "sign": SIGNS.get(row.action, 0),
        "confidence": row.confidence,
        "price": price,
        "after": {},
        "unknown": {} if price else dict.fromkeys(NAMES, NO_PRICE),
    }


def _why(due: OutcomeDue, closes: Closes) -> str:
    if not closes.times or closes.times[0] > due.target.timestamp():
        return "the log of candles no longer went back so far"
    return f"no candle closed within {slack_s(HORIZONS[due.horizon]) / 60:g} minutes before its time"
