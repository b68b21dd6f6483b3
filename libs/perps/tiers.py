"""Margin tiers by notional, with the amount `cum` that makes maintenance margin continuous across them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from libs.schemas.venue import MarginTier


@dataclass(frozen=True, slots=True)
class Tier:
    """Notional from `floor` up to the next tier's floor; `mmr` is a fraction, `cum` in quote currency."""

    floor: Decimal
    mmr: Decimal
    max_leverage: Decimal
    cum: Decimal


def build_tiers(tiers: tuple[MarginTier, ...]) -> tuple[Tier, ...]:
    """cum₀ = 0; cumₙ = cumₙ₋₁ + floorₙ·(mmrₙ − mmrₙ₋₁). `tiers` ascend from floor 0, as VenueSymbol checks."""
    built: list[Tier] = []
    for tier in tiers:
        step = built[-1].cum + tier.floor * (tier.mmr - built[-1].mmr) if built else Decimal(0)
        built.append(Tier(tier.floor, tier.mmr, tier.max_leverage, step))
    return tuple(built)


def tier_at(tiers: tuple[MarginTier, ...], notional: Decimal) -> Tier:
    """As `tier_for(build_tiers(tiers), notional)`, without building the tiers beyond it."""
    held, cum = tiers[0], Decimal(0)
    for tier in tiers[1:]:
        if notional < tier.floor:
            break
        cum += tier.floor * (tier.mmr - held.mmr)
        held = tier
    return Tier(held.floor, held.mmr, held.max_leverage, cum)


class Bracket(Protocol):
    """What a tier and its wire model share."""

    @property
    def floor(self) -> Decimal: ...
    @property
    def max_leverage(self) -> Decimal: ...


B = TypeVar("B", bound=Bracket)


def tier_for(tiers: tuple[B, ...], notional: Decimal) -> B:
    """The tier that holds `notional` ≥ 0; the last one has no upper end."""
    found = tiers[0]
    for tier in tiers[1:]:
        if notional < tier.floor:
            break
        found = tier
    return found


def max_notional(tiers: tuple[Bracket, ...], leverage: Decimal) -> Decimal | None:
    """The notional that `leverage` may not reach (the floor of the first tier that forbids it); None: no bound."""
    for tier in tiers:
        if tier.max_leverage < leverage:
            return tier.floor
    return None
