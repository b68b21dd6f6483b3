"""The executor's own verdicts: on its own newest quotes, final, and never more than what the validator allowed."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from libs.schemas.decision import ENTRY_ACTIONS, AssetFacts, Facts
from libs.schemas.reasons import Reason
from libs.schemas.verdict import AssetVerdict, Instruction, Receipt
from services.executor.domain.book import ZERO
from services.executor.domain.quote import MAX_QUOTE_AGE, Market, Quote


def own_facts(validated: Facts, market: Market) -> Facts:
    """The validator's facts at the market's `now`, with the newer quote of each asset where the executor has one.

    What a quote cannot tell (ATR, indicators, funding, correlations) stays as the validator knew it. How old a tick
    may be is the validator's setting: here facts only go stale by waiting, and fresh by a newer quote.
    """
    passed = max(timedelta(0), market.now - validated.as_of)
    assets = {symbol: _aged(seen, passed) for symbol, seen in validated.assets.items()}
    for symbol, quote in market.quotes.items():
        seen = assets.get(symbol)
        age = max(timedelta(0), market.now - quote.at)
        if seen is not None and age.total_seconds() < seen.age_seconds:
            assets[symbol] = _quoted(seen, quote, age)
    return validated.model_copy(update={"assets": assets, "as_of": validated.as_of + passed})


def _aged(seen: AssetFacts, passed: timedelta) -> AssetFacts:
    age = seen.age_seconds + passed.total_seconds()
    return seen.model_copy(update={"age_seconds": age, "stale": seen.stale or passed > MAX_QUOTE_AGE})


def _quoted(seen: AssetFacts, quote: Quote, age: timedelta) -> AssetFacts:
    return seen.model_copy(
        update={
            "mark": float(quote.mark),
            "last": float(quote.price),
            "bid": _float(quote.bid),
            "ask": _float(quote.ask),
            "bid_size": _float(quote.bid_size),
            "ask_size": _float(quote.ask_size),
            "minute_volume": _float(quote.minute_volume),
            "age_seconds": age.total_seconds(),
            "stale": seen.stale and age > MAX_QUOTE_AGE,
        }
    )


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def final_verdicts(
    allowed: Sequence[AssetVerdict], judged: Sequence[AssetVerdict], *, expired: bool
) -> tuple[AssetVerdict, ...]:
    """Row by row of one decision: what both allow, with the receipts of both. An expired decision keeps its exits."""
    return tuple(_shrunk(a, j, expired) for a, j in zip(allowed, judged, strict=True))


def adds_risk(final: Instruction) -> bool:
    """Whether an instruction opens or adds to a position."""
    return not final.reduce_only and (final.action in ENTRY_ACTIONS or final.action == "adjust_position")


def _shrunk(allowed: AssetVerdict, judged: AssetVerdict, expired: bool) -> AssetVerdict:
    receipts = (*allowed.receipts, *(r for r in judged.receipts if r not in allowed.receipts))
    if allowed.final is None:
        return allowed
    if judged.final is None:
        return judged.model_copy(update={"verdict": "denied", "receipts": receipts})
    if expired and adds_risk(allowed.final):
        late = Receipt(
            rule="fresh",
            severity="error",
            reason=Reason.DECISION_EXPIRED,
            message="the decision expired before it could be executed",
        )
        return judged.model_copy(update={"verdict": "denied", "final": None, "receipts": (*receipts, late)})
    final = judged.final
    if adds_risk(allowed.final) and (allowed.final.quantity or 0) < (final.quantity or 0):
        final = _sized(final, allowed.final)
    clamped = "clamped" in (allowed.verdict, judged.verdict)
    verdict = "clamped" if clamped else "accepted"
    return judged.model_copy(update={"verdict": verdict, "final": final, "receipts": receipts})


def _sized(final: Instruction, allowed: Instruction) -> Instruction:
    """The instruction in the allowed quantity. Prices, leverage and stop stay those of the market as it is now."""
    quantity = allowed.quantity or ZERO
    notional = quantity * (final.entry or ZERO)
    rungs = tuple(rung.model_copy(update={"quantity": quantity / len(final.rungs)}) for rung in final.rungs)
    margin = notional / (final.leverage or 1)
    return final.model_copy(update={"quantity": quantity, "notional": notional, "margin": margin, "rungs": rungs})
