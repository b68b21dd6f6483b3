"""Whether the entries that were asked for came right, whoever let them pass, and what their confidence was worth."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import isnan
from typing import Any

from libs.analytics.accuracy import accuracy, calibration
from libs.analytics.forward import HORIZONS, signed_move
from services.feed.domain.bars import MINUTE
from services.feed.domain.recorded import RecordedMarket

CALIBRATED = "4h"


@dataclass(frozen=True, slots=True)
class WishedEntry:
    """An entry of one asset: `sign` 1 for a buy, −1 for a sell; `price` when it was judged; confidence in percent."""

    decision_id: str
    at: datetime
    symbol: str
    sign: int
    price: float
    confidence: float | None


def judged(entries: Sequence[WishedEntry], market: RecordedMarket) -> dict[str, Any]:
    """Right is a return above 0 before fees; entries whose time has not come or that fall into a gap do not count."""
    after = {name: [forward(entry, market, horizon) for entry in entries] for name, horizon in HORIZONS.items()}
    pairs = [
        (entry.confidence, value > 0)
        for entry, value in zip(entries, after[CALIBRATED], strict=True)
        if entry.confidence is not None and value is not None
    ]
    return {
        "entries": len(entries),
        "accuracy": {name: asdict(accuracy(values)) for name, values in after.items()},
        "by_action": {
            action: {name: asdict(accuracy(_of(entries, values, sign))) for name, values in after.items()}
            for action, sign in (("buy", 1), ("sell", -1))
        },
        "calibration": {"horizon": CALIBRATED, **asdict(calibration(pairs))},
    }


def outcome(entry: WishedEntry, market: RecordedMarket) -> dict[str, Any]:
    """A row of what became of the price after an entry: percent by horizon, signed by the action."""
    returns = {name: forward(entry, market, horizon) for name, horizon in HORIZONS.items()}
    return {"decision_id": entry.decision_id, "asset": entry.symbol, "at": entry.at.isoformat(), **returns}


def forward(entry: WishedEntry, market: RecordedMarket, horizon: timedelta) -> float | None:
    """Percent, signed by the action; None where the market does not say."""
    after = close_at(market, entry.symbol, entry.at + horizon)
    return None if after is None else signed_move(entry.sign, entry.price, after)


def close_at(market: RecordedMarket, symbol: str, at: datetime) -> float | None:
    """Of the last minute that had closed by then."""
    bars = market.whole[symbol]
    place = (at - bars.first) // MINUTE - 1
    if at > market.ends or not 0 <= place < len(bars.close):
        return None
    close = bars.close[place]
    return None if isnan(close) else close


def _of(entries: Sequence[WishedEntry], values: Sequence[float | None], sign: int) -> list[float | None]:
    return [value for entry, value in zip(entries, values, strict=True) if entry.sign == sign]
