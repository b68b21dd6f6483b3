"""What holds of any judgement: no limit is exceeded, no exit is in the way of anything, nothing is cut twice."""

from decimal import Decimal as D

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.perps.margin import liquidation_price
from libs.perps.tiers import build_tiers
from libs.risk import AccountView, Limits, PositionView, SizedOrder, judge
from libs.risk.caps import concentration, exposure, margin, position_size, risk_per_trade
from libs.risk.case import Book, Caps, Case, Row, kind_of
from libs.risk.entries import ENTRY_RULES
from libs.risk.entry import Entry, make_entry
from libs.risk.gates import side_of
from libs.risk.leverage import liquidation_buffer, venue_tier
from libs.schemas.account import PositionSide
from libs.schemas.decision import Action, AssetDecision, Facts
from libs.schemas.venue import MarginTier
from tests.unit.risk.samples import LATER, NOW, SYMBOLS, account, decision, facts, limits, row, seen, strategy, venue

DUST = D("1e-12")
TIERS = tuple(
    MarginTier(floor=D(floor), mmr=D(mmr), max_leverage=D(most))
    for floor, mmr, most in ((0, ".004", 50), (5_000, ".01", 20), (20_000, ".05", 5))
)
CAPS = (risk_per_trade, position_size, exposure, concentration, venue_tier, liquidation_buffer, margin)
SIDES: st.SearchStrategy[PositionSide] = st.sampled_from(["long", "short"])
ACTIONS: st.SearchStrategy[Action] = st.sampled_from(["buy", "sell"])
MARKS = st.floats(50, 150).map(lambda price: round(price, 2))


def number(low: float, high: float, places: int = 1) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda value: round(value, places))


@st.composite
def entries(draw: st.DrawFn, asset: str, mark: float) -> AssetDecision:
    action = draw(ACTIONS)
    away = 1 if action == "buy" else -1
    stop = draw(st.none() | number(0.2, 20))
    target = draw(st.none() | number(1, 45))
    return row(
        asset,
        action,
        allocation_usd=draw(number(5, 8_000) | number(50, 500)),
        leverage=draw(st.none() | number(1, 60)),
        sl_price=None if stop is None else mark * (1 - away * stop / 100),
        tp_price=None if target is None else mark * (1 + away * target / 100),
        limit_price=draw(st.none() | st.none() | number(50, 150)),
        confidence=draw(st.integers(0, 100)),
    )


@st.composite
def positions(draw: st.DrawFn, symbol: str, mark: float) -> PositionView:
    side, quantity = draw(SIDES), D(draw(st.integers(1, 500))) / 100
    entry, leverage = D(repr(mark)) * D(draw(st.integers(90, 110))) / 100, D(draw(st.integers(1, 20)))
    away = D(draw(st.integers(1, 15))) / 100 * (1 if side == "long" else -1)
    stop = round(D(repr(mark)) * (1 - away), 2)
    return PositionView(symbol, side, quantity, entry, leverage, quantity * entry / leverage, stop, None)


@st.composite
def limit_sets(draw: st.DrawFn) -> Limits:
    sizing = draw(st.sampled_from(["fixed", "percentage", "volatility_adjusted", "kelly"]))
    risk = draw(st.sampled_from([0.25, 1, 3, 6]))
    plan = strategy(
        max_risk_per_trade=risk,
        max_daily_loss=20,
        stop_loss_percentage=draw(number(0.2, 6)),
        take_profit_ratio=draw(st.none() | st.just(1.5)),
        max_leverage=draw(st.integers(1, 50)),
        liquidation_buffer=draw(number(0, 0.6, 2)),
        max_positions=draw(st.integers(2, 5)),
        position_sizing=sizing,
        fixed_margin_usd=draw(number(10, 2_000)),
        margin_pct=draw(number(1, 40)),
        order_preference=draw(st.sampled_from(["maker_only", "maker_preferred", "taker_accepted", "any"])),
        max_exposure_pct=draw(st.sampled_from([20, 100, 300, 600])),
        max_asset_share_pct=draw(number(20, 100)),
    )
    listed = venue(half_spread_bps="2", slippage_bps="3", tiers=TIERS)
    return limits(plan, listed, leverage=draw(st.integers(1, 50)), size=draw(st.sampled_from([500, 3_000, 30_000])))


