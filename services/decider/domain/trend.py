"""`builtin/trend`: a deterministic rule policy. Not a language model, and it never claims to be one.

Entries: EMA 20 beyond EMA 50 by a share of the ATR on the shortest timeframe, not against the longest one's EMAs unless
those are close, RSI 14 neither stretched nor against it. Stop at max(default stop, 1.5 ATR). Exits: the EMAs have
crossed back.
"""

from dataclasses import dataclass
from typing import Literal

from libs.schemas.decision import AssetDecision, RiskLevel, TradingDecision
from services.decider.domain.snapshot import Asset, Frame, Held, Rules, Snapshot

FLAT = 0.25  # |EMA 20 − EMA 50| below this share of the ATR is no trend
OPPOSED = 1.0  # the longest timeframe forbids an entry when its EMAs are this many ATRs the other way
STOP_ATRS = 1.5
RSI_LONG = (45.0, 72.0)
RSI_SHORT = (28.0, 55.0)
ADVERSE = 0.0005  # drift until execution that the target allows for, at least: the rules tolerate as much
MMR = 0.01  # maintenance margin assumed for the liquidation distance, above the venues' first tiers

Side = Literal["long", "short"]


@dataclass(frozen=True, slots=True)
class Signal:
    """A trend worth an entry. `confidence` 0–100, `stop` and `target` distances as fractions of price."""

    symbol: str
    side: Side
    confidence: float
    stop: float
    target: float | None
    factors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoSignal:
    symbol: str
    why: str


def decide(view: Snapshot) -> TradingDecision:
    """One entry per symbol of the snapshot; entries share the free positions, the surest first."""
    signals = {symbol: _signal(view, symbol) for symbol in view.symbols}
    chosen, crowded = _chosen(view, signals)
    rows = tuple(
        _exit_or_hold(view, symbol, view.positions[symbol])
        if symbol in view.positions
        else _entry(view, signal, len(chosen))
        if isinstance(signal, Signal) and symbol in chosen
        else _hold(symbol, crowded if isinstance(signal, Signal) else signal.why)
        for symbol, signal in signals.items()
    )
    entries = [row for row in rows if row.action in ("buy", "sell")]
    closes = sum(row.action == "close_position" for row in rows)
    return TradingDecision(
        decisions=rows,
        portfolio_rationale=(
            f"Trend rules on {_frame_names(view)}: {len(entries)} of {len(rows)} assets have a trend and a free place, "
            f"{closes} open positions have lost theirs; {len(view.positions)} positions were open."
        ),
        total_allocation_usd=round(sum(row.allocation_usd for row in rows), 2),
        portfolio_risk_level=_risk_of(view.rules, len(view.positions) + len(entries) - closes),
    )


def _signal(view: Snapshot, symbol: str) -> Signal | NoSignal:
    """What the market says of one asset, whatever is held of it."""
    asset, rules = view.assets.get(symbol), view.rules
    if asset is None or asset.degraded:
        return NoSignal(symbol, "its market data is missing or stale")
    frame = asset.frames[0]
    if not _ready(frame):
        return NoSignal(symbol, f"{frame.tf} indicators are still warming up")
    strength = _gap(frame)
    side: Side = "long" if strength > 0 else "short"
    if why := _objection(view, asset, side, abs(strength)):
        return NoSignal(symbol, why)
    aligned = _alignment(asset, side)
    stop = max(rules.default_stop_pct / 100, STOP_ATRS * frame.atr14[-1] / asset.price)
    target = _target(rules, stop)
    if max(stop, 0.0 if side == "long" else target or 0.0) >= 1:
        return NoSignal(symbol, "its stop or target would lie below a price of 0")
    return Signal(symbol, side, _confidence(abs(strength), aligned), stop, target, _factors(asset, side, aligned))


