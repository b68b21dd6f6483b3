"""What a run left in its folder, as its report needs it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from replay.record import CALLS, DECISIONS, EQUITY, EVENTS, MARKS, TRADES
from replay.results import RUN, SUMMARY
from replay.run import CANDLES, OUTCOMES

Row = Mapping[str, Any]


class NoRun(Exception):
    """A folder without a complete run."""


@dataclass(frozen=True, slots=True)
class HourlyEquity:
    """Of one account, by the hour."""

    times: Sequence[datetime]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class RunRead:
    """A complete run. `prices` are marks by the hour, `fills` what was filled and liquidated; rows are the files'."""

    name: str
    asked: Row
    summary: Row
    equity: Mapping[str, HourlyEquity]
    prices: Mapping[str, Sequence[float]]
    candles: Sequence[Row]
    decisions: Mapping[str, Sequence[Row]]
    trades: Mapping[str, Sequence[Row]]
    fills: Mapping[str, Sequence[Row]]
    outcomes: Mapping[tuple[str, str], Row]
    calls: Mapping[str, Sequence[Row]]

    @property
    def accounts(self) -> Sequence[Row]:
        rows: Sequence[Row] = self.summary["accounts"]
        return rows


def read_run(folder: Path) -> RunRead:
    """Raises NoRun."""
    if not (folder / SUMMARY).exists():
        raise NoRun(f"{folder} holds no complete run")
    return RunRead(
        name=folder.name,
        asked=orjson.loads((folder / RUN).read_bytes()),
        summary=orjson.loads((folder / SUMMARY).read_bytes()),
        equity=_equity(folder),
        prices=_prices(folder),
        candles=list(_rows(folder / CANDLES)),
        decisions=_by(_acting(folder), "account_id"),
        trades=_by(_rows(folder / TRADES), "account_id"),
        fills=_by(_fills(folder), "account_id"),
        outcomes={(row["decision_id"], row["asset"]): row for row in _rows(folder / OUTCOMES)},
        calls=_by(_rows(folder / CALLS), "decision_id"),
    )


def _rows(path: Path) -> Iterator[Row]:
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                yield orjson.loads(line)


def _by(rows: Iterator[Row], name: str) -> Mapping[str, Sequence[Row]]:
    grouped: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[name]].append(row)
    return grouped


def _acting(folder: Path) -> Iterator[Row]:
    """Decisions that wanted more than a hold."""
    return (row for row in _rows(folder / DECISIONS) if "verdicts" in row)


def _fills(folder: Path) -> Iterator[Row]:
    for row in _rows(folder / EVENTS):
        kind = row.get("kind")
        if kind == "filled":
            order, fill = row["intent"], row["fill"]
            yield _filled(row, order["symbol"], order["leg"], order["side"], fill["price"])
        elif kind == "liquidated":
            before = row["before"]
            yield _filled(row, row["symbol"], "liquidation", before["side"], before.get("liquidation_price") or 0)


def _filled(row: Row, symbol: str, leg: str, side: str, price: str | float) -> Row:
    return {
        "account_id": row["account_id"],
        "at": row["at"],
        "symbol": symbol,
        "leg": leg,
        "side": side,
        "price": float(price),
    }


def _prices(folder: Path) -> Mapping[str, Sequence[float]]:
    columns: defaultdict[str, list[float]] = defaultdict(list)
    for row in _rows(folder / MARKS):
        for symbol, price in row.items():
            columns[symbol].append(price)
    return columns


def _equity(folder: Path) -> Mapping[str, HourlyEquity]:
    rows = _by(_rows(folder / EQUITY), "account_id")
    return {
        account: HourlyEquity(
            [datetime.fromisoformat(row["at"]) for row in points], [float(row["equity"]) for row in points]
        )
        for account, points in rows.items()
    }