Scene = tuple[list[AssetDecision], Facts, AccountView, Limits]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """One row per symbol: an entry, a close, or a hold; some symbols have a position, some rest."""
    marks = {symbol: draw(MARKS) for symbol in SYMBOLS}
    held = [draw(positions(symbol, marks[symbol])) for symbol in SYMBOLS if draw(st.sampled_from([False, False, True]))]
    rows: list[AssetDecision] = []
    for symbol in draw(st.permutations(SYMBOLS)):
        open_here = any(each.symbol == symbol for each in held)
        kind = draw(st.sampled_from(["entry", "entry", "close" if open_here else "hold"]))
        if kind == "entry":
            rows.append(draw(entries(symbol, marks[symbol])))
        else:
            rows.append(row(symbol, "close_position" if kind == "close" else "hold"))
    view = account(
        *held,
        equity=D(draw(st.sampled_from([500, 5_000, 10_000, 20_000]))),
        available=D(draw(st.sampled_from([-100, 50, 300, 1_500, 15_000]))),
        resting={symbol: D(draw(st.integers(1, 3_000))) for symbol in SYMBOLS if draw(st.integers(0, 4)) == 0},
        day_open_equity=D(1),
    )
    market = facts({symbol: seen(mark=mark, last=mark, bid=None, ask=None) for symbol, mark in marks.items()})
    return rows, market, view, draw(limit_sets())


many = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mark_of(market: Facts, symbol: str) -> D:
    return D(repr(market.assets[symbol].mark))


@many
@given(scenes())
def test_no_limit_is_exceeded_by_what_is_accepted(scene: Scene) -> None:
    rows, market, view, bounds = scene
    judgement = judge(decision(*rows), market, view, bounds, NOW, expires_at=LATER)
    accepted = {
        verdict.asset: verdict.final
        for verdict in judgement.verdicts
        if verdict.final is not None and verdict.action in ("buy", "sell")
    }
    if not accepted:
        return
    gone = {verdict.asset for verdict in judgement.verdicts if verdict.action == "close_position"}
    left = {symbol: held for symbol, held in view.positions.items() if symbol not in gone}
    before = {symbol: each.notional for symbol, each in view.resting.items()}
    for symbol, held in left.items():
        before[symbol] = before.get(symbol, D(0)) + held.quantity * mark_of(market, symbol)
    caps = Caps.of(bounds, view)
    assert sum(before.values(), D(0)) + sum(_notional(final) for final in accepted.values()) <= caps.exposure + DUST
    new = set(accepted) - set(before)
    assert not new or len(set(before) | set(accepted)) <= bounds.strategy.max_positions
    freed = sum((view.positions[symbol].margin for symbol in gone), D(0))
    assert sum((final.margin or D(0) for final in accepted.values()), D(0)) <= view.available + freed + DUST
    for symbol, final in accepted.items():
        asked = next(each for each in rows if each.asset == symbol)
        _within_its_limits(asked, final, left.get(symbol), before.get(symbol, D(0)), market, bounds, caps)


def _notional(final: SizedOrder) -> D:
    return final.notional or D(0)


def _within_its_limits(
    asked: AssetDecision,
    final: SizedOrder,
    held: PositionView | None,
    before: D,
    market: Facts,
    bounds: Limits,
    caps: Caps,
) -> None:
    assert final.quantity is not None
    assert final.entry is not None
    assert final.stop is not None
    s = 1 if final.side == "buy" else -1
    distance = s * (final.entry - final.stop)
    total = final.quantity + before / mark_of(market, asked.asset)
    assert distance > 0
    assert total * distance <= caps.risk + DUST
    assert before + _notional(final) <= min(bounds.account.max_position_size, caps.asset) + DUST
    assert final.quantity % D("0.01") == 0
    assert final.stop % D("0.01") == 0
    assert _notional(final) >= 5
    assert (final.margin or D(0)) <= D(repr(asked.allocation_usd)) + DUST
    assert final.leverage <= min(caps.leverage, D(50)) if held is None else final.leverage == held.leverage
    assert final.target is None or s * (final.target - final.entry) > 0
    if held is None:
        side: PositionSide = "long" if s == 1 else "short"
        wallet = final.margin or D(0)
        liquidated = liquidation_price(side, final.quantity, final.entry, wallet, build_tiers(TIERS))
        assert liquidated is None or s * (final.stop - liquidated) >= caps.liquidation_buffer * abs(
            final.entry - liquidated
        ) - D("1e-9")