def _objection(view: Snapshot, asset: Asset, side: Side, strength: float) -> str | None:
    """Why there is no entry in spite of the sign of the trend."""
    frame, rules = asset.frames[0], view.rules
    low, high = RSI_LONG if side == "long" else RSI_SHORT
    if rules.state != "active":
        return f"trading state is {rules.state}: no entries"
    if rules.available <= 0:
        return "no margin is available"
    if strength < FLAT:
        return f"{frame.tf} EMA 20 and 50 are {strength:.2f} ATR apart: flat"
    if not low <= frame.rsi14[-1] <= high:
        return f"{frame.tf} RSI {frame.rsi14[-1]:.0f} is outside {low:.0f}–{high:.0f} for a {side}"
    if _alignment(asset, side) < -OPPOSED:
        return f"{asset.frames[-1].tf} trend points the other way"
    if _adverse_funding_bps(asset, side) > rules.max_funding_bps_8h:
        return f"funding of {_adverse_funding_bps(asset, side):.1f} bps is against a {side}"
    if asset.funding_min is not None and asset.funding_min <= rules.funding_blackout_min:
        return f"funding is due in {asset.funding_min:.0f} min"
    return None


def _chosen(view: Snapshot, signals: dict[str, Signal | NoSignal]) -> tuple[frozenset[str], str]:
    """Symbols to enter now, and what is said of a signal that got no place."""
    taken = set(view.positions) | set(view.resting_entries)
    free = max(0, view.rules.max_positions - len(taken))
    ranked = sorted(
        (s for s in signals.values() if isinstance(s, Signal) and s.symbol not in taken),
        key=lambda s: (-s.confidence, s.symbol),
    )
    return frozenset(s.symbol for s in ranked[:free]), (
        f"a trend is there, but its entry rests already or the {view.rules.max_positions} places are taken by others"
    )


def _entry(view: Snapshot, signal: Signal, entries: int) -> AssetDecision:
    asset, rules = view.assets[signal.symbol], view.rules
    sign = 1 if signal.side == "long" else -1
    frame = asset.frames[0]
    stop = _price(asset.price * (1 - sign * signal.stop))
    target = None if signal.target is None else _price(asset.price * (1 + sign * signal.target))
    leverage = _leverage(rules, signal.stop)
    invalidation = f"{frame.tf} EMA 20 crosses {'below' if sign > 0 else 'above'} EMA 50"
    aim = "at the default target" if target is None else f"at the target {target:.7g} ({signal.target:.2%})"
    return AssetDecision(
        asset=signal.symbol,
        action="buy" if signal.side == "long" else "sell",
        allocation_usd=_allocation(rules, signal.confidence, leverage, entries),
        leverage=leverage,
        tp_price=target,
        sl_price=stop,
        exit_plan=f"Out at the stop {stop:.7g} ({signal.stop:.2%}), {aim}, or when {invalidation}.",
        invalidation=invalidation,
        rationale=f"{signal.side.capitalize()} with the trend: {'; '.join(signal.factors)}.",
        confidence=signal.confidence,
        risk_level=_risk_level(signal.stop * leverage),
        key_factors=signal.factors,
    )


def _exit_or_hold(view: Snapshot, symbol: str, held: Held) -> AssetDecision:
    """Close when the EMAs have crossed back by more than the flat zone; stops and targets rest at the venue."""
    asset = view.assets.get(symbol)
    if asset is None or not _ready(asset.frames[0]):
        return _hold(symbol, "the position is kept with its stop; there is no indicator to judge it by")
    frame = asset.frames[0]
    gap = _gap(frame) * (1 if held.side == "long" else -1)
    if gap > -FLAT:
        return _hold(symbol, f"the {held.side} stands: {frame.tf} EMAs are {gap:.2f} ATR its way")
    return AssetDecision(
        asset=symbol,
        action="close_position",
        exit_plan="Close now.",
        invalidation="none: the position is closed",
        rationale=f"The {held.side} has lost its trend: {frame.tf} EMAs are {-gap:.2f} ATR against it.",
        risk_level="low",
        key_factors=(f"{frame.tf} EMA 20/50 crossed back",),
    )


