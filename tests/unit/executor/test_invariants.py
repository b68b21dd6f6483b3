"""What holds after any sequence of orders, ticks, funding and controls."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.market import FundingUpdate
from libs.schemas.verdict import Instruction
from services.executor.domain import paper
from services.executor.domain.bands import band
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import OrderChange, PositionChange, Turn, seal
from services.executor.domain.control import control
from services.executor.domain.days import rolled
from services.executor.domain.liquidation import fund
from services.executor.domain.quote import Market, Quote
from tests import builders
from tests.fakes.executor_values import NOW, SYMBOL, book, filters, instruction, market, quote, validated, working
from tests.forms import examples

PRICES = st.integers(30_000, 90_000).map(float)
MODES = st.sampled_from(["isolated", "cross"])
MOVES = ("tick", "thin", "gap")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), PRICES),
        st.tuples(st.just("thin"), PRICES),
        st.tuples(st.just("gap"), st.integers(1_000, 300_000).map(float)),
        st.tuples(st.just("buy"), st.integers(1, 400)),
        st.tuples(st.just("sell"), st.integers(1, 400)),
        st.tuples(st.just("limit"), st.integers(1, 400)),
        st.tuples(st.just("close"), st.integers(1, 400)),
        st.tuples(st.just("fund"), st.integers(-50, 50)),
        st.tuples(st.just("flatten"), st.just(0)),
    ),
    min_size=1,
    max_size=25,
)


@dataclass
class Run:
    """A book driven by steps, one second apart, and every change that it went through."""

    book: AccountBook
    last: Quote
    at: int = 0

    def apply(self, kind: str, value: float) -> Turn:
        self.at += 1
        if kind in MOVES:
            size = 0.05 if kind == "thin" else None
            self.last = quote(value, seconds=self.at, sequence=self.at, size=size)
        now = market(self.last, seconds=self.at)
        turn = Turn(self.book)
        if kind in MOVES:
            turn = paper.on_tick(turn, self.last, now)
        elif kind == "fund":
            update = FundingUpdate(symbol=SYMBOL, funding_time=NOW + timedelta(seconds=self.at), rate=value / 10_000)
            turn = fund(turn, update, now)
        elif kind == "flatten":
            body = builders.control("flatten", "paper-1", control_id=f"c{self.at}", requested_at=now.now)
            turn = control(turn, body, now)
        else:
            turn = self._ordered(turn, self._wanted(kind, D(int(value)) / 1000), now)
        self.book = seal(turn, now.now)[0]
        return turn

    def _wanted(self, kind: str, quantity: D) -> Instruction:
        price = self.last.price
        if kind == "close":
            held = self.book.positions.get(SYMBOL)
            side = "sell" if held is None or held.position.side == "long" else "buy"
            return Instruction(asset=SYMBOL, action="close_position", side=side, reduce_only=True, quantity=quantity)
        side = "sell" if kind == "sell" else "buy"
        away = D("0.97") if side == "buy" else D("1.03")
        over: dict[str, object] = {"stop": (price * away).quantize(D("0.1")), "target": None}
        if kind == "limit":
            limit = (price * D("0.999")).quantize(D("0.1"))
            over |= {"type": "limit", "time_in_force": "post_only", "limit_price": limit}
        return instruction(side, quantity=quantity, leverage=D(10), entry=price, **over)

    def _ordered(self, turn: Turn, final: Instruction, now: Market) -> Turn:
        at = NOW + timedelta(seconds=self.at)
        for order in working(validated(final, decision=f"dec-{self.at}", at=at), turn.book):
            turn = paper.submit(turn, order, now)
        return turn


@examples(25, 2_000)
@given(STEPS, MODES)
def test_every_cent_of_the_wallet_is_accounted_for(steps: list[tuple[str, float]], mode: str) -> None:
    run = Run(book(margin_mode=mode), quote(50_000))
    realised = fees = funding = filled = D(0)
    for kind, value in steps:
        before = run.book
        turn = run.apply(kind, value)
        fills = [c.fill for c in turn.changes if isinstance(c, OrderChange) and c.fill]
        positions = [c for c in turn.changes if isinstance(c, PositionChange)]
        realised += sum((f.realized_pnl for f in fills), D(0))
        fees += sum((f.fee for f in fills), D(0))
        funding += sum((c.funding for c in positions), D(0))
        filled += sum((f.quantity for f in fills), D(0))
        assert sum((c.realized_pnl for c in positions), D(0)) == sum((f.realized_pnl for f in fills), D(0))
        assert run.book.wallet == 10_000 + realised - fees + funding + run.book.insolvency
        assert run.book.wallet >= 0
        assert run.book.version == before.version + 1
    assert (run.book.realised_total, run.book.fees_total, run.book.funding_total) == (realised, fees, funding)
    assert sum((t.pnl for t in run.book.closed_trades), D(0)) == run.book.performance.total_pnl


@examples(25, 2_000)
@given(STEPS, MODES)
def test_a_position_always_has_a_stop_of_its_full_size_and_nothing_reduces_more(
    steps: list[tuple[str, float]], mode: str
) -> None:
    run = Run(book(margin_mode=mode), quote(50_000))
    for kind, value in steps:
        run.apply(kind, value)
        held = run.book.positions.get(SYMBOL)
        reducing = [o for o in run.book.orders.values() if o.intent.reduce_only]
        if held is None:
            assert not reducing
        else:
            stop = run.book.leg(SYMBOL, "stop")
            assert stop is not None
            assert stop.left == held.position.quantity
            assert all(o.left <= held.position.quantity for o in reducing)
            assert held.position.stop_loss == stop.intent.stop_price
            assert held.bare_since is None


@examples(25, 2_000)
@given(STEPS, PRICES)
def test_a_tick_inside_the_band_changes_nothing(steps: list[tuple[str, float]], price: float) -> None:
    run = Run(book(), quote(50_000))
    for kind, value in steps:
        run.apply(kind, value)
    limits = band(run.book, SYMBOL, filters())
    if not limits.hit(price, price):
        tick = quote(price, seconds=run.at, sequence=99)
        live = replace(run.book)
        turn = paper.on_tick(Turn(live), tick, market(tick, seconds=run.at))
        assert not turn.changes


def test_a_new_day_opens_with_the_equity_of_its_first_moment() -> None:
    held = replace(book(), wallet=D(9_500))
    next_day = rolled(held, market(), NOW + timedelta(hours=13))
    assert (next_day.day.open_equity, next_day.day.realised) == (D(9_500), D(0))
    assert rolled(next_day, market(), NOW + timedelta(hours=14)) is next_day