@many
@given(scenes(), st.sampled_from(["active", "reducing", "halted"]), st.booleans(), st.booleans())
def test_no_close_is_ever_denied(scene: Scene, trading: str, expired: bool, blind: bool) -> None:
    rows, market, view, bounds = scene
    closes = [row(symbol, "close_position") for symbol in view.positions]
    others = [each for each in rows if each.action != "close_position"]
    if not closes:
        return
    stopped = account(*view.positions.values(), trading_state=trading, equity=view.equity, available=view.available)
    known = Facts(assets={}, account_version=1, as_of=NOW) if blind else market
    now = LATER if expired else NOW
    judgement = judge(decision(*others, *closes), known, stopped, bounds, now, expires_at=LATER)
    for verdict in judgement.verdicts[len(others) :]:
        assert verdict.verdict == "accepted"
        assert verdict.final is not None
        assert verdict.final.quantity == view.positions[verdict.asset].quantity


@many
@given(scenes(), st.data())
def test_an_entry_never_changes_the_exit_of_another_asset(scene: Scene, data: st.DataObject) -> None:
    rows, market, view, bounds = scene
    exits = [each for each in rows if each.action == "close_position"]
    if not exits:
        return
    extra = [each for each in rows if each.action in ("buy", "sell")]
    added = data.draw(st.permutations(exits + extra))
    alone = judge(decision(*exits), market, view, bounds, NOW, expires_at=LATER)
    together = judge(decision(*added), market, view, bounds, NOW, expires_at=LATER)
    by_asset = {verdict.asset: verdict for verdict in together.verdicts}
    assert [by_asset[verdict.asset] for verdict in alone.verdicts] == list(alone.verdicts)


@many
@given(scenes())
def test_what_has_been_cut_is_not_cut_again(scene: Scene) -> None:
    rows, market, view, bounds = scene
    case = Case(market, view, bounds, Caps.of(bounds, view), NOW, LATER, None, {}, {})
    for asked in rows:
        row_ = Row(asked, kind_of(asked))
        book = Book.of(case)
        if row_.kind != "entry" or (side := side_of(row_, book)) is None:
            continue
        entry = make_entry(row_, side, book, case)
        if _passes(entry, book, case):
            kept = (entry.quantity, entry.leverage)
            assert [rule(entry, book, case) for rule in CAPS] == [None] * len(CAPS)
            assert (entry.quantity, entry.leverage) == kept


def _passes(entry: Entry, book: Book, case: Case) -> bool:
    for rule in ENTRY_RULES:
        receipt = rule(entry, book, case)
        if receipt is not None and receipt.effect == "deny":
            return False
    return True


@many
@given(scenes())
def test_the_same_decision_on_less_room_never_gets_more(scene: Scene) -> None:
    """What the executor relies on when it judges again: its own verdict may only shrink the validator's."""
    rows, market, view, bounds = scene
    first = next((each for each in rows if each.action in ("buy", "sell")), None)
    if first is None:
        return
    less = account(
        *view.positions.values(),
        equity=view.equity,
        available=view.available / 2,
        resting=view.resting,
        day_open_equity=D(1),
    )
    wide = judge(decision(first), market, view, bounds, NOW, expires_at=LATER).verdicts[0].final
    tight = judge(decision(first), market, less, bounds, NOW, expires_at=LATER).verdicts[0].final
    if tight is not None:
        assert wide is not None
        assert (tight.quantity or D(0)) <= (wide.quantity or D(0))