def _hold(symbol: str, why: str) -> AssetDecision:
    return AssetDecision(
        asset=symbol,
        action="hold",
        exit_plan="Nothing to exit by this decision; orders in place stay.",
        rationale=f"Hold: {why}.",
        risk_level="low",
    )


def _ready(frame: Frame) -> bool:
    return bool(frame.ema20 and frame.ema50 and frame.rsi14 and frame.atr14 and frame.atr14[-1] > 0)


def _gap(frame: Frame) -> float:
    """EMA 20 less EMA 50 in ATRs: positive in an uptrend."""
    return (frame.ema20[-1] - frame.ema50[-1]) / frame.atr14[-1]


def _alignment(asset: Asset, side: Side) -> float:
    """The longest timeframe's gap in the direction of `side`; 0 where it has no indicators or is the only one."""
    longest = asset.frames[-1]
    if len(asset.frames) == 1 or not _ready(longest):
        return 0.0
    return _gap(longest) * (1 if side == "long" else -1)


def _confidence(strength: float, aligned: float) -> float:
    return round(min(90.0, 50 + 12 * min(strength, 2) + 8 * max(-1.0, min(aligned, 2))))


def _target(rules: Rules, stop: float) -> float | None:
    """Distance that leaves the asked reward : risk net of both fees, also after some drift until execution."""
    if rules.reward_ratio is None:
        return None if rules.target_pct is None else rules.target_pct / 100
    fees, drift = 2 * rules.fee_bps / 10_000, max(ADVERSE, 0.1 * stop)
    return rules.reward_ratio * (stop + drift + fees) + drift + fees


def _leverage(rules: Rules, stop: float) -> float:
    """Whole multiples up to the limit that keep the stop well before liquidation (≈ 1/leverage − maintenance)."""
    room = 1 / (stop / (1 - rules.liquidation_buffer) + MMR) if rules.liquidation_buffer < 1 else 1.0
    return float(max(1, int(min(rules.max_leverage, room))))


def _allocation(rules: Rules, confidence: float, leverage: float, entries: int) -> float:
    """Margin: of a place's share of equity 20 % at confidence 50 up to 60 % at 90, within margin and limits."""
    wanted = rules.equity / rules.max_positions * (0.2 + 0.4 * max(0.0, confidence - 50) / 40)
    return round(max(0.0, min(wanted, 0.9 * rules.available / entries, rules.max_notional / leverage)), 2)


def _adverse_funding_bps(asset: Asset, side: Side) -> float:
    return (asset.funding or 0.0) * 10_000 * (1 if side == "long" else -1)


def _factors(asset: Asset, side: Side, aligned: float) -> tuple[str, ...]:
    frame, longest = asset.frames[0], asset.frames[-1]
    found = [
        f"{frame.tf} EMA 20 {frame.ema20[-1]:.7g} vs EMA 50 {frame.ema50[-1]:.7g} ({_gap(frame):+.2f} ATR)",
        f"{frame.tf} RSI {frame.rsi14[-1]:.0f}",
        f"{frame.tf} ATR {frame.atr14[-1] / asset.price:.2%} of price",
    ]
    if longest is not frame and _ready(longest):
        found.append(f"{longest.tf} trend {'agrees' if aligned > 0 else 'does not oppose'} ({_gap(longest):+.2f} ATR)")
    return tuple(found)


def _risk_level(loss_of_margin: float) -> RiskLevel:
    return "low" if loss_of_margin < 0.05 else "medium" if loss_of_margin < 0.25 else "high"


def _risk_of(rules: Rules, positions: int) -> RiskLevel:
    if positions <= 0:
        return "low"
    return "medium" if positions < rules.max_positions else "high"


def _price(value: float) -> float:
    return float(f"{value:.7g}")


def _frame_names(view: Snapshot) -> str:
    frames = next(iter(view.assets.values())).frames if view.assets else ()
    return "/".join(frame.tf for frame in frames) or "no timeframe"
