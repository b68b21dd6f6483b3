"""What holds of any judgement: no limit is exceeded, no exit is in the way of anything, nothing is cut twice."""

from dataclasses import replace
from decimal import Decimal as D
from itertools import pairwise

from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from libs.perps.margin import liquidation_price
from libs.perps.tiers import build_tiers
from libs.risk import SizedOrder, Verdict, judge
from libs.risk.case import Caps
from libs.schemas.account import PositionSide
from libs.schemas.decision import AssetDecision, Facts, pair_key
from tests.builders import decision
from tests.forms import examples
from tests.unit.risk.samples import LATER, NOW, increase, row
from tests.unit.risk.scenes import TIERS, Scene, scenes

DUST = D("1e-12")
ZERO = D(0)
ADDS = ("buy", "sell")
EXITS = ("close_position", "adjust_orders")

many = examples(15, 2_000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def adds(verdict: Verdict) -> bool:
    return verdict.final is not None and not verdict.final.reduce_only


def leaves(asked: AssetDecision) -> bool:
    size = asked.position_adjustment
    return asked.action in EXITS or (size is not None and size.adjustment_type == "decrease")


def accepted(verdicts: tuple[Verdict, ...]) -> dict[str, SizedOrder]:
    return {v.asset: v.final for v in verdicts if v.final is not None and adds(v)}


def remaining(scene: Scene, verdicts: tuple[Verdict, ...]) -> dict[str, tuple[PositionSide, D]]:
    """What stays open of each position once the exits are done: side and quantity."""
    gone = {v.asset: v.final.quantity or ZERO for v in verdicts if v.final is not None and v.final.reduce_only}
    left = {symbol: (p.side, p.quantity - gone.get(symbol, ZERO)) for symbol, p in scene.view.positions.items()}
    return {symbol: (side, quantity) for symbol, (side, quantity) in left.items() if quantity > 0}


@many
@given(scenes())
def test_no_limit_of_the_account_is_exceeded(scene: Scene) -> None:
    verdicts = scene.judged().verdicts
    entries, left = accepted(verdicts), remaining(scene, verdicts)
    assume(entries)
    caps = Caps.of(scene.bounds, scene.view)
    before = {symbol: each.notional for symbol, each in scene.view.resting.items()}
    for symbol, (_, quantity) in left.items():
        before[symbol] = before.get(symbol, ZERO) + quantity * scene.mark(symbol)
    assert sum(before.values(), ZERO) + sum((n(e) for e in entries.values()), ZERO) <= caps.exposure + DUST
    new = set(entries) - set(before)
    assert not new or len(set(before) | set(entries)) <= scene.bounds.strategy.max_positions
    held = scene.view.positions
    freed = sum((p.margin for symbol, p in held.items() if symbol not in left), ZERO)
    freed += sum((p.margin * (1 - left[s][1] / p.quantity) for s, p in held.items() if s in left), ZERO)
    assert sum((e.margin or ZERO for e in entries.values()), ZERO) <= scene.view.available + freed + DUST
    for symbol, final in entries.items():
        within_its_limits(scene, symbol, final, before.get(symbol, ZERO), caps)
    clusters_fit(scene, entries, left, caps)


def n(final: SizedOrder) -> D:
    return final.notional or ZERO


def within_its_limits(scene: Scene, symbol: str, final: SizedOrder, before: D, caps: Caps) -> None:
    asked = next(each for each in scene.rows if each.asset == symbol)
    size = asked.position_adjustment
    assert final.quantity is not None
    assert final.entry is not None
    assert final.stop is not None
    s = 1 if final.side == "buy" else -1
    distance, total = s * (final.entry - final.stop), final.quantity + before / scene.mark(symbol)
    assert distance > 0
    assert total * distance <= caps.risk + DUST
    assert before + n(final) <= min(scene.bounds.account.max_position_size, caps.asset) + DUST
    assert final.quantity % D("0.01") == 0
    assert final.stop % D("0.01") == 0
    assert n(final) >= 5
    wanted = asked.allocation_usd if size is None else size.adjustment_amount_usd
    assert (final.margin or ZERO) <= D(repr(wanted)) + DUST
    assert final.target is None or s * (final.target - final.entry) > 0
    held = scene.view.positions.get(symbol)
    if held is not None:
        assert final.leverage == held.leverage
        return
    assert final.leverage <= min(caps.leverage, D(50))
    side: PositionSide = "long" if s == 1 else "short"
    liquidated = liquidation_price(side, final.quantity, final.entry, final.margin or ZERO, build_tiers(TIERS))
    if liquidated is not None:
        kept = s * (final.stop - liquidated)
        assert kept >= caps.liquidation_buffer * abs(final.entry - liquidated) - D("1e-9")


def clusters_fit(
    scene: Scene, entries: dict[str, SizedOrder], left: dict[str, tuple[PositionSide, D]], caps: Caps
) -> None:
    """Around every asset that an entry joined: what moves with it on its side, resting orders of no known side too."""
    apart = {pair for pair, together in (scene.market.correlated or {}).items() if not together}
    parts: list[tuple[str, PositionSide | None, D]]
    parts = [(symbol, side, quantity * scene.mark(symbol)) for symbol, (side, quantity) in left.items()]
    parts += [(symbol, each.side, each.notional) for symbol, each in scene.view.resting.items()]
    opened: dict[str, PositionSide] = {
        symbol: "long" if final.side == "buy" else "short" for symbol, final in entries.items()
    }
    parts += [(symbol, opened[symbol], n(final)) for symbol, final in entries.items()]
    for symbol, side in opened.items():
        around = {other for other, where, _ in parts if where in (None, side) and pair_key(symbol, other) not in apart}
        for each in around:
            load = sum(
                (size for other, where, size in parts if where in (None, side) and pair_key(each, other) not in apart),
                ZERO,
            )
            assert load <= caps.cluster + DUST


@many
@given(
    scenes(),
    st.sampled_from(["active", "reducing", "halted"]),
    st.sampled_from(["active", "paused", "stopped"]),
    st.booleans(),
    st.booleans(),
)
def test_no_close_decrease_or_safer_stop_is_ever_denied(
    scene: Scene, trading: str, status: str, expired: bool, blind: bool
) -> None:
    exits = [each for each in scene.rows if leaves(each)]
    assume(exits)
    stopped = replace(scene.view, trading_state=trading, status=status)  # type: ignore[arg-type]
    known = Facts(assets={}, account_version=1, as_of=NOW) if blind else scene.market
    now = LATER if expired else NOW
    found = judge(decision(*scene.rows), known, stopped, scene.bounds, now, expires_at=LATER).verdicts
    for asked, verdict in zip(scene.rows, found, strict=True):
        if leaves(asked):
            assert verdict.verdict != "denied"
            assert verdict.final is not None
            assert verdict.final.reduce_only
        if asked.action == "close_position":
            assert verdict.final is not None
            assert verdict.final.quantity == scene.view.positions[asked.asset].quantity


@many
@given(scenes(), st.data())
def test_an_entry_never_changes_the_exit_of_another_asset(scene: Scene, data: st.DataObject) -> None:
    exits = [each for each in scene.rows if leaves(each)]
    assume(exits)
    alone = scene.judged(*exits)
    together = scene.judged(*data.draw(st.permutations(scene.rows)))
    by_asset = {verdict.asset: verdict for verdict in together.verdicts}
    assert [by_asset[verdict.asset] for verdict in alone.verdicts] == list(alone.verdicts)


@many
@given(scenes(), st.data())
def test_the_order_of_the_rows_decides_nothing(scene: Scene, data: st.DataObject) -> None:
    first = {verdict.asset: verdict for verdict in scene.judged().verdicts}
    mixed = scene.judged(*data.draw(st.permutations(scene.rows)))
    assert {verdict.asset: verdict for verdict in mixed.verdicts} == first


@many
@given(scenes())
def test_judging_what_was_accepted_again_changes_nothing(scene: Scene) -> None:
    """The finals, asked for as they are, pass as they are, but for the lot that a float may fall short by."""
    first = {v.asset: v.final for v in scene.judged().verdicts if v.final is not None}
    rows = [as_asked(each, first[each.asset]) for each in scene.rows if each.asset in first]
    assume(rows)
    again = {v.asset: v.final for v in scene.judged(*rows).verdicts}
    for symbol, final in first.items():
        found = again[symbol]
        assert found is not None
        assert (found.leverage, found.stop, found.target) == (final.leverage, final.stop, final.target)
        lots = 0 if final.reduce_only else len(final.rungs) or 1
        assert 0 <= (final.quantity or ZERO) - (found.quantity or ZERO) <= D("0.01") * lots


def as_asked(asked: AssetDecision, final: SizedOrder) -> AssetDecision:
    """The instruction as a model would ask for it; a hair more margin than floats can lose. An exit stays as it was."""
    size = asked.position_adjustment
    if final.reduce_only:
        return asked
    if size is not None:
        return increase(
            asked.asset, float(final.margin or 0) * (1 + 1e-12), new_sl_price=float(final.stop or 0)
        ).model_copy(update={"confidence": asked.confidence})
    return row(
        asked.asset,
        asked.action,
        allocation_usd=float(final.margin or 0) * (1 + 1e-12),
        leverage=float(final.leverage),
        sl_price=float(final.stop or 0),
        tp_price=None if final.target is None else float(final.target),
        limit_price=asked.limit_price,
        confidence=asked.confidence,
    )


@many
@given(scenes())
def test_the_same_decision_on_less_room_never_gets_more(scene: Scene) -> None:
    """What the executor relies on when it judges again: its own verdict may only shrink the validator's."""
    first = next((each for each in scene.rows if each.action in ADDS), None)
    assume(first is not None)
    assert first is not None
    less = replace(scene.view, available=scene.view.available / 2 if scene.view.available > 0 else ZERO)
    wide = scene.judged(first).verdicts[0].final
    tight = judge(decision(first), scene.market, less, scene.bounds, NOW, expires_at=LATER).verdicts[0].final
    if tight is not None and scene.view.available > 0:
        assert wide is not None
        assert (tight.quantity or ZERO) <= (wide.quantity or ZERO)


@many
@given(scenes())
def test_no_clamp_makes_anything_larger(scene: Scene) -> None:
    for verdict in scene.judged().verdicts:
        sizes = [r for r in verdict.receipts if r.effect in ("clamp", "note") and r.rule in SIZES]
        for receipt in sizes:
            assert isinstance(receipt.before, D)
            assert isinstance(receipt.after, D)
            assert receipt.after <= receipt.before
        for one, other in pairwise(sizes):
            assert isinstance(one.after, D)
            assert isinstance(other.before, D)
            assert other.before <= one.after


SIZES = ("sizing", "risk_per_trade", "position_size", "exposure", "concentration", "correlation", "margin")
