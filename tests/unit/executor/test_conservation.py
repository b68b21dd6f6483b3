"""Money is conserved over any sequence of ticks, gaps, orders, funding and liquidations, and no exit beats the market.

The books that are compared with are cash alone: what was paid for and got by each fill, at its price. They know no
average, no margin and no profit.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from libs.schemas.market import FundingUpdate
from services.executor.domain import paper
from services.executor.domain.book import AccountBook, available, equity
from services.executor.domain.changes import OrderChange, PositionChange, Turn, seal
from services.executor.domain.liquidation import fund
from services.executor.domain.quote import Market, Quote
from services.executor.domain.timers import tended
from services.executor.domain.trading import TradingBounds
from tests.fakes.executor_values import NOW, book, closing_instruction, instruction, market, quote, validated, working
from tests.forms import examples

COINS = ("BTCUSDT", "ETHUSDT", "PEPEUSDT")
START = {"BTCUSDT": D(50_000), "ETHUSDT": D("2500.5"), "PEPEUSDT": D("0.01237")}
LOTS = {"BTCUSDT": D("0.001"), "ETHUSDT": D("0.01"), "PEPEUSDT": D(1_000)}
RULES: dict[str, Any] = {"tick_size": D("0.000001"), "lot_size": D("0.001"), "max_quantity": D("1e12")}
MODES = st.sampled_from(["isolated", "cross"])
COIN = st.sampled_from(COINS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), COIN, st.integers(-300, 300)),
        st.tuples(st.just("gap"), COIN, st.integers(-9_800, 40_000)),
        st.tuples(st.just("wick"), COIN, st.integers(-6_000, 9_000)),
        st.tuples(st.just("thin"), COIN, st.integers(-900, 900)),
        st.tuples(st.just("buy"), COIN, st.integers(1, 90)),
        st.tuples(st.just("sell"), COIN, st.integers(1, 90)),
        st.tuples(st.just("limit"), COIN, st.integers(-90, 90)),
        st.tuples(st.just("close"), COIN, st.integers(1, 100)),
        st.tuples(st.just("fund"), COIN, st.integers(-400, 400)),
        st.tuples(st.just("late"), COIN, st.integers(-400, 400)),
        st.tuples(st.just("night"), COIN, st.just(0)),
    ),
    min_size=3,
    max_size=30,
)
Step = tuple[str, str, int]


@dataclass
class Cash:
    """Books of cash: coins and money, as they went in and out."""

    money: D
    coins: dict[str, D] = field(default_factory=lambda: defaultdict(D))

    def take(self, turn: Turn) -> None:
        for change in turn.changes:
            if isinstance(change, OrderChange) and change.fill:
                s = 1 if change.intent.side == "buy" else -1
                self.coins[change.intent.symbol] += s * change.fill.quantity
                self.money -= s * change.fill.quantity * change.fill.price + change.fill.fee
            elif isinstance(change, PositionChange):
                self.money += change.funding + change.insolvency

    def worth(self, marks: dict[str, D]) -> D:
        return self.money + sum((held * marks[s] for s, held in self.coins.items()), D(0))


class Account:
    """An account and its books of cash, one step a second."""

    def __init__(self, mode: str) -> None:
        self.book: AccountBook = book(margin_mode=mode)
        self.cash = Cash(D(10_000))
        self.second = 0
        self.quotes: dict[str, Quote] = {s: quote(float(START[s]), symbol=s) for s in COINS}
        self.boundaries: list[int] = []

    @property
    def marks(self) -> dict[str, D]:
        return {s: q.mark for s, q in self.quotes.items()}

    def market(self) -> Market:
        return market(*self.quotes.values(), seconds=self.second, **RULES)

    def step(self, kind: str, coin: str, value: int) -> Turn:
        self.second += 86_400 if kind == "night" else 1
        turn: Turn = getattr(self, f"_{kind}")(Turn(self.book), coin, value)
        self.book = seal(turn, self.market().now)[0]
        self.cash.take(turn)
        return turn

    def _moved(self, turn: Turn, coin: str, bps: int, **seen: float) -> Turn:
        price = max(D("0.0001"), (self.quotes[coin].price * (1 + D(bps) / 10_000)).quantize(D("0.000001")))
        at = quote(float(price), symbol=coin, seconds=self.second, sequence=self.second, span_volume=1e6, **seen)
        self.quotes[coin] = at
        return paper.on_tick(turn, at, self.market())

    def _tick(self, turn: Turn, coin: str, value: int) -> Turn:
        return self._moved(turn, coin, value)

    def _gap(self, turn: Turn, coin: str, value: int) -> Turn:
        return self._moved(turn, coin, value)

    def _wick(self, turn: Turn, coin: str, value: int) -> Turn:
        """A price that the mark does not follow: whoever closes now is not liquidated before."""
        return self._moved(turn, coin, value, mark_price=float(self.quotes[coin].mark))

    def _thin(self, turn: Turn, coin: str, value: int) -> Turn:
        return self._moved(turn, coin, value, size=float(3 * LOTS[coin]))

    def _night(self, turn: Turn, coin: str, value: int) -> Turn:
        return tended(turn, self.market(), TradingBounds())

    def _fund(self, turn: Turn, coin: str, rate: int) -> Turn:
        self.boundaries.append(self.second)
        return self._paid(turn, coin, self.second, rate)

    def _late(self, turn: Turn, coin: str, rate: int) -> Turn:
        """A boundary of before, or one that was told already."""
        return self._paid(turn, coin, max(0, self.second - abs(rate) % 7), rate)

    def _paid(self, turn: Turn, coin: str, second: int, rate: int) -> Turn:
        at = NOW + timedelta(seconds=second)
        update = FundingUpdate(symbol=coin, funding_time=at, rate=rate / 10_000, mark_price=float(self.marks[coin]))
        return fund(turn, update, self.market())

    def _buy(self, turn: Turn, coin: str, share: int) -> Turn:
        return self._ordered(turn, coin, "buy", share)

    def _sell(self, turn: Turn, coin: str, share: int) -> Turn:
        return self._ordered(turn, coin, "sell", share)

    def _limit(self, turn: Turn, coin: str, share: int) -> Turn:
        side = "sell" if share < 0 else "buy"
        limit = (self.quotes[coin].price * (D("1.004") if side == "sell" else D("0.996"))).quantize(D("0.000001"))
        resting = {"type": "limit", "time_in_force": "gtc", "limit_price": limit}
        return self._ordered(turn, coin, side, abs(share) + 1, **resting)

    def _ordered(self, turn: Turn, coin: str, side: str, share: int, **over: Any) -> Turn:
        """A share in percent of 60 000 of notional, with a stop 8 % away."""
        price = self.quotes[coin].price
        quantity = (D(600) * share / price / LOTS[coin]).to_integral_value() * LOTS[coin]
        if quantity <= 0:
            return turn
        stop = (price * (D("0.92") if side == "buy" else D("1.08"))).quantize(D("0.000001"))
        levels = {"leverage": D(3 + share % 8), "entry": price, "stop": stop, "target": None}
        return self._submitted(turn, instruction(side, asset=coin, quantity=quantity, **levels, **over))

    def _close(self, turn: Turn, coin: str, share: int) -> Turn:
        held = turn.book.positions.get(coin)
        if held is None:
            return turn
        part = (held.position.quantity * share / 100 / D("0.001")).to_integral_value() * D("0.001")
        side = "sell" if held.position.side == "long" else "buy"
        if part <= 0:
            return turn
        return self._submitted(turn, closing_instruction(side, asset=coin, action="adjust_position", quantity=part))

    def _submitted(self, turn: Turn, final: Any) -> Turn:
        body = validated(final, decision=f"dec-{self.second}", at=NOW + timedelta(seconds=self.second))
        for order in working(body, turn.book):
            turn = paper.submit(turn, order, self.market())
        return turn


@examples(30, 3_000)
@given(STEPS, MODES)
def test_nothing_is_made_or_lost(steps: list[Step], mode: str) -> None:
    account = Account(mode)
    for kind, coin, value in steps:
        account.step(kind, coin, value)
        held, cash = account.book, account.cash
        whole = held.initial_balance + held.realised_total - held.fees_total + held.funding_total + held.insolvency
        assert held.wallet == whole
        assert held.wallet >= 0
        signed = {s: (1 if h.position.side == "long" else -1) * h.position.quantity for s, h in held.positions.items()}
        assert signed == {s: q for s, q in cash.coins.items() if q}
        # Each fill may round its profit at the eighth digit while the position is open.
        assert abs(equity(held, account.marks) - cash.worth(account.marks)) <= D("1e-8") * account.second
        if not held.positions:
            assert abs(held.wallet - cash.money) <= D("1e-8") * len(held.closed_trades)


@examples(30, 3_000)
@given(STEPS, MODES)
def test_trades_add_up_to_the_wallet(steps: list[Step], mode: str) -> None:
    account = Account(mode)
    for kind, coin, value in steps:
        account.step(kind, coin, value)
    held = account.book
    open_result = sum(
        (
            h.position.realized_pnl - h.position.fees + h.position.funding + h.insolvency
            for h in held.positions.values()
        ),
        D(0),
    )
    assert sum((t.pnl for t in held.closed_trades), open_result) == held.wallet - held.initial_balance
    assert sum((t.insolvency for t in held.closed_trades), D(0)) <= held.insolvency


@examples(30, 3_000)
@given(STEPS, MODES)
def test_no_fill_is_better_than_the_prices_that_traded(steps: list[Step], mode: str) -> None:
    account = Account(mode)
    for kind, coin, value in steps:
        for change in account.step(kind, coin, value).changes:
            if not isinstance(change, OrderChange) or change.fill is None:
                continue
            traded, s = account.quotes[change.intent.symbol].price, 1 if change.intent.side == "buy" else -1
            if change.fill.liquidity == "taker":
                assert s * (change.fill.price - traded) >= 0
            else:
                assert change.fill.price == change.intent.price
                assert s * (change.fill.price - traded) > 0, "it was traded through"


@examples(30, 3_000)
@given(STEPS)
@example([("sell", "BTCUSDT", 1), ("night", "BTCUSDT", 0), ("buy", "BTCUSDT", 32), ("gap", "BTCUSDT", 5563)])
@example([("sell", "BTCUSDT", 65), ("night", "BTCUSDT", 0), ("close", "BTCUSDT", 61), ("gap", "BTCUSDT", 2587)])
def test_isolated_margins_never_exceed_the_wallet(steps: list[Step]) -> None:
    account = Account("isolated")
    for kind, coin, value in steps:
        account.step(kind, coin, value)
        margins = sum((h.position.margin for h in account.book.positions.values()), D(0))
        assert margins <= account.book.wallet
        if not account.book.orders:
            assert available(account.book) >= 0


@examples(60, 3_000)
@given(STEPS)
@example([("buy", "BTCUSDT", 30), ("wick", "BTCUSDT", -5_000), ("close", "BTCUSDT", 100)])
@example([("sell", "BTCUSDT", 65), ("night", "BTCUSDT", 0), ("close", "BTCUSDT", 61), ("gap", "BTCUSDT", 2587)])
def test_an_isolated_exit_never_takes_from_what_is_free(steps: list[Step]) -> None:
    """Whatever it closes and at what price ever, the wallet falls by no more than the margin that is let go."""
    account = Account("isolated")
    for kind, coin, value in steps:
        wallet = account.book.wallet
        for change in account.step(kind, coin, value).changes:
            if not isinstance(change, PositionChange):
                continue
            before, after = change.before, change.after
            if before is not None and (after is None or after.quantity < before.quantity):
                let_go = before.margin - (after.margin if after else 0)
                assert let_go >= 0
                assert change.wallet >= wallet - let_go
                assert change.insolvency == 0 or change.wallet == wallet - let_go, "the margin pays before the venue"
            wallet = change.wallet
