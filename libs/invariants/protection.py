"""R5: no position is without a stop for longer than the grace: the positions' log against the log of stops."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from libs.invariants.log import Log, by_account
from libs.invariants.rows import BookRow, OrderRow, PositionMove
from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects

GONE = ("filled", "canceled", "rejected")


@dataclass(slots=True)
class _Watch:
    """One symbol of an account: `stops` are ids of orders; `assumed` a stop that was placed before the log begins."""

    held: bool = False
    stops: set[str] = field(default_factory=set)
    assumed: bool = False
    bare_since: datetime | None = None
    longest: timedelta = timedelta(0)
    when: datetime | None = None

    def see(self, row: OrderRow | PositionMove, *, whole: bool) -> None:
        if isinstance(row, PositionMove):
            if row.held is None:
                return
            if not whole and not self.held and row.stop and not self.stops:
                self.assumed = True
            self.held = row.held > 0
            self.assumed = self.assumed and self.held
        elif row.kind == "placed":
            self.stops.add(row.order_id)
            self.assumed = False
        elif row.kind in GONE and row.state != "partially_filled":
            self.stops.discard(row.order_id)
            self.assumed = False

    def settle(self, at: datetime) -> None:
        """After one write of the account: what happened in it happened at once."""
        bare = self.held and not self.stops and not self.assumed
        if self.bare_since is not None and at - self.bare_since > self.longest:
            self.longest, self.when = at - self.bare_since, self.bare_since
        self.bare_since = (self.bare_since or at) if bare else None


def positions_are_protected(
    log: Log, books: Mapping[str, BookRow], allowed: timedelta, now: datetime
) -> InvariantCheck:
    """`allowed` and `now` in market time, as all times of these events are."""
    tally = Tally("R5", f"no position was without a stop for more than {allowed.total_seconds():g} s")
    whole = log.whole(subjects.ORDERS)
    seen: list[OrderRow | PositionMove] = [*_stops(log.orders), *log.positions]
    told = by_account(seen)
    for book in books.values():
        for symbol, episodes in _episodes(told.get(book.account_id, []), whole=whole).items():
            for watch in episodes:
                if watch.bare_since is not None:
                    watch.settle(max(now, watch.bare_since))
                tally.judge(f"{book.account_id} {symbol}", _too_long(watch, allowed))
    return tally.done()


def _stops(orders: Iterable[OrderRow]) -> Iterator[OrderRow]:
    return (row for row in orders if row.leg == "stop")


def _episodes(rows: Iterable[OrderRow | PositionMove], *, whole: bool) -> dict[str, list[_Watch]]:
    """By symbol a watch for each time from open to flat."""
    found: dict[str, list[_Watch]] = {}
    open_now: dict[str, _Watch] = {}
    for _, write in groupby(rows, key=lambda row: row.version):
        events = list(write)
        for row in events:
            open_now.setdefault(row.symbol, _Watch()).see(row, whole=whole)
        for symbol in dict.fromkeys(row.symbol for row in events):
            watch = open_now[symbol]
            known = found.setdefault(symbol, [])
            if watch.held and not (known and known[-1] is watch):
                known.append(watch)
            watch.settle(events[-1].at)
            if not watch.held:
                open_now[symbol] = _Watch(stops=watch.stops)
    return {symbol: watches for symbol, watches in found.items() if watches}


def _too_long(watch: _Watch, allowed: timedelta) -> str | None:
    if watch.longest <= allowed or watch.when is None:
        return None
    return f"without a stop for {watch.longest.total_seconds():.1f} s from {watch.when.isoformat()}"
