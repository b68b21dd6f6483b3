"""An entry on its way through the rules: priced once, then only ever made smaller or safer."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from libs.perps.fees import BPS
from libs.perps.filters import round_passive
from libs.perps.sides import opening
from libs.perps.slippage import worst_taker
from libs.risk.case import ZERO, AssetMarket, Book, Case, Row, exact
from libs.risk.ladder import average, rung_prices
from libs.risk.values import PositionView, RuleReceipt
from libs.schemas.account import PositionSide
from libs.schemas.decision import AssetDecision
from libs.schemas.reasons import Reason
from libs.schemas.venue import VenueSymbol

ONE = Decimal(1)


@dataclass(slots=True)
class Entry:
    """`price` is what the order is expected to fill at; `quantity` in base units; margins in quote currency.

    `entry_fee` and `exit_fee` are fractions of the notional, at their worst. `margin_cap` bounds the margin that may be
    committed: what the model asked for and, where the sizing method says so, less. `held` is the quantity of the same
    symbol that is open or resting already. `rungs` are the prices of a ladder, whose average `price` is then; where its
    stop or target is a default, it keeps the distance `stop_away` or `target_away` from what is filled. `bound` is the
    quantity that a taker's price was reckoned for: it may not be more.
    """

    row: Row
    side: PositionSide
    sign: Decimal
    market: AssetMarket
    venue: VenueSymbol
    position: PositionView | None
    held: Decimal
    resting: bool
    price: Decimal
    entry_fee: Decimal
    exit_fee: Decimal
    margin_cap: Decimal
    rungs: tuple[Decimal, ...] = ()
    stop: Decimal | None = None
    target: Decimal | None = None
    stop_away: Decimal | None = None
    target_away: Decimal | None = None
    leverage: Decimal = ONE
    bound: Decimal | None = None
    quantity: Decimal = ZERO

    @property
    def notional(self) -> Decimal:
        return self.quantity * self.price

    @property
    def first(self) -> Decimal:
        """The price that fills first: of a ladder the nearest, else the only one."""
        return self.rungs[0] if self.rungs else self.price

    @property
    def last(self) -> Decimal:
        """The price that fills last, which is the nearest to the stop."""
        return self.rungs[-1] if self.rungs else self.price

    @property
    def held_notional(self) -> Decimal:
        return self.held * self.price

    def stop_distance(self) -> Decimal:
        """Quote currency per unit lost between the expected fill and the stop, fees aside."""
        return ZERO if self.stop is None else self.sign * (self.price - self.stop)

    def unit_cost(self) -> Decimal:
        """What one unit takes from the available balance: margin, the loss it opens with, and the fee."""
        open_loss = max(ZERO, self.sign * (self.price - self.market.mark))
        return self.price / self.leverage + open_loss + self.price * self.entry_fee


EntryRule = Callable[[Entry, Book, Case], RuleReceipt | None]


def make_entry(row: Row, side: PositionSide, book: Book, case: Case, bound: Decimal | None = None) -> Entry:
    """Prices an entry that passed the gates, so that its market and its venue's filters are known.

    A taker's price is that of `bound` base units; without one it is that of the smallest order.
    """
    asset, s = row.ask.asset, ONE if side == "long" else -ONE
    market, venue = AssetMarket.of(case.facts.assets[asset]), case.limits.venue[asset]
    rests = case.limits.strategy.order_preference in ("maker_only", "maker_preferred")
    price = _passive(row.ask, side, market, venue) if rests else _aggressive(side, market, venue, bound or ZERO)
    # maker_preferred may end as a taker, so that its fee is planned for.
    entry_bps = venue.maker_fee_bps if case.limits.strategy.order_preference == "maker_only" else venue.taker_fee_bps
    rungs = _rungs(row.ask, case, price, side, venue) if rests else ()
    position = book.positions.get(asset)
    return Entry(
        row=row,
        side=side,
        sign=s,
        market=market,
        venue=venue,
        position=position,
        held=book.notional.get(asset, ZERO) / market.mark,
        resting=rests,
        price=average(rungs) if rungs else price,
        entry_fee=max(ZERO, entry_bps) / BPS,
        exit_fee=venue.taker_fee_bps / BPS,
        margin_cap=_asked(row.ask),
        rungs=rungs,
        bound=bound,
    )


def _rungs(
    ask: AssetDecision, case: Case, first: Decimal, side: PositionSide, venue: VenueSymbol
) -> tuple[Decimal, ...]:
    """A new ladder where the strategy has one; an increase is a single order."""
    ladder = case.limits.strategy.ladder
    return () if ladder is None or ask.position_adjustment is not None else rung_prices(ladder, first, side, venue)


def _asked(ask: AssetDecision) -> Decimal:
    size = ask.position_adjustment
    return exact(ask.allocation_usd if size is None else size.adjustment_amount_usd)


def _passive(ask: AssetDecision, side: PositionSide, market: AssetMarket, venue: VenueSymbol) -> Decimal:
    """The asked limit, or the near side of the book; never beyond it, where a post-only order would be refused."""
    near = market.bid if side == "long" else market.ask
    if ask.limit_price is not None:
        asked = exact(ask.limit_price)
        near = min(near, asked) if side == "long" else max(near, asked)
    return round_passive(near, venue.tick_size, side)


def _aggressive(side: PositionSide, market: AssetMarket, venue: VenueSymbol, quantity: Decimal) -> Decimal:
    """What the venue will charge a taker of `quantity`, impact included."""
    depth = market.buys if side == "long" else market.sells
    return worst_taker(depth, market.last, opening(side), venue, quantity)


def clamp(
    entry: Entry, most: Decimal, rule: str, reason: Reason, why: str, limit: Decimal | None = None
) -> RuleReceipt | None:
    """Cuts the quantity to `most`; where nothing is left it denies. `limit`, in quote currency, ends the sentence."""
    if entry.quantity <= most:
        return None
    before = entry.notional
    if limit is not None:
        why = f"{why} at most {limit:.2f}"
    if most <= 0:
        return RuleReceipt(rule, "deny", Reason.NOTHING_LEFT, f"nothing is left: {why}", before, ZERO)
    entry.quantity = most
    return RuleReceipt(
        rule, "clamp", reason, f"cut from {before:.2f} to {entry.notional:.2f}: {why}", before, entry.notional
    )
